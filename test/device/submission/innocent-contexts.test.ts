/**
 * Contexts whose work only waited in line keep their registers when the GT is given up, reset or suspended: their
 * requests fail, and that is all that happens to them.
 */
import { describe, expect, test } from "vitest";
import type { WorkCommand } from "../../../src/device/mod.ts";
import { bootThreaded, bootVirtual, KIB, type TestDevice } from "../../support/test-device.ts";

const FORMS = [
  { form: "in-process", boot: bootVirtual },
  { form: "threaded", boot: bootThreaded },
] as const;
const SPIN: WorkCommand[] = [{ op: "spin", durationMs: 60_000 }];

/** What may come over contexts that do nothing wrong. */
const EVENTS: readonly { readonly what: string; readonly happen: (gpu: TestDevice) => Promise<unknown> }[] = [
  {
    what: "a suspend that wedges after its idle timeout",
    async happen(gpu) {
      await gpu.execute({ type: "suspend", state: "S3", idleTimeoutMs: 50, onIdleTimeout: "WEDGE" });
      await gpu.execute({ type: "resume" });
    },
  },
  { what: "a reset of the GT", happen: (gpu) => gpu.execute({ type: "resetDevice", scope: "GT" }) },
];

describe.each(FORMS)("with $form engines", ({ boot }) => {
  test.each(EVENTS)("$what loses the registers of the running context only", async ({ happen }) => {
    const gpu = await boot({ engines: ["rcs0", "bcs0"] });
    try {
      const object = await gpu.upload(new Uint8Array(64 * KIB));
      const [running, waiting, idle] = [await context(gpu), await context(gpu), await context(gpu)];
      for (const [at, name] of [running, waiting, idle].entries()) {
        await run(gpu, name, [{ op: "loadRegister", register: 3, value: BigInt(70 + at) }]);
      }
      const spun = await submit(gpu, running, SPIN);
      const behind = await submit(gpu, waiting, [{ op: "loadRegister", register: 3, value: 99n }]);
      await happen(gpu);
      for (const fence of [spun, behind]) {
        expect(await gpu.execute({ type: "getFence", fence })).toMatchObject({ state: "FAILED" });
      }
      for (const [at, name] of [running, waiting, idle].entries()) {
        await run(gpu, name, [{ op: "storeRegister", register: 3, object, offsetBytes: at * 8 }]);
        expect(await gpu.execute({ type: "getContext", context: name })).toMatchObject({ hangs: 0 });
      }
      const words = new DataView((await gpu.download(object)).buffer);
      expect([0, 8, 16].map((at) => words.getBigUint64(at, true))).toEqual([0n, 71n, 72n]);
    } finally {
      await gpu.device.close();
    }
  });
});

async function context(gpu: TestDevice): Promise<string> {
  return (await gpu.execute({ type: "createContext", engine: "rcs0", priority: "NORMAL" })).id;
}

async function submit(gpu: TestDevice, name: string, commands: WorkCommand[]): Promise<string> {
  const work = { type: "submitWork", context: name, commands, waitFences: [] } as const;
  return (await gpu.execute(work)).id;
}

async function run(gpu: TestDevice, name: string, commands: WorkCommand[]): Promise<void> {
  const fence = await submit(gpu, name, commands);
  const ended = await gpu.execute({ type: "waitFence", fence, timeoutMs: 5_000 });
  expect(ended).toMatchObject({ state: "SIGNALED" });
}

test("work that comes at any moment of a GT reset ends: a firmware that was restarted is told of its context", async () => {
  const ends = new Set<string>();
  for (let at = 0; at < 96; at++) {
    const gpu = await bootVirtual({ engines: ["rcs0", "bcs0"] });
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const name = await context(gpu);
    const work = async () => {
      for (let turn = 0; turn < Math.floor(at / 24); turn++) await gpu.clock.yield();
      for (let turn = 0; turn < at % 24; turn++) await Promise.resolve();
      return gpu.device.execute({
        type: "submitWork",
        context: name,
        commands: [{ op: "storeDword", object, offsetBytes: 0, value: 7 }],
        waitFences: [],
      });
    };
    const reset = gpu.device.execute({ type: "resetDevice", scope: "GT" });
    const [fence] = await gpu.clock.run(Promise.all([work(), reset]));
    const ended = await gpu.execute({ type: "waitFence", fence: fence.id, timeoutMs: 60_000 });
    ends.add(ended.state);
  }
  expect(ends).toEqual(new Set(["FAILED", "SIGNALED"]));
});
