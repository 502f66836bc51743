/**
 * Chunks of content on their way to a client. They go round through a few pieces of memory: fresh memory for
 * each would cost more than copying it, and more of them than the client takes would only wait.
 */
import type { ServerResponse } from "node:http";
import { CONTENT_CHUNKS_AHEAD } from "../limits.ts";
import { WireError } from "../messages/wire-error.ts";

/** The memory of one stream. */
export class ChunkRooms {
  readonly #response: ServerResponse;
  #free: Uint8Array[] = [];
  #made = 0;
  #underWay = 0;
  #isGone: boolean;
  #wake: (() => void) | undefined;

  /** @param response where the chunks go; when its connection ends nobody waits for room any more. */
  constructor(response: ServerResponse) {
    this.#response = response;
    this.#isGone = response.closed;
    response.once("close", () => {
      this.#isGone = true;
      this.#wake?.();
    });
  }

  /**
   * Finds memory for the next chunk, which is no longer than the first one. Waits until there is some.
   * @throws WireError CALL_CANCELLED when the client has gone away.
   */
  readonly roomFor = async (lengthBytes: number): Promise<Uint8Array> => {
    for (;;) {
      if (this.#isGone) throw new WireError("CALL_CANCELLED", "The client has gone away.");
      const free = this.#free.pop();
      if (free !== undefined) return free.subarray(0, lengthBytes);
      if (this.#made < CONTENT_CHUNKS_AHEAD) break;
      await this.#change();
    }
    this.#made++;
    return new Uint8Array(lengthBytes);
  };

  /**
   * Sends these chunks. Those that there are go out also when the next one cannot be had.
   * @throws what `rest` throws.
   */
  async sendAll(first: Uint8Array, rest: AsyncIterator<Uint8Array, void>): Promise<void> {
    try {
      this.#send(first);
      for (let next = await rest.next(); next.done !== true; next = await rest.next()) this.#send(next.value);
    } finally {
      while (this.#underWay > 0 && !this.#isGone) await this.#change();
    }
  }

  /** Its memory is free again when it is gone. */
  #send(chunk: Uint8Array): void {
    this.#underWay++;
    this.#response.write(chunk, (error) => {
      this.#underWay--;
      this.#isGone ||= error instanceof Error;
      this.#free.push(chunk);
      this.#wake?.();
    });
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
