/** Each kernel of the microcode by itself, over memory that is in no cache, against memcpy in C. */
import { crc32c as nativeCrc32c } from "@node-rs/crc32";
import {
  CRC_TABLES_BYTES,
  DESCRIPTOR_BYTES,
  initCrcTables,
  Microcode,
} from "../../src/device/hardware/microcode.ts";
import { shuffled } from "../harness/bench-device.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { median, medianRatio } from "../harness/statistics.ts";
import { memoryLimit } from "../limits/memory.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const WASM_PAGE_BYTES = 64 * KIB;
const BANK_BYTES = 512 * MIB;
const BLOCK_SIZES_BYTES = [4 * KIB, 64 * KIB, MIB, 16 * MIB];
const ROUNDS = 9;
/** As an engine gathers them. */
const DESCRIPTORS_PER_CALL = 256;

/** Blocks of one size, each visited once in random order, so that neither cache nor prefetcher knows the next. */
interface Workload {
  readonly blockBytes: number;
  readonly sources: readonly number[];
  readonly destinations: readonly number[];
}

const pages = BigInt(BANK_BYTES / WASM_PAGE_BYTES);
const source = new WebAssembly.Memory({ address: "i64", initial: pages, maximum: pages, shared: true });
const destination = new WebAssembly.Memory({ address: "i64", initial: pages, maximum: pages, shared: true });
const control = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
initCrcTables(control, 0);
const microcode = new Microcode({ source, destination, control });
const sourceBytes = new Uint8Array(source.buffer);
const descriptors = new Uint32Array(control.buffer, CRC_TABLES_BYTES);

const KERNELS: Readonly<Record<string, (work: Workload) => void>> = {
  "memory.copy": ({ blockBytes, sources, destinations }) => {
    sources.forEach((offset, index) => {
      microcode.copyOverlapping(offset, destinations[index] ?? 0, blockBytes);
    });
  },
  copyBatch: ({ sources }) => {
    for (let first = 0; first < sources.length; first += DESCRIPTORS_PER_CALL) {
      const count = Math.min(DESCRIPTORS_PER_CALL, sources.length - first);
      microcode.copyBatch(CRC_TABLES_BYTES + first * DESCRIPTOR_BYTES, count);
    }
  },
  "fill, equal bytes": ({ blockBytes, destinations }) => {
    for (const offset of destinations) microcode.fill(offset, blockBytes, 0x5a5a5a5a);
  },
  "fill, pattern": ({ blockBytes, destinations }) => {
    for (const offset of destinations) microcode.fill(offset, blockBytes, 0xdeadbeef);
  },
  addRange: ({ blockBytes, destinations }) => {
    for (const offset of destinations) microcode.addRange(offset, blockBytes, 1);
  },
  xorRange: ({ blockBytes, destinations }) => {
    for (const offset of destinations) microcode.xorRange(offset, blockBytes, -1);
  },
  isZero: ({ blockBytes, sources }) => {
    for (const offset of sources) microcode.isZero(offset, blockBytes);
  },
  crc32c: ({ blockBytes, sources }) => {
    for (const offset of sources) microcode.crc32c(offset, blockBytes);
  },
  "crc32c, native": ({ blockBytes, sources }) => {
    for (const offset of sources) nativeCrc32c(sourceBytes.subarray(offset, offset + blockBytes));
  },
};

export const benchmark: Benchmark = {
  title: "The microcode's kernels on one thread, over 512 MiB in blocks visited in random order.",
  async run(report) {
    await using limit = await memoryLimit(BANK_BYTES);
    // Both banks are written first: untouched pages would be read from one shared page of zeros. The source stays zero,
    // so that isZero reads all of it.
    new Microcode({ source, destination: source, control }).fill(0, BANK_BYTES, 0);
    microcode.fill(0, BANK_BYTES, 1);
    // V8 compiles a kernel well only after some calls of it.
    measureRound(workloadOf(MIB));
    for (const blockBytes of BLOCK_SIZES_BYTES) {
      const work = workloadOf(blockBytes);
      const samples = new Map(Object.keys(KERNELS).map((name): [string, number[]] => [name, []]));
      const limits: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        limits.push((await limit.copy(blockBytes, BANK_BYTES, 1, "random")) ?? Number.NaN);
        for (const [name, speed] of measureRound(work)) samples.get(name)?.push(speed);
      }
      for (const [name, speeds] of samples) {
        report({
          name: `${name}, blocks of ${blockBytes / KIB} KiB`,
          figure: median(speeds),
          unit: "GB/s",
          limit: { name: `${limit.name}, 1 thread`, figure: median(limits) },
          ratio: medianRatio(speeds, limits),
        });
      }
    }
  },
};

/** GB/s of every kernel, by name. */
function measureRound(work: Workload): Map<string, number> {
  const speeds = new Map<string, number>();
  for (const [name, kernel] of Object.entries(KERNELS)) {
    const startMs = performance.now();
    kernel(work);
    speeds.set(name, BANK_BYTES / 1e6 / (performance.now() - startMs));
  }
  return speeds;
}

function workloadOf(blockBytes: number): Workload {
  const blocks = Array.from({ length: BANK_BYTES / blockBytes }, (_, index) => index * blockBytes);
  const work = { blockBytes, sources: shuffled(blocks), destinations: shuffled(blocks) };
  work.sources.forEach((offset, index) => {
    const destination = work.destinations[index] ?? 0;
    descriptors.set([offset, 0, destination, 0, blockBytes, 0], (index * DESCRIPTOR_BYTES) / 4);
  });
  return work;
}
