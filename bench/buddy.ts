/**
 * Cost of the buddy allocator in a 16 GiB space of 4 KiB chunks, in ns per operation and as a ratio to one dependent
 * random read in an array as large as the links of that space: what any such structure pays for its first cache miss.
 *
 * Run: node bench/buddy.ts
 */

import { GIB, KIB, MIB } from "../src/device/limits.ts";
import { BuddyAllocator, NO_BLOCKS } from "../src/device/memory/buddy.ts";

const SPACE = { sizeBytes: 16 * GIB, chunkBytes: 4 * KIB };
const CHUNKS = SPACE.sizeBytes / SPACE.chunkBytes;
const ROUNDS = 5;

/** xorshift32: the same order in every run. */
function randomSource(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function shuffle(values: Int32Array, random: (below: number) => number): void {
  for (let last = values.length - 1; last > 0; last--) {
    const other = random(last + 1);
    const value = values[last];
    values[last] = values[other];
    values[other] = value;
  }
}

function nsPerOperation(operations: number, work: () => void): number {
  const start = performance.now();
  work();
  return ((performance.now() - start) * 1e6) / operations;
}

function allocate(buddy: BuddyAllocator, sizeBytes: number): number {
  const handle = buddy.allocate({ sizeBytes, minBlockBytes: 4 * KIB });
  if (handle === NO_BLOCKS) throw new Error(`No room for ${sizeBytes} bytes.`);
  return handle;
}

function measureRead(random: (below: number) => number): number {
  const links = Int32Array.from({ length: CHUNKS }, (_, index) => index);
  // Sattolo's shuffle: one cycle through all entries.
  for (let last = CHUNKS - 1; last > 0; last--) {
    const other = random(last);
    const value = links[last];
    links[last] = links[other];
    links[other] = value;
  }
  let at = 0;
  const result = nsPerOperation(2e6, () => {
    for (let i = 0; i < 2e6; i++) at = links[at];
  });
  if (at < 0) throw new Error("unreachable");
  return result;
}

/** One line of the report: what it is called and the cost of each operation in this round. */
type Sample = readonly [name: string, ns: number];

/** Fills the space with 4 KiB objects, makes half of them holes at random, and works in the holes. */
function measureSingleChunks(random: (below: number) => number): Sample[] {
  const buddy = new BuddyAllocator(SPACE);
  const handles = new Int32Array(CHUNKS);
  const half = CHUNKS / 2;
  const sequential = nsPerOperation(CHUNKS, () => {
    for (let i = 0; i < CHUNKS; i++) handles[i] = allocate(buddy, 4 * KIB);
  });
  shuffle(handles, random);
  const randomFree = nsPerOperation(half, () => {
    for (let i = half; i < CHUNKS; i++) buddy.free(handles[i]);
  });
  const count = 1e6;
  const inHoles = nsPerOperation(count, () => {
    for (let i = 0; i < count; i++) handles[half + i] = allocate(buddy, 4 * KIB);
  });
  const pair = nsPerOperation(count, () => {
    for (let i = 0; i < count; i++) {
      const victim = random(half);
      buddy.free(handles[victim]);
      handles[victim] = allocate(buddy, 4 * KIB);
    }
  });
  return [
    ["4 KiB: alloc, sequential, until full", sequential],
    ["4 KiB: free half of all, random order", randomFree],
    ["4 KiB: alloc in those holes", inHoles],
    ["4 KiB: free at random + alloc in the holes", pair],
  ];
}

function measureMixed(name: string, count: number, sizeOf: () => number): Sample[] {
  const random = randomSource(7);
  const buddy = new BuddyAllocator(SPACE);
  const handles = new Int32Array(count);
  const fill = nsPerOperation(count, () => {
    for (let i = 0; i < count; i++) handles[i] = allocate(buddy, sizeOf());
  });
  const pairs = 1e6;
  const pair = nsPerOperation(pairs, () => {
    for (let i = 0; i < pairs; i++) {
      const victim = random(count);
      buddy.free(handles[victim]);
      handles[victim] = allocate(buddy, sizeOf());
    }
  });
  return [
    [`${name}: alloc`, fill],
    [`${name}: free + alloc at random`, pair],
  ];
}

function measureClearing(random: (below: number) => number): Sample {
  const buddy = new BuddyAllocator(SPACE);
  const count = 1e6;
  const handles = new Int32Array(count);
  for (let i = 0; i < count; i++) handles[i] = allocate(buddy, 8 * KIB);
  const request = { sizeBytes: 8 * KIB, minBlockBytes: 4 * KIB };
  const ns = nsPerOperation(count, () => {
    for (let i = 0; i < count; i++) {
      const victim = random(count);
      buddy.free(handles[victim], { cleared: (i & 1) === 0 });
      handles[victim] = buddy.allocate({ ...request, preferCleared: (i & 2) === 0 });
    }
  });
  return ["free + alloc 8 KiB, half of them cleared", ns];
}

function measureRound(): Sample[] {
  const random = randomSource(1);
  const construct = nsPerOperation(1, () => new BuddyAllocator(SPACE));
  return [
    ["one dependent random read", measureRead(random)],
    ["construct 16 GiB", construct],
    ...measureSingleChunks(random),
    ...measureMixed("1 MiB", 12 * 1024, () => MIB),
    ...measureMixed("1e6 objects of 4 to 28 KiB", 1e6, () => 4 * KIB * (1 + random(7))),
    measureClearing(random),
  ];
}

const rounds = Array.from({ length: ROUNDS }, measureRound);
const names = rounds[0].map(([name]) => name);
const medians = names.map((_, line) => {
  const sorted = rounds.map((round) => round[line][1]).sort((a, b) => a - b);
  return sorted[ROUNDS >> 1];
});
for (const [line, name] of names.entries()) {
  const ns = medians[line];
  console.log(
    `${name.padEnd(48)} ${ns.toFixed(1).padStart(12)} ns ${(ns / medians[0]).toFixed(1).padStart(8)} x`,
  );
}
