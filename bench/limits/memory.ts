/**
 * The limit of whatever moves bytes: memcpy in C. Without a compiler it is the best copy that JavaScript has, on one
 * thread, and what takes two threads or fresh memory is not measured.
 */
import { CProgram } from "../harness/c-program.ts";

export type CopyOrder = "random" | "sequential";

export interface MemoryLimit extends AsyncDisposable {
  /** `C memcpy`, or what stands in for it. */
  readonly name: string;
  /**
   * GB/s of copying `totalBytes` of warm memory in blocks, whose sources are taken in that order. Undefined for two
   * threads without a compiler.
   */
  copy(blockBytes: number, totalBytes: number, threads: 1 | 2, order: CopyOrder): Promise<number | undefined>;
  /** GB/s of copying onto memory never touched before. Undefined without a compiler. */
  cold(totalBytes: number): Promise<number | undefined>;
}

/** @param bytesMax most that any one copy takes */
export async function memoryLimit(bytesMax: number): Promise<MemoryLimit> {
  const program = await CProgram.start("memory", [String(bytesMax)]);
  if (program === undefined) return javaScriptLimit(bytesMax);
  const rate = async (totalBytes: number, line: string): Promise<number> =>
    totalBytes / (await program.ask(line));
  return {
    name: "C memcpy",
    copy: (blockBytes, totalBytes, threads, order) =>
      rate(totalBytes, `copy ${blockBytes} ${totalBytes} ${threads} ${order === "random" ? "r" : "s"}`),
    cold: (totalBytes) => rate(totalBytes, `cold ${totalBytes}`),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** TypedArray.set between ArrayBuffers, which is the C library's memmove. */
function javaScriptLimit(bytesMax: number): MemoryLimit {
  const source = new Uint8Array(bytesMax).fill(1);
  const destination = new Uint8Array(bytesMax).fill(2);
  return {
    name: "TypedArray.set (no C compiler)",
    async copy(blockBytes, totalBytes, threads, order) {
      if (threads === 2) return undefined;
      const blocks = Array.from({ length: totalBytes / blockBytes }, (_, index) => ({
        index,
        key: order === "random" ? Math.random() : index,
      })).sort((left, right) => left.key - right.key);
      const start = performance.now();
      for (const [at, { index }] of blocks.entries()) {
        destination.set(source.subarray(index * blockBytes, (index + 1) * blockBytes), at * blockBytes);
      }
      return totalBytes / 1e6 / (performance.now() - start);
    },
    cold: () => Promise.resolve(undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
