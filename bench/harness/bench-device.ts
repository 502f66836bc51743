/** A device as the daemon would boot it: engine threads and the machine's clock, but no wire. */
import { createHash } from "node:crypto";
import { BATCH_OBJECTS_MAX, KIB } from "../../src/device/limits.ts";
import { bootDevice, type Device, type DeviceOptions, type PhaseRecord } from "../../src/device/mod.ts";
import { systemClock } from "../../src/server/machine/system-clock.ts";

export type BenchDeviceOptions = Pick<DeviceOptions, "smem" | "engines"> &
  Partial<DeviceOptions> & { readonly lmemBytes: number };

/** Boots it; local memory has pages of 4 KiB. */
export function bootBenchDevice({ lmemBytes, ...options }: BenchDeviceOptions): Promise<Device> {
  return bootDevice({
    name: "card0",
    uid: "6f1c2d3e-4b5a-4978-8c6d-0123456789ab",
    lmem: [{ sizeBytes: lmemBytes, minPageBytes: 4 * KIB }],
    engineForm: "threaded",
    clock: systemClock,
    clockModule: new URL("../../src/server/machine/monotonic-clock.ts", import.meta.url),
    random: Math.random,
    emit: () => {},
    sha256: () => {
      const hash = createHash("sha256");
      return { update: (bytes) => void hash.update(bytes), digestHex: () => hash.digest("hex") };
    },
    ...options,
  });
}

/** Creates objects in local memory, without bytes yet. Answers their ids. */
export async function createObjects(
  device: Device,
  count: number,
  sizeBytes: number,
  flags: readonly "PM_EARLY"[] = [],
): Promise<string[]> {
  const template = { sizeBytes, regions: ["lmem0"], flags, alignmentBytes: 0, label: "bench" };
  const ids: string[] = [];
  while (ids.length < count) {
    const each = Math.min(count - ids.length, BATCH_OBJECTS_MAX);
    const created = await device.execute({ type: "batchCreateObjects", template, count: each });
    for (const id of created.objects) ids.push(id);
  }
  return ids;
}

/** Brings objects into local memory, in this order, and keeps them there. */
export async function pinAll(device: Device, ids: readonly string[]): Promise<void> {
  for (const objects of batches(ids)) await device.execute({ type: "batchPinObjects", objects });
}

/** Lets them go; the first is the least recently used. */
export async function unpinAll(device: Device, ids: readonly string[]): Promise<void> {
  for (const objects of batches(ids)) await device.execute({ type: "batchUnpinObjects", objects });
}

export async function deleteAll(device: Device, ids: readonly string[]): Promise<void> {
  for (const objects of batches(ids)) await device.execute({ type: "batchDeleteObjects", objects });
}

export function* batches(ids: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < ids.length; at += BATCH_OBJECTS_MAX) yield ids.slice(at, at + BATCH_OBJECTS_MAX);
}

/** The same ids in an order that has nothing to do with their places. */
export function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, key: Math.random() }))
    .sort((left, right) => left.key - right.key)
    .map(({ value }) => value);
}

/** What a transition did, phase by phase. */
export type PhaseTimes = ReadonlyMap<PhaseRecord["phase"], PhaseRecord>;

/** Suspends, and throws when that does not succeed. */
export async function suspend(device: Device, state: "S3" | "S4" = "S3"): Promise<PhaseTimes> {
  return phasesOf(await device.execute({ type: "suspend", state }));
}

/** Resumes, and throws when that does not succeed. */
export async function resume(device: Device): Promise<PhaseTimes> {
  return phasesOf(await device.execute({ type: "resume" }));
}

function phasesOf({
  phases,
  state,
  error,
}: {
  readonly phases: readonly PhaseRecord[];
  readonly state: string;
  readonly error?: { readonly message: string } | undefined;
}): PhaseTimes {
  if (state !== "SUCCEEDED") throw new Error(`The transition ended as ${state}: ${error?.message ?? ""}`);
  return new Map(phases.map((phase) => [phase.phase, phase]));
}

/** Bytes a nanosecond, which is GB/s, of one phase. */
export function rateOf(phases: PhaseTimes, name: PhaseRecord["phase"]): number {
  const phase = phases.get(name);
  if (phase === undefined) throw new Error(`The transition had no phase ${name}.`);
  return phase.bytes / Number(phase.durationNs);
}
