/** What engines execute, against both forms. */
import { afterEach, describe, expect, test } from "vitest";
import type { DeviceOptions, WorkCommand } from "../../../src/device/mod.ts";
import {
  bootThreaded,
  bootVirtual,
  hashOf,
  KIB,
  MIB,
  patternOf,
  reasonOf,
  type TestDevice,
} from "../../support/test-device.ts";

const FORMS = [
  { form: "in-process", boot: bootVirtual },
  { form: "threaded", boot: bootThreaded },
] as const;

describe.each(FORMS)("$form engines", ({ boot }) => {
  let gpu: TestDevice;
  const bootGpu = async (options: Partial<DeviceOptions> = {}): Promise<void> => {
    gpu = await boot({ engines: ["rcs0", "bcs0"], ...options });
  };
  afterEach(() => gpu.device.close());

  test("execute every command on real bytes, in order", async () => {
    await bootGpu();
    const bytes = patternOf(1, 256 * KIB);
    const a = await gpu.upload(bytes);
    const b = await gpu.upload(new Uint8Array(256 * KIB));
    const context = await newContext(gpu);
    const fence = await run(gpu, context, [
      {
        op: "copy",
        source: a,
        sourceOffsetBytes: 5,
        destination: b,
        destinationOffsetBytes: 65_536,
        lengthBytes: 1000,
      },
      { op: "fill", object: b, offsetBytes: 0, lengthBytes: 10, pattern: 0x04030201 },
      { op: "storeDword", object: b, offsetBytes: 1024, value: 0xc0ffee },
      { op: "add", object: b, offsetBytes: 1024, lengthBytes: 8, value: 2 },
      { op: "xor", object: b, offsetBytes: 1028, lengthBytes: 4, value: 0xff },
      { op: "loadRegister", register: 3, value: 0x1234_5678_9abc_def0n },
      { op: "storeRegister", register: 3, object: b, offsetBytes: 2048 },
      {
        op: "checksum",
        object: a,
        offsetBytes: 0,
        lengthBytes: 256 * KIB,
        destination: b,
        destinationOffsetBytes: 4096,
      },
      { op: "spin", durationMs: 2 },
      { op: "timestamp", object: b, offsetBytes: 2056 },
    ]);
    expect(fence).toMatchObject({ state: "SIGNALED", seqno: 1, engine: "rcs0" });
    const view = new DataView((await gpu.download(b)).buffer);
    expect([...new Uint8Array(view.buffer, 0, 12)]).toEqual([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 0, 0]);
    expect(view.getUint32(1024, true)).toBe(0xc0fff0);
    expect(view.getUint32(1028, true)).toBe(2 ^ 0xff);
    expect(view.getBigUint64(2048, true)).toBe(0x1234_5678_9abc_def0n);
    expect(view.getBigUint64(2056, true)).toBeGreaterThan(0n);
    expect(view.getUint32(4096, true)).toBe(
      (await gpu.execute({ type: "checksumObject", object: a })).crc32c,
    );
    expect(hashOf(new Uint8Array(view.buffer, 65_536, 1000))).toBe(hashOf(bytes.subarray(5, 1005)));
    const { registers } = await gpu.execute({ type: "getContext", context });
    expect(registers[3]).toBe(0x1234_5678_9abc_def0n);
    gpu.device.checkInvariants();
  });

  test("run a request of thousands of commands, more than the ring holds at a time", async () => {
    await bootGpu();
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const context = await newContext(gpu);
    const commands = Array.from(
      { length: 10_000 },
      (_, index): WorkCommand => ({
        op: "storeDword",
        object,
        offsetBytes: (index % 16_384) * 4,
        value: index + 1,
      }),
    );
    expect((await run(gpu, context, commands)).state).toBe("SIGNALED");
    const view = new DataView((await gpu.download(object)).buffer);
    expect([view.getUint32(0, true), view.getUint32(39_996, true)]).toEqual([1, 10_000]);
  });

  test("bring evicted objects back for work, and keep the registers of idle contexts across S3", async () => {
    await bootGpu();
    const object = await gpu.upload(patternOf(2, MIB), { regions: ["lmem0"] });
    const context = await newContext(gpu);
    await run(gpu, context, [{ op: "loadRegister", register: 15, value: 77n }]);
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    await run(gpu, context, [{ op: "storeRegister", register: 15, object, offsetBytes: 0 }]);
    expect((await gpu.execute({ type: "getObject", object })).region).toBe("lmem0");
    const content = await gpu.download(object);
    expect(new DataView(content.buffer).getBigUint64(0, true)).toBe(77n);
    expect(hashOf(content.subarray(8))).toBe(hashOf(patternOf(2, MIB).subarray(8)));
    gpu.device.checkInvariants();
  });

  test("a more urgent context runs while another waits for a semaphore on the same engine", async () => {
    await bootGpu();
    const semaphore = await gpu.upload(new Uint8Array(64 * KIB));
    const other = await gpu.upload(new Uint8Array(64 * KIB));
    const patient = await newContext(gpu);
    const urgent = await newContext(gpu, "HIGH");
    const waiting = await submit(gpu, patient, [
      { op: "waitSemaphore", object: semaphore, offsetBytes: 0, value: 5 },
    ]);
    const quick = await run(gpu, urgent, [{ op: "storeDword", object: other, offsetBytes: 0, value: 1 }]);
    expect(quick.state).toBe("SIGNALED");
    expect((await gpu.execute({ type: "getFence", fence: waiting })).state).toBe("PENDING");
    expect((await gpu.execute({ type: "getObject", object: semaphore })).active).toBe(true);
    expect((await gpu.execute({ type: "resetEngine", engine: "rcs0" })).lastHang?.fence).toBe(waiting);
    expect((await gpu.execute({ type: "getFence", fence: waiting })).state).toBe("FAILED");
  });

  test("a semaphore is released by another request, or by the CPU, while work waits for it", async () => {
    await bootGpu();
    const semaphore = await gpu.upload(new Uint8Array(64 * KIB));
    const patient = await newContext(gpu);
    const other = (await gpu.execute({ type: "createContext", engine: "bcs0", priority: "NORMAL" })).id;
    const wait = (value: number): WorkCommand[] => [
      { op: "waitSemaphore", object: semaphore, offsetBytes: 0, value },
    ];
    const first = await submit(gpu, patient, wait(1));
    await run(gpu, other, [{ op: "storeDword", object: semaphore, offsetBytes: 0, value: 1 }]);
    expect((await gpu.execute({ type: "waitFence", fence: first, timeoutMs: 10_000 })).state).toBe(
      "SIGNALED",
    );
    const second = await submit(gpu, patient, wait(2));
    await gpu.execute({
      type: "writeObject",
      object: semaphore,
      offsetBytes: 0,
      data: new Uint8Array([2, 0, 0, 0]),
    });
    expect((await gpu.execute({ type: "waitFence", fence: second, timeoutMs: 10_000 })).state).toBe(
      "SIGNALED",
    );
  });

  test("a request waits for fences and for earlier work on its objects, on whatever engine", async () => {
    await bootGpu();
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const first = await newContext(gpu);
    const second = (await gpu.execute({ type: "createContext", engine: "bcs0", priority: "NORMAL" })).id;
    const slow = await submit(gpu, first, [
      { op: "spin", durationMs: 20 },
      { op: "storeDword", object, offsetBytes: 0, value: 1 },
    ]);
    await run(gpu, second, [{ op: "add", object, offsetBytes: 0, lengthBytes: 4, value: 1 }]);
    expect((await gpu.execute({ type: "getFence", fence: slow })).state).toBe("SIGNALED");
    expect(new DataView((await gpu.download(object)).buffer).getUint32(0, true)).toBe(2);
  });

  test("a deleted object's bytes stay until the work that uses them has ended", async () => {
    await bootGpu();
    const object = await gpu.upload(new Uint8Array(MIB));
    const context = await newContext(gpu);
    const fence = await submit(gpu, context, [
      { op: "spin", durationMs: 20 },
      { op: "storeDword", object, offsetBytes: 0, value: 1 },
    ]);
    const used = (await gpu.execute({ type: "getRegion", region: "lmem0" })).usedBytes;
    await gpu.execute({ type: "deleteObject", object });
    expect(await reasonOf(gpu.execute({ type: "getObject", object }))).toBe("OBJECT_NOT_FOUND");
    expect((await gpu.execute({ type: "waitFence", fence, timeoutMs: 60_000 })).state).toBe("SIGNALED");
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    expect((await gpu.execute({ type: "getRegion", region: "lmem0" })).usedBytes).toBeLessThan(
      used - MIB + 1,
    );
    gpu.device.checkInvariants();
  });
});

async function newContext(gpu: TestDevice, priority: "LOW" | "NORMAL" | "HIGH" = "NORMAL"): Promise<string> {
  return (await gpu.execute({ type: "createContext", engine: "rcs0", priority })).id;
}

async function submit(gpu: TestDevice, context: string, commands: WorkCommand[]): Promise<string> {
  return (await gpu.execute({ type: "submitWork", context, commands, waitFences: [] })).id;
}

async function run(gpu: TestDevice, context: string, commands: WorkCommand[]) {
  const fence = await submit(gpu, context, commands);
  return gpu.execute({ type: "waitFence", fence, timeoutMs: 60_000 });
}
