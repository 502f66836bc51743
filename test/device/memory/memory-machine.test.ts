/** A machine that has less memory than a device may take: it is asked before memory is touched for the first time. */
import { describe, expect, test } from "vitest";
import type { MachineMemory } from "../../../src/device/mod.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  bootVirtual,
  create,
  KIB,
  MIB,
  patternOf,
  reasonOf,
  type VirtualDevice,
  wrongContents,
} from "../../support/test-device.ts";

/** A machine with so much. `spare` is what is left. */
function machineOf(bytes: number): MachineMemory & { spare: number } {
  const machine = {
    spare: bytes,
    spareBytes: () => machine.spare,
    take(taken: number) {
      machine.spare -= taken;
    },
  };
  return machine;
}

/** Uploads objects of 1 MiB until one is refused. Answers with what reason. */
async function fill(
  gpu: VirtualDevice,
  contents: Map<string, Uint8Array>,
  regions?: string[],
): Promise<string> {
  for (let seed = contents.size; ; seed++) {
    const bytes = patternOf(seed, MIB);
    const uploading = gpu.upload(bytes, regions === undefined ? {} : { regions });
    const reason = await reasonOf(uploading);
    if (reason !== "none") return reason;
    contents.set(await uploading, bytes);
  }
}

describe("a machine with less than the regions", () => {
  test("refuses an upload before the first byte, with figures, and nothing has changed", async () => {
    const machine = machineOf(12 * MIB);
    const gpu = await bootVirtual({ machine });
    const contents = new Map<string, Uint8Array>();
    expect(await fill(gpu, contents)).toBe("MACHINE_MEMORY_EXHAUSTED");
    expect(machine.spare).toBeGreaterThanOrEqual(0);
    expect(machine.spare).toBeLessThan(MIB);
    expect(contents.size).toBeGreaterThan(8);
    const object = await create(gpu);
    const write = { type: "writeObject", object, offsetBytes: 0, data: new Uint8Array(0) } as const;
    await expect(gpu.execute({ ...write, declaredBytes: MIB })).rejects.toThrow(
      / left for devices, which is not/,
    );
    await expect(gpu.execute({ type: "pinObject", object })).rejects.toMatchObject({
      kind: "exhausted",
      metadata: { availableBytes: String(machine.spare) },
    });
    expect(await wrongContents(gpu, contents)).toEqual([]);
    gpu.device.checkInvariants();
  });

  test("gives again what an object had that is gone, however often", async () => {
    const gpu = await bootVirtual({ machine: machineOf(12 * MIB) });
    const contents = new Map<string, Uint8Array>();
    await fill(gpu, contents);
    for (let round = 0; round < 30; round++) {
      const [id] = contents.keys();
      contents.delete(id);
      await gpu.execute({ type: "deleteObject", object: id });
      const bytes = patternOf(1000 + round, MIB);
      contents.set(await gpu.upload(bytes), bytes);
    }
    expect(await wrongContents(gpu, contents)).toEqual([]);
    gpu.device.checkInvariants();
  });

  test("is a blocker of the plan, refuses the suspend and loses nothing; with room for it both go", async () => {
    const machine = machineOf(12 * MIB);
    const gpu = await bootVirtual({ machine });
    const contents = new Map<string, Uint8Array>();
    await fill(gpu, contents, ["lmem0"]);
    const plan = await gpu.execute({ type: "planSuspend" });
    expect(plan.feasible).toBe(false);
    expect(plan.blockers.map((blocker) => blocker.reason)).toEqual(["MACHINE_MEMORY_EXHAUSTED"]);
    const suspend = { type: "suspend", state: "S3" } as const;
    expect(await reasonOf(gpu.execute({ ...suspend, validateOnly: true }))).toBe("MACHINE_MEMORY_EXHAUSTED");
    const refused = await gpu.execute(suspend).catch((error: unknown) => ({ error }));
    expect(refused.error).toMatchObject({ reason: "MACHINE_MEMORY_EXHAUSTED" });
    expect(await wrongContents(gpu, contents)).toEqual([]);
    machine.spare += 16 * MIB;
    expect((await gpu.execute({ type: "planSuspend" })).feasible).toBe(true);
    expect((await gpu.execute(suspend)).state).toBe("SUCCEEDED");
    await gpu.execute({ type: "resume" });
    expect(await wrongContents(gpu, contents)).toEqual([]);
    gpu.device.checkInvariants();
  });

  test("refuses the bytes of an image, which then stays as it is and can be resumed on a larger one", async () => {
    const images = new MemoryImageStore();
    const first = await bootVirtual({ images });
    const bytes = patternOf(1, 8 * MIB);
    const id = await first.upload(bytes);
    await first.execute({ type: "suspend", state: "S4" });
    const resumeFrom = images.findSealed("card0");
    if (resumeFrom === undefined) throw new Error("there is no image");
    const machine = machineOf(4 * MIB);
    const gpu = await bootVirtual({ images, resumeFrom, machine });
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("MACHINE_MEMORY_EXHAUSTED");
    machine.spare += 64 * MIB;
    expect((await gpu.execute({ type: "resume" })).state).toBe("SUCCEEDED");
    expect(await wrongContents(gpu, new Map([[id, bytes]]))).toEqual([]);
  });

  test("refuses what would come back from swap, and keeps it there", async () => {
    const machine = machineOf(64 * MIB);
    const gpu = await bootVirtual({ machine, smem: { sizeBytes: 4 * MIB }, swap: new MemoryStore(16 * MIB) });
    const contents = new Map<string, Uint8Array>();
    for (let seed = 0; seed < 8; seed++) {
      const bytes = patternOf(seed, MIB);
      contents.set(await gpu.upload(bytes, { regions: ["smem"] }), bytes);
    }
    machine.spare = 0;
    // What system memory has been given is enough to take turns in.
    expect(await wrongContents(gpu, contents)).toEqual([]);
    const [object] = contents.keys();
    const local = await create(gpu, { sizeBytes: 4 * MIB, regions: ["lmem0"] });
    expect(await reasonOf(gpu.execute({ type: "pinObject", object: local }))).toBe(
      "MACHINE_MEMORY_EXHAUSTED",
    );
    await gpu.execute({ type: "readObject", object, offsetBytes: 0, lengthBytes: KIB });
    gpu.device.checkInvariants();
  });

  test("is asked for all memory at boot where all is wanted at boot", async () => {
    expect(await reasonOf(bootVirtual({ machine: machineOf(40 * MIB), prefault: true }))).toBe(
      "MACHINE_MEMORY_EXHAUSTED",
    );
    const machine = machineOf(80 * MIB);
    await bootVirtual({ machine, prefault: true });
    expect(machine.spare).toBe(0);
  });

  test("cannot be booted on when it has not even what the device itself needs", async () => {
    expect(await reasonOf(bootVirtual({ machine: machineOf(256 * KIB) }))).toBe("MACHINE_MEMORY_EXHAUSTED");
  });
});
