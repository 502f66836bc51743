/**
 * Counts bytes by the path that they take: what the joules of bytes come from. Each count only grows. Bytes
 * count when the step or slice that moved them has ended.
 */

/** The order of the registers that count them. */
const MOVE_PATHS = ["lmemRead", "lmemWrite", "linkOut", "linkIn"] as const;

/** The bank of system memory; all others are on the card. */
const SYSTEM_BANK = 0;

/** What an engine has moved since its count was last taken. */
export class EngineBytes {
  readonly #counts = { lmemRead: 0, lmemWrite: 0, linkOut: 0, linkIn: 0 };

  read(bank: number, bytes: number): void {
    this.#counts[bank === SYSTEM_BANK ? "linkIn" : "lmemRead"] += bytes;
  }

  write(bank: number, bytes: number): void {
    this.#counts[bank === SYSTEM_BANK ? "linkOut" : "lmemWrite"] += bytes;
  }

  /** Hands over each count that is not zero, and begins anew. */
  take(add: (pathIndex: number, bytes: bigint) => void): void {
    for (const [index, path] of MOVE_PATHS.entries()) {
      if (this.#counts[path] > 0) add(index, BigInt(this.#counts[path]));
      this.#counts[path] = 0;
    }
  }
}

/** What the CPU has moved to and from the card. What it moves within system memory costs the card nothing. */
export class CpuBytes {
  readonly moved = { lmemRead: 0n, lmemWrite: 0n, linkOut: 0n, linkIn: 0n };

  read(bank: number, bytes: number): void {
    if (bank === SYSTEM_BANK) return;
    this.moved.lmemRead += BigInt(bytes);
    this.moved.linkOut += BigInt(bytes);
  }

  write(bank: number, bytes: number): void {
    if (bank === SYSTEM_BANK) return;
    this.moved.lmemWrite += BigInt(bytes);
    this.moved.linkIn += BigInt(bytes);
  }
}
