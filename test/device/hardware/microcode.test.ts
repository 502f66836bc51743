import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32c } from "@node-rs/crc32";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildMicrocode } from "../../../scripts/build-microcode.ts";
import {
  CRC_TABLES_BYTES,
  DESCRIPTOR_BYTES,
  initCrcTables,
  isTrap,
  Microcode,
} from "../../../src/device/hardware/microcode.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const WASM_PAGE_BYTES = 64 * KIB;
const BANK_BYTES = 4 * MIB;
const HARDWARE = join(import.meta.dirname, "../../../src/device/hardware");

/** Around every size at which a kernel changes its method, and some that are far from any. */
const LENGTHS = [
  0, 1, 3, 4, 15, 16, 31, 63, 64, 65, 127, 128, 255, 256, 257, 287, 1000, 4095, 4096, 65_535, 65_536, 65_600,
  1_114_189,
];
const OFFSETS = [0, 1, 7, 16, 63, 4096, 65_537];

const control = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
initCrcTables(control, 0);
const controlView = new DataView(control.buffer);
const source = bank(BANK_BYTES);
const destination = bank(BANK_BYTES);
const between = new Microcode({ source, destination, control });
const within = new Microcode({ source: destination, destination, control });
const sourceBytes = new Uint8Array(source.buffer);
const destinationBytes = new Uint8Array(destination.buffer);
scramble(sourceBytes, 1);
scramble(destinationBytes, 2);

/** A copy, in offsets that may be what no bank holds: bigint. */
interface Descriptor {
  readonly from: number | bigint;
  readonly to: number | bigint;
  readonly length: number | bigint;
}

describe("copyBatch", () => {
  it("copies bytes exactly whatever the alignment", () => {
    const model = destinationBytes.slice();
    for (const length of LENGTHS) {
      for (const [index, from] of OFFSETS.entries()) {
        const to = OFFSETS.at(-1 - index) ?? 0;
        copy(between, [{ from, to, length }]);
        model.set(sourceBytes.subarray(from, from + length), to);
      }
      expect(firstDifference(destinationBytes, model), `length ${length}`).toBe(-1);
    }
  });

  it.each([
    ["between two banks", between, sourceBytes],
    ["within one bank", within, destinationBytes],
  ])("copies a mixed batch as if one by one, %s", (_, microcode, from) => {
    const model = destinationBytes.slice();
    fc.assert(
      fc.property(batches(), (batch) => {
        copy(microcode, batch);
        // A plain model: the destinations are apart from one another and from every source.
        for (const { from: at, to, length } of batch) model.set(from.subarray(at, at + length), to);
        expect(firstDifference(destinationBytes, model)).toBe(-1);
      }),
      { numRuns: 60 },
    );
  });

  it("accepts an empty copy at the end of a bank", () => {
    copy(between, [{ from: BANK_BYTES, to: BANK_BYTES, length: 0 }]);
  });

  const OUTSIDE: readonly Descriptor[] = [
    { from: BANK_BYTES - 63, to: 0, length: 64 },
    { from: 0, to: BANK_BYTES - 63, length: 64 },
    { from: 0, to: BANK_BYTES - 6, length: 7 },
    { from: BANK_BYTES + 1, to: 0, length: 0 },
    { from: 0, to: BANK_BYTES + 1, length: 0 },
    { from: 0, to: 0, length: BANK_BYTES + 64 },
    { from: 0, to: 0, length: Number.MAX_SAFE_INTEGER },
    { from: Number.MAX_SAFE_INTEGER, to: 0, length: 64 },
    { from: 2n ** 53n, to: 0, length: 64 },
    // The ends of these wrap past 2^64, to 0 and to inside the bank.
    { from: 2n ** 64n - 64n, to: 0, length: 64 },
    { from: 0, to: 2n ** 64n - 64n, length: 128 },
    { from: 64, to: 64, length: 2n ** 64n - 64n },
    { from: 4096, to: 4096, length: 2n ** 63n },
  ];

  it.each(OUTSIDE)("traps before it writes: $from to $to, $length bytes", (outside) => {
    expectTraps([() => copy(between, [outside])]);
  });

  it("traps in each of four interleaved streams before it writes any", () => {
    const inside = { from: 99, to: 0, length: 4096 };
    const end = BANK_BYTES - 4095;
    for (const outside of [{ from: end }, { to: end }, { to: 2n ** 64n - 4096n }]) {
      const batch = [{ ...inside, ...outside }, inside, inside, inside];
      const rotated = [0, 1, 2, 3].map((lane) => [...batch.slice(lane), ...batch.slice(0, lane)]);
      expectTraps(rotated.map((rotation) => () => copy(between, rotation)));
    }
  });

  it("traps when descriptors lie outside control memory", () => {
    const end = 2 * WASM_PAGE_BYTES;
    expectTraps([end - DESCRIPTOR_BYTES + 8, -8].map((start) => () => between.copyBatch(start, 1)));
  });

  it("reaches the last byte of a bank of 16 GiB, and not the next", () => {
    const large = bank(16 * GIB);
    const microcode = new Microcode({ source, destination: large, control });
    const to = 16 * GIB - 4096;
    copy(microcode, [{ from: 77, to, length: 4096 }]);
    const copied = new Uint8Array(large.buffer, to, 4096);
    expect(firstDifference(copied, sourceBytes.subarray(77, 77 + 4096))).toBe(-1);
    expectTraps([() => copy(microcode, [{ from: 77, to: to + 1, length: 4096 }])]);
  });
});

describe("copyOverlapping", () => {
  it.each([
    ["forwards", 1000, 1017],
    ["backwards", 1017, 1000],
    ["onto itself", 1000, 1000],
  ])("moves overlapping bytes %s, as memmove does", (_, from, to) => {
    for (const length of LENGTHS) {
      const model = destinationBytes.slice().copyWithin(to, from, from + length);
      within.copyOverlapping(from, to, length);
      expect(firstDifference(destinationBytes, model), `length ${length}`).toBe(-1);
    }
  });

  it("copies between two banks", () => {
    const model = destinationBytes.slice();
    model.set(sourceBytes.subarray(5, 5 + 100_001), 70_003);
    between.copyOverlapping(5, 70_003, 100_001);
    expect(firstDifference(destinationBytes, model)).toBe(-1);
  });

  it.each([
    [BANK_BYTES - 9, 0, 10],
    [0, BANK_BYTES - 9, 10],
    [Number.MAX_SAFE_INTEGER, 0, 1],
    [0, 0, Number.MAX_SAFE_INTEGER],
    [2 ** 64 - 2048, 0, 4096],
    [2 ** 64, 0, 0],
    [0, -1, 1],
    [0, 0, Number.NaN],
  ])("traps before it writes: %d to %d, %d bytes", (from, to, length) => {
    expectTraps([() => between.copyOverlapping(from, to, length)]);
  });
});

describe("fill", () => {
  it.each([0x12345678, 0xdeadbeef, 0, 0xa5a5a5a5, 0xa5a5a5a4])("repeats %d", (pattern) => {
    const model = destinationBytes.slice();
    for (const [index, length] of LENGTHS.entries()) {
      const at = OFFSETS[index % OFFSETS.length] ?? 0;
      between.fill(at, length, pattern);
      for (let byte = 0; byte < length; byte++) model[at + byte] = pattern >>> (8 * (byte % 4));
    }
    expect(firstDifference(destinationBytes, model)).toBe(-1);
  });
});

describe.each([
  ["addRange", (dword: number, value: number) => dword + value],
  ["xorRange", (dword: number, value: number) => dword ^ value],
] as const)("%s", (kernel, onDword) => {
  it.each([1, 0xffffffff, 0x80000001, -2])("changes exactly the range, by %d", (value) => {
    const model = destinationBytes.slice();
    const dwords = new DataView(model.buffer);
    for (const [index, anyLength] of LENGTHS.entries()) {
      const at = OFFSETS[index % OFFSETS.length] ?? 0;
      const length = anyLength - (anyLength % 4);
      between[kernel](at, length, value);
      for (let byte = at; byte < at + length; byte += 4) {
        dwords.setUint32(byte, onDword(dwords.getUint32(byte, true), value), true);
      }
    }
    expect(firstDifference(destinationBytes, model)).toBe(-1);
  });

  it("traps before it writes when the length is not whole dwords", () => {
    expectTraps([() => between[kernel](0, 67, 1)]);
  });
});

it.each([
  ["fill of equal bytes", (at: number, length: number) => between.fill(at, length, 0)],
  ["fill with a pattern", (at: number, length: number) => between.fill(at, length, 1)],
  ["addRange", (at: number, length: number) => between.addRange(at, length, 1)],
  ["xorRange", (at: number, length: number) => between.xorRange(at, length, 1)],
  ["crc32c", (at: number, length: number) => between.crc32c(at, length)],
  ["isZero", (at: number, length: number) => between.isZero(at, length)],
])("%s traps outside its bank, without a write, and not at its end", (_, run) => {
  run(BANK_BYTES, 0);
  const outside: readonly (readonly [number, number])[] = [
    [BANK_BYTES - 60, 64],
    [BANK_BYTES + 4, 0],
    [0, BANK_BYTES + 4],
    [Number.MAX_SAFE_INTEGER, 4],
    [0, 2 ** 53],
    [2 ** 64 - 2048, 4096],
    [4096, 2 ** 64 - 2048],
    [2 ** 64, 4],
    [-4, 4],
  ];
  expectTraps(
    outside.map(
      ([at, length]) =>
        () =>
          run(at, length),
    ),
  );
});

describe("crc32c", () => {
  it.each([
    ["nine digits", Uint8Array.from("123456789", (digit) => digit.charCodeAt(0)), 0xe3069283],
    // RFC 3720, B.4.
    ["zeros", new Uint8Array(32), 0x8a9136aa],
    ["ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["rising bytes", Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
    ["falling bytes", Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113fdb5c],
    ["nothing", new Uint8Array(0), 0],
  ])("knows the published value of %s", (_, bytes, expected) => {
    destinationBytes.set(bytes, 12_345);
    expect(within.crc32c(12_345, bytes.length)).toBe(expected);
  });

  it("agrees with a native implementation whatever the alignment, length and seed", () => {
    const range = fc.record({
      at: fc.nat(65_536),
      length: fc.oneof(fc.constantFrom(...LENGTHS), fc.nat(700), fc.nat(200_000)),
      seed: fc.oneof(fc.constant(0), fc.nat(0xffffffff)),
    });
    fc.assert(
      fc.property(range, ({ at, length, seed }) => {
        expect(between.crc32c(at, length, seed)).toBe(crc32c(sourceBytes.subarray(at, at + length), seed));
      }),
      { numRuns: 500 },
    );
  });

  it("can be taken in pieces", () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.nat(2000), fc.nat(2000), (at, first, second) => {
        const whole = between.crc32c(at, first + second);
        expect(between.crc32c(at + first, second, between.crc32c(at, first))).toBe(whole);
      }),
    );
  });

  it("folds with constants that its polynomial allows", () => {
    const tables = foldTables();
    for (let byte = 0; byte < 256; byte++) {
      const replaced = [0, 1, 2, 3].reduce((sum, k) => {
        const bits = (tables.get(`low${k}`)?.[byte & 15] ?? 0) ^ (tables.get(`high${k}`)?.[byte >> 4] ?? 0);
        return sum ^ register(bits, 32 * k);
      }, 0);
      expect(replaced >>> 0, `byte ${byte}`).toBe(register(byte, 128));
    }
  });

  it("refuses control memory whose tables nobody has written", () => {
    const blank = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    expect(() => new Microcode({ source, destination, control: blank })).toThrow("CRC tables");
  });
});

describe("isZero, countZeroes", () => {
  it("see a single bit anywhere in the range, to its block of 64 bytes, and none beside it", () => {
    const at = 4096 + 5;
    for (const length of LENGTHS.filter((candidate) => candidate <= 300)) {
      destinationBytes.fill(0, at - 1, at + length + 1);
      destinationBytes[at - 1] = destinationBytes[at + length] = 1;
      expect([within.isZero(at, length), within.countZeroes(at, length)]).toEqual([true, length]);
      for (let byte = 0; byte < length; byte++) {
        destinationBytes[at + byte] = 1 << (byte & 7);
        expect(within.isZero(at, length)).toBe(false);
        expect(byte - within.countZeroes(at, length)).toBe(byte < length - (length % 64) ? byte % 64 : 0);
        destinationBytes[at + byte] = 0;
      }
    }
    destinationBytes.fill(0, 0, 2 * MIB);
    expect(within.isZero(0, 2 * MIB)).toBe(true);
    destinationBytes[2 * MIB - 1] = 0x80;
    expect(within.isZero(0, 2 * MIB)).toBe(false);
  });
});

it("is what its source compiles to", async () => {
  const text = await buildMicrocode(readFileSync(join(HARDWARE, "microcode.wat"), "utf8"));
  expect(text).toBe(readFileSync(join(HARDWARE, "microcode-binary.ts"), "utf8"));
});

it("tells a trap from other errors", () => {
  expect(isTrap(new WebAssembly.RuntimeError("memory access out of bounds"))).toBe(true);
  expect(isTrap(new RangeError("a defect"))).toBe(false);
  expect(isTrap(undefined)).toBe(false);
});

/** Batches of small copies in runs of equal length, whose destinations do not overlap: independent copies. */
function batches(): fc.Arbitrary<readonly { from: number; to: number; length: number }[]> {
  const sourceEnd = BANK_BYTES / 2;
  const run = fc.record({
    length: fc.oneof(fc.constantFrom(...LENGTHS.filter((length) => length <= 65_600)), fc.nat(300)),
    count: fc.integer({ min: 1, max: 9 }),
    gap: fc.nat(70),
    from: fc.nat(sourceEnd - 70_000 * 9),
  });
  return fc.array(run, { maxLength: 12 }).map((runs) => {
    const batch = [];
    let to = sourceEnd;
    for (const { length, count, gap, from } of runs) {
      for (let index = 0; index < count && to + gap + length <= BANK_BYTES; index++) {
        to += gap;
        batch.push({ from: from + index * (length + 3), to, length });
        to += length;
      }
    }
    return batch;
  });
}

/** The tables of crcFold in microcode.wat, by name. */
function foldTables(): Map<string, readonly number[]> {
  const text = readFileSync(join(HARDWARE, "microcode.wat"), "utf8");
  const found = text.matchAll(/local\.set \$(\w+) \(v128\.const i8x16\s+([^)]+)\)/g);
  return new Map([...found].map(([, name = "", table = ""]) => [name, table.split(/\s+/).map(Number)]));
}

/** The CRC register, 0 before, after a byte and a number of zero bytes. */
function register(byte: number, zeros: number): number {
  const table = new Uint32Array(control.buffer, 0, 256);
  let value = table[byte] ?? 0;
  for (let zero = 0; zero < zeros; zero++) value = (value >>> 8) ^ (table[value & 0xff] ?? 0);
  return value >>> 0;
}

function copy(microcode: Microcode, descriptors: readonly Descriptor[]): void {
  descriptors.forEach(({ from, to, length }, index) => {
    const at = CRC_TABLES_BYTES + index * DESCRIPTOR_BYTES;
    controlView.setBigUint64(at, BigInt(from), true);
    controlView.setBigUint64(at + 8, BigInt(to), true);
    controlView.setBigUint64(at + 16, BigInt(length), true);
  });
  microcode.copyBatch(CRC_TABLES_BYTES, descriptors.length);
}

/** Each of the runs traps, and none writes a byte of the destination. */
function expectTraps(runs: readonly (() => void)[]): void {
  const before = destinationBytes.slice();
  for (const run of runs) {
    let caught: unknown;
    try {
      run();
    } catch (error) {
      caught = error;
    }
    expect(isTrap(caught), String(caught)).toBe(true);
  }
  expect(firstDifference(destinationBytes, before)).toBe(-1);
}

function bank(sizeBytes: number): WebAssembly.Memory {
  const pages = BigInt(sizeBytes / WASM_PAGE_BYTES);
  return new WebAssembly.Memory({ address: "i64", initial: pages, maximum: pages, shared: true });
}

/** Pseudo-random bytes: a xorshift of 32 bits. */
function scramble(bytes: Uint8Array, seed: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  let state = seed;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
}

/** Where two equally long arrays first differ, or -1. */
function firstDifference(left: Uint8Array, right: Uint8Array): number {
  if (view(left).equals(view(right))) return -1;
  return left.findIndex((byte, index) => byte !== right[index]);
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
