/** What a command costs beyond its work, in requests of 256: the engine that executes it, and all from `submitWork` to the fence. */
import { KIB, MIB } from "../../src/device/limits.ts";
import type { Device, WorkCommand } from "../../src/device/mod.ts";
import { bootBenchDevice, createObjects, pinAll } from "../harness/bench-device.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { median } from "../harness/statistics.ts";

const COMMANDS = 256;
const REQUESTS = 2_000;
const IN_FLIGHT = 16;
const ROUNDS = 9;

export const benchmark: Benchmark = {
  title: "Commands of a context that do next to nothing, 256 in a request.",
  async run(report) {
    const device = await bootBenchDevice({
      lmemBytes: 64 * MIB,
      smem: { sizeBytes: 64 * MIB },
      engines: ["bcs0"],
    });
    try {
      const [object = ""] = await createObjects(device, 1, 64 * KIB);
      await pinAll(device, [object]);
      const { id } = await device.execute({
        type: "createContext",
        engine: "bcs0",
        priority: "NORMAL",
      });
      const loads = Array.from(
        { length: COMMANDS },
        (_, at): WorkCommand => ({
          op: "loadRegister",
          register: at % 16,
          value: BigInt(at),
        }),
      );
      const copies = Array.from(
        { length: COMMANDS },
        (_, at): WorkCommand => ({
          op: "copy",
          source: object,
          sourceOffsetBytes: 0,
          destination: object,
          destinationOffsetBytes: 32 * KIB + (at % 256) * 64,
          lengthBytes: 64,
        }),
      );
      for (const [name, commands] of [
        ["register loads", loads],
        ["copies of 64 bytes", copies],
      ] as const) {
        const whole: number[] = [];
        const engine: number[] = [];
        for (let round = 0; round <= ROUNDS; round++) {
          const busyNs = await engineBusyNs(device);
          const ns = await nsPerCommand(device, id, commands);
          // The first round warms code, and is not counted.
          if (round === 0) continue;
          whole.push(ns);
          engine.push(((await engineBusyNs(device)) - busyNs) / (REQUESTS * COMMANDS));
        }
        report({
          name: `${name}: the engine's own time`,
          figure: median(engine),
          unit: "ns",
          aim: { of: "figure", atMost: 100 },
        });
        report({ name: `${name}: from submitWork to the fence`, figure: median(whole), unit: "ns" });
      }
    } finally {
      await device.close();
    }
  },
};

async function engineBusyNs(device: Device): Promise<number> {
  const { busyNs } = await device.execute({ type: "getEngine", engine: "bcs0" });
  return Number(busyNs);
}

async function nsPerCommand(
  device: Device,
  context: string,
  commands: readonly WorkCommand[],
): Promise<number> {
  const start = performance.now();
  for (let request = 0; request < REQUESTS; request += IN_FLIGHT) {
    const submitted = Array.from({ length: IN_FLIGHT }, () =>
      device.execute({ type: "submitWork", context, commands, waitFences: [], waitMs: 10_000 }),
    );
    await Promise.all(submitted);
  }
  return ((performance.now() - start) * 1e6) / (Math.ceil(REQUESTS / IN_FLIGHT) * IN_FLIGHT * COMMANDS);
}
