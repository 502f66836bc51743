/** Which frames of 64 KiB count as written since somebody began to watch, for every writer that there is. */
import { describe, expect, it } from "vitest";
import { FRAME_BYTES } from "../../../src/device/memory/written-frames.ts";
import type { WorkCommand } from "../../../src/device/mod.ts";
import { bootVirtual, KIB, MIB, patternOf, type VirtualDevice } from "../../support/test-device.ts";
import { finish, newContext, submit } from "../../support/work.ts";

/** The frames of an object that count as written. */
function written({ device: { memory } }: VirtualDevice, object: string): number[] {
  const slot = memory.findObject(object);
  const frames = Math.ceil(memory.table.sizeBytes[slot] / FRAME_BYTES);
  return Array.from({ length: frames }, (_, frame) => frame).filter((frame) =>
    memory.written.isWritten(slot, frame),
  );
}

/** A device with a resident object of which nothing counts as written. */
async function watched(sizeBytes: number): Promise<{ gpu: VirtualDevice; object: string }> {
  const gpu = await bootVirtual();
  const object = await gpu.upload(patternOf(1, sizeBytes));
  const { memory } = gpu.device;
  memory.written.begin(memory.findObject(object));
  return { gpu, object };
}

const frame = (index: number): number => index * FRAME_BYTES;

const COMMANDS: readonly {
  readonly of: (object: string, other: string) => WorkCommand;
  readonly frames: number[];
}[] = [
  {
    of: (object) => ({ op: "fill", object, offsetBytes: frame(2) - 4, lengthBytes: 8, pattern: 7 }),
    frames: [1, 2],
  },
  {
    of: (object) => ({ op: "add", object, offsetBytes: frame(3), lengthBytes: FRAME_BYTES, value: 1 }),
    frames: [3],
  },
  {
    of: (object) => ({ op: "xor", object, offsetBytes: 0, lengthBytes: frame(2), value: 1 }),
    frames: [0, 1],
  },
  {
    of: (destination, source) => ({
      op: "copy",
      source,
      sourceOffsetBytes: 0,
      destination,
      destinationOffsetBytes: frame(5),
      lengthBytes: frame(2),
    }),
    frames: [5, 6],
  },
  {
    of: (destination, object) => ({
      op: "checksum",
      object,
      offsetBytes: 0,
      lengthBytes: 4,
      destination,
      destinationOffsetBytes: frame(8) - 4,
    }),
    frames: [7],
  },
  { of: (object) => ({ op: "storeDword", object, offsetBytes: frame(4), value: 1 }), frames: [4] },
  { of: (object) => ({ op: "timestamp", object, offsetBytes: frame(6) }), frames: [6] },
  { of: (object) => ({ op: "storeRegister", register: 0, object, offsetBytes: frame(9) }), frames: [9] },
  { of: () => ({ op: "loadRegister", register: 0, value: 1n }), frames: [] },
];

describe("frames that count as written", () => {
  it("are all of an object that nobody watches, and none of one that is watched from now on", async () => {
    const { gpu, object } = await watched(MIB);
    expect(written(gpu, object)).toEqual([]);
    const other = await gpu.upload(patternOf(2, 2 * FRAME_BYTES + 1));
    expect(written(gpu, other)).toEqual([0, 1, 2]);
  });

  for (const sizeBytes of [MIB, 3 * MIB]) {
    it(`are those that content was written to, in an object of ${sizeBytes / MIB} MiB`, async () => {
      const { gpu, object } = await watched(sizeBytes);
      const write = (offsetBytes: number, length: number) =>
        gpu.execute({ type: "writeObject", object, offsetBytes, data: patternOf(3, length) });
      await write(frame(1), 1);
      await write(frame(4) - 1, 2);
      await write(sizeBytes - 4 * KIB, 4 * KIB);
      await write(0, 0);
      expect(written(gpu, object)).toEqual([1, 3, 4, sizeBytes / FRAME_BYTES - 1]);
      await gpu.execute({ type: "readObject", object, offsetBytes: 0, lengthBytes: KIB });
      expect(written(gpu, object)).toHaveLength(4);
    });
  }

  for (const { of, frames } of COMMANDS) {
    const { op } = of("1", "2");
    it(`are those that the command ${op} names as its destination`, async () => {
      for (const sizeBytes of [MIB, 3 * MIB]) {
        const { gpu, object } = await watched(sizeBytes);
        const other = await gpu.upload(patternOf(2, MIB));
        const { memory } = gpu.device;
        memory.written.begin(memory.findObject(other));
        const context = await newContext(gpu, "bcs0");
        await finish(gpu, await submit(gpu, context, of(object, other)));
        expect(written(gpu, object)).toEqual(frames);
        expect(written(gpu, other)).toEqual([]);
      }
    });
  }

  it("are all of an object that moved, or went without power", async () => {
    for (const sizeBytes of [MIB, 3 * MIB]) {
      const { gpu, object } = await watched(sizeBytes);
      await gpu.execute({ type: "moveObject", object, region: "smem" });
      expect(written(gpu, object)).toHaveLength(sizeBytes / FRAME_BYTES);
      await gpu.execute({ type: "pinObject", object, region: "lmem0" });
      const { memory } = gpu.device;
      memory.written.begin(memory.findObject(object));
      await gpu.execute({ type: "suspend", state: "S3" });
      await gpu.execute({ type: "resume" });
      expect(written(gpu, object)).toHaveLength(sizeBytes / FRAME_BYTES);
    }
  });

  it("are all of an object in a slot that another had, which was watched", async () => {
    const { gpu, object } = await watched(3 * MIB);
    await gpu.execute({ type: "deleteObject", object });
    const next = await gpu.upload(patternOf(2, 5 * MIB));
    expect(written(gpu, next)).toHaveLength((5 * MIB) / FRAME_BYTES);
  });
});
