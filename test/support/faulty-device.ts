/** Devices under virtual time whose failpoints a test arms. */
import { unpinLocked } from "../../src/device/memory/objects.ts";
import { type DeviceOptions, type FailpointArming, Failpoints } from "../../src/device/mod.ts";
import { bootVirtual, type VirtualDevice } from "./test-device.ts";

/** The next pass fails with COPY_FAILED. */
export const ERROR_ONCE: FailpointArming = {
  action: "ERROR",
  device: "",
  reason: "COPY_FAILED",
  delayMs: 0,
  probability: 1,
  count: 1,
  after: 0,
  seed: 1,
};

export interface FaultyDevice {
  readonly gpu: VirtualDevice;
  readonly failpoints: Failpoints;
}

/** What CRASH throws: nobody sees it, because nobody is left. */
class Death extends Error {}

/** @param onDeath called at CRASH; the device then goes no further, whoever waits for it. @default a test fails */
export async function bootFaulty(
  options: Partial<DeviceOptions> = {},
  onDeath: () => void = () => {
    throw new Error("no test asked for a crash");
  },
): Promise<FaultyDevice> {
  // The registry needs the clock of the device, and the device the registry: it asks for the time only when it fires.
  let gpu: VirtualDevice | undefined;
  const failpoints = new Failpoints({
    clock: {
      wallNs: () => gpu?.clock.wallNs() ?? 0n,
      monotonicNs: () => gpu?.clock.monotonicNs() ?? 0n,
      startTimer: (delayMs, callback) => gpu?.clock.startTimer(delayMs, callback) ?? { cancel: () => {} },
      yield: () => Promise.resolve(),
    },
    crash: () => {
      onDeath();
      throw new Death();
    },
  });
  const { pass, letGo, pausedAt, fires } = failpoints.forDevice("card0");
  const stopAtDeath = async (error: unknown): Promise<void> => {
    if (!(error instanceof Death)) throw error;
    await new Promise(() => {});
  };
  gpu = await bootVirtual({
    ...options,
    failpoints: { idle: false, pass: (name) => pass(name).catch(stopAtDeath), letGo, pausedAt, fires },
  });
  return { gpu, failpoints };
}

/** Unpins an object behind the back of a transition, as an exporter that dies would. */
export async function unpinUnderneath(gpu: VirtualDevice, object: string): Promise<void> {
  const { memory } = gpu.device;
  const slot = await memory.lockObject(object);
  unpinLocked(memory, slot);
  memory.locks.unlock(slot);
}
