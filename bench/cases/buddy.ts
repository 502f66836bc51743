/** The buddy allocator in a space of 16 GiB, against the same algorithm in C, which must place every block alike. */
import assert from "node:assert/strict";
import { GIB, KIB } from "../../src/device/limits.ts";
import { BuddyAllocator, NO_BLOCKS } from "../../src/device/memory/buddy/buddy.ts";
import type { BuddyRequest } from "../../src/device/memory/buddy/buddy-request.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { CProgram } from "../harness/c-program.ts";
import type { Row } from "../harness/row.ts";
import { median, medianRatio } from "../harness/statistics.ts";

const CHUNK_BYTES = 4 * KIB;
const CHUNKS = (16 * GIB) / CHUNK_BYTES;
const HALF = CHUNKS / 2;
const ROUNDS = 7;

/** A line for both sides; with a name its time is reported, divided by `count`: so many calls, or pairs of calls. */
interface Step {
  readonly line: string;
  readonly name?: string;
  readonly count?: number;
  /** Allocator calls in each of them. */
  readonly calls?: number;
}

/** Steps of one space. */
const MIXES: readonly (readonly Step[])[] = [
  [
    { line: `fill 0 ${CHUNKS} 1 1`, name: "4 KiB: allocate until full", count: CHUNKS, calls: 1 },
    { line: `shuffle ${CHUNKS}` },
    { line: `free ${HALF} ${HALF}`, name: "4 KiB: free half of them at random", count: HALF, calls: 1 },
    { line: `fill ${HALF} 1000000 1 1`, name: "4 KiB: allocate in the holes", count: 1e6, calls: 1 },
    { line: `pairs 1000000 ${HALF} 1 1`, name: "4 KiB: free + allocate at random", count: 1e6, calls: 2 },
  ],
  [
    { line: "fill 0 12288 256 256" },
    { line: "pairs 1000000 12288 256 256", name: "1 MiB: free + allocate at random", count: 1e6, calls: 2 },
  ],
  [
    { line: "fill 0 1000000 1 7" },
    {
      line: "pairs 1000000 1000000 1 7",
      name: "1e6 of 4 to 28 KiB: free + allocate at random",
      count: 1e6,
      calls: 2,
    },
  ],
  [
    { line: "fill 0 1000000 2 2" },
    {
      line: "cleared 1000000 1000000",
      name: "8 KiB, half of them cleared: free + allocate",
      count: 1e6,
      calls: 2,
    },
  ],
];

/** Small, full, and with requests of every kind: not timed, only compared. */
const CROWD = { chunks: 15_000, line: "crowd 300000 1024" };

/** Times of one step in each round, in nanoseconds. */
interface Samples {
  readonly c: number[];
  readonly typeScript: number[];
}

export const benchmark: Benchmark = {
  title: "Allocating and freeing in a space of 16 GiB, against the same algorithm in C.",
  async run(report) {
    await using program = await CProgram.start("buddy", []);
    const steps = new Map<Step, Samples>();
    // The first round warms the code and compares what was placed where; it is not counted.
    if (program !== undefined) await comparePlacements(program);
    else for (const mix of MIXES) runHere(mix);
    for (let round = 0; round < ROUNDS; round++) {
      for (const mix of MIXES) {
        const inC = program === undefined ? [] : await runInC(program, mix);
        const here = runHere(mix);
        for (const [at, step] of mix.entries()) {
          const samples = steps.get(step) ?? { c: [], typeScript: [] };
          steps.set(step, samples);
          samples.typeScript.push(here[at] ?? Number.NaN);
          if (program !== undefined) samples.c.push(inC[at] ?? Number.NaN);
        }
      }
    }
    const timed = [...steps].filter(([step]) => step.name !== undefined);
    for (const [{ name = "", count = 1 }, samples] of timed) report(rowOf(name, samples, count));
    const calls = timed.reduce((sum, [{ count = 1, calls: each = 1 }]) => sum + count * each, 0);
    const whole = { c: sumOf(timed, "c"), typeScript: sumOf(timed, "typeScript") };
    report({ ...rowOf("the mix: all of them, one call", whole, calls), aim: { of: "ratio", atMost: 4 } });
  },
};

function rowOf(name: string, { c, typeScript }: Samples, count: number): Row {
  const row = { name, figure: median(typeScript) / count, unit: "ns" };
  if (c.length === 0) return row;
  return {
    ...row,
    limit: { name: "ns in C", figure: median(c) / count },
    ratio: medianRatio(typeScript, c),
  };
}

/** The sums over all steps, round by round. */
function sumOf(timed: readonly (readonly [Step, Samples])[], side: keyof Samples): number[] {
  const [first] = timed;
  assert(first !== undefined, "something is timed");
  return first[1][side].map((_, round) =>
    timed.reduce((sum, [, samples]) => sum + (samples[side][round] ?? Number.NaN), 0),
  );
}

async function runInC(program: CProgram, mix: readonly Step[]): Promise<number[]> {
  await program.ask(`new ${CHUNKS} 0`);
  const times: number[] = [];
  for (const { line } of mix) times.push(await program.ask(line));
  return times;
}

function runHere(mix: readonly Step[]): number[] {
  const space = new Space(CHUNKS, false);
  return mix.map(({ line }) => space.run(line));
}

/** @throws Error when C and TypeScript place a single block differently. */
async function comparePlacements(program: CProgram): Promise<void> {
  const runs = [
    ...MIXES.map((mix) => ({ chunks: CHUNKS, lines: mix.map(({ line }) => line) })),
    { chunks: CROWD.chunks, lines: [CROWD.line] },
  ];
  for (const { chunks, lines } of runs) {
    const space = new Space(chunks, true);
    await program.ask(`new ${chunks} 1`);
    for (const line of lines) {
      await program.ask(line);
      space.run(line);
      const inC = await program.ask("digest");
      if (space.digest === inC) continue;
      throw new Error(
        `C and TypeScript placed different blocks up to "${line}" in ${chunks} chunks: their digests are ${inC} and ${space.digest}.`,
      );
    }
  }
}

/** A space that takes the same lines as `bench/limits/buddy.c`, which says what they mean. */
class Space {
  /** FNV-1a over everything that was placed, where that is wanted. */
  digest = 2166136261;
  readonly #buddy: BuddyAllocator;
  readonly #handles: Int32Array;
  readonly #chunks: number;
  readonly #traced: boolean;
  #random = 1;

  constructor(chunks: number, traced: boolean) {
    this.#buddy = new BuddyAllocator({ sizeBytes: chunks * CHUNK_BYTES, chunkBytes: CHUNK_BYTES });
    this.#handles = new Int32Array(chunks).fill(NO_BLOCKS);
    this.#chunks = chunks;
    this.#traced = traced;
  }

  /** Does what a line says, and answers how long it took. */
  run(line: string): number {
    const [verb, ...words] = line.split(" ");
    const [first = 0, second = 0, third = 0, fourth = 0] = words.map(Number);
    if (verb === "fill") return this.#fill(first, second, this.#draws(second, third, fourth));
    if (verb === "shuffle") return this.#shuffle(first);
    if (verb === "free") return this.#free(first, second);
    if (verb === "crowd") return this.#crowd(first, second);
    if (verb === "cleared") return this.#cleared(this.#draws(first, 0, second - 1));
    assert.equal(verb, "pairs", "a line begins with a verb");
    const sizes = this.#draws(first, third, fourth);
    return this.#pairs(sizes, this.#draws(first, 0, second - 1));
  }

  #fill(from: number, count: number, sizes: Int32Array): number {
    const handles = this.#handles;
    const start = performance.now();
    for (let i = 0; i < count; i++) handles[from + i] = this.#place(sizes[i], false);
    return since(start);
  }

  #shuffle(count: number): number {
    const handles = this.#handles;
    for (let last = count - 1; last > 0; last--) {
      const other = this.#draw(last + 1);
      const handle = handles[last];
      handles[last] = handles[other];
      handles[other] = handle;
    }
    return 0;
  }

  #free(from: number, count: number): number {
    const handles = this.#handles;
    const start = performance.now();
    for (let i = from; i < from + count; i++) this.#buddy.free(handles[i]);
    return since(start);
  }

  #pairs(sizes: Int32Array, victims: Int32Array): number {
    const handles = this.#handles;
    const start = performance.now();
    for (let i = 0; i < sizes.length; i++) {
      const victim = victims[i];
      this.#buddy.free(handles[victim]);
      handles[victim] = this.#place(sizes[i], false);
    }
    return since(start);
  }

  #cleared(victims: Int32Array): number {
    const handles = this.#handles;
    const start = performance.now();
    for (let i = 0; i < victims.length; i++) {
      const victim = victims[i];
      this.#buddy.free(handles[victim], { cleared: (i & 1) === 0 });
      handles[victim] = this.#place(2, (i & 2) === 0);
    }
    return since(start);
  }

  #crowd(operations: number, count: number): number {
    const handles = this.#handles;
    for (let i = 0; i < operations; i++) {
      const victim = this.#draw(count);
      if (handles[victim] === NO_BLOCKS) {
        const handle = this.#buddy.allocate(this.#anyRequest());
        this.#trace(handle);
        handles[victim] = handle;
      } else {
        this.#buddy.free(handles[victim], { cleared: this.#draw(2) === 1 });
        handles[victim] = NO_BLOCKS;
      }
    }
    return 0;
  }

  #anyRequest(): BuddyRequest {
    const sizeBytes = (1 + this.#draw(64)) * CHUNK_BYTES;
    const minBlockBytes = CHUNK_BYTES << this.#draw(4);
    const preferCleared = this.#draw(2) === 1;
    if (this.#draw(2) === 0) return { sizeBytes, minBlockBytes, preferCleared };
    const start = this.#draw(this.#chunks / 2);
    const end = start + 65 + this.#draw(this.#chunks / 4);
    const range = { startBytes: start * CHUNK_BYTES, endBytes: end * CHUNK_BYTES };
    return { sizeBytes, minBlockBytes, preferCleared, ...range };
  }

  #place(chunks: number, preferCleared: boolean): number {
    const request = { sizeBytes: chunks * CHUNK_BYTES, minBlockBytes: CHUNK_BYTES, preferCleared };
    const handle = this.#buddy.allocate(request);
    if (handle === NO_BLOCKS) throw new Error(`No room for ${request.sizeBytes} bytes.`);
    if (this.#traced) this.#trace(handle);
    return handle;
  }

  #trace(handle: number): void {
    this.#note(handle);
    if (handle === NO_BLOCKS) return;
    this.#buddy.forEachBlock(handle, (offsetBytes, sizeBytes, cleared) => {
      this.#note(offsetBytes / CHUNK_BYTES);
      this.#note(sizeBytes / CHUNK_BYTES);
      this.#note(cleared ? 1 : 0);
    });
  }

  #note(number: number): void {
    this.digest = Math.imul(this.digest ^ number, 16777619) >>> 0;
  }

  /** `count` numbers from `min` to `max`. */
  #draws(count: number, min: number, max: number): Int32Array {
    const numbers = new Int32Array(count);
    for (let i = 0; i < count; i++) numbers[i] = min + this.#draw(max - min + 1);
    return numbers;
  }

  /** xorshift32: the same numbers in every run, and in C. */
  #draw(below: number): number {
    let state = this.#random;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#random = state;
    return (state >>> 0) % below;
  }
}

function since(startMs: number): number {
  return (performance.now() - startMs) * 1e6;
}
