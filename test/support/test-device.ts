/** Whole devices for tests: under virtual time, or threaded at machine speed, behind one face. */
import { createHash } from "node:crypto";
import { type AssembledDevice, assembleDevice } from "../../src/device/device.ts";
import {
  type Command,
  type CommandOf,
  type CommandType,
  DeviceError,
  type DeviceEvent,
  type DeviceOptions,
  type HashFactory,
  type ObjectResource,
  type Results,
  VirtualClock,
} from "../../src/device/mod.ts";
import { systemClock } from "../../src/server/machine/system-clock.ts";

export const MIB = 1024 * 1024;
export const KIB = 1024;

export const sha256: HashFactory = () => {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), digestHex: () => hash.digest("hex") };
};

/** A seeded generator (mulberry32): uniform in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + MULBERRY_STEP) | 0;
    return (mulberry(state) >>> 0) / 4294967296;
  };
}

const MULBERRY_STEP = 0x6d2b79f5;

/** The 32 bits of a state of mulberry32. */
function mulberry(state: number): number {
  const mixed = Math.imul(state ^ (state >>> 15), state | 1);
  const again = mixed ^ (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61));
  return again ^ (again >>> 14);
}

/** Bytes that differ for each seed: what `seededRandom` draws, without the way by fractions. */
export function patternOf(seed: number, lengthBytes: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(lengthBytes / 4));
  let state = seed >>> 0;
  for (let at = 0; at < words.length; at++) {
    state = (state + MULBERRY_STEP) | 0;
    words[at] = mulberry(state);
  }
  return new Uint8Array(words.buffer, 0, lengthBytes);
}

export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A device and what tests do with it. Under virtual time `execute` drives the clock until the answer is there. */
export interface TestDevice {
  readonly device: AssembledDevice;
  readonly events: DeviceEvent[];
  execute<T extends CommandType>(command: CommandOf<T>): Promise<Results[T]>;
  /** Creates an object and writes `bytes` to it. Answers its id. */
  upload(
    bytes: Uint8Array,
    spec?: { regions?: string[]; flags?: DeviceFlags; label?: string },
  ): Promise<string>;
  download(id: string): Promise<Uint8Array>;
}

export interface VirtualDevice extends TestDevice {
  readonly clock: VirtualClock;
}

type DeviceFlags = Extract<Command, { type: "createObject" }>["flags"];

/** An in-process device: no thread, no timer, the same every time. `emit` hears what `events` collects. */
export async function bootVirtual(options: Partial<DeviceOptions> = {}): Promise<VirtualDevice> {
  const clock = new VirtualClock({ settle: () => new Promise((resolve) => setImmediate(resolve)) });
  const events: DeviceEvent[] = [];
  const emit = (event: DeviceEvent): void => {
    events.push(event);
    options.emit?.(event);
  };
  const device = await clock.run(
    assembleDevice({ ...defaults(), engineForm: "in-process", clock, ...options, emit }),
  );
  return { clock, ...withHelpers(device, events, (promise) => clock.run(promise)) };
}

/** A device with real engine threads and real time. Close it. */
export async function bootThreaded(options: Partial<DeviceOptions> = {}): Promise<TestDevice> {
  const events: DeviceEvent[] = [];
  const device = await assembleDevice({
    ...defaults(),
    emit: (event) => void events.push(event),
    engineForm: "threaded",
    clock: systemClock,
    clockModule: new URL("../../src/server/machine/monotonic-clock.ts", import.meta.url),
    ...options,
  });
  return withHelpers(device, events, (promise) => promise);
}

/** What `createObject` is asked for when a test does not care: 1 MiB, local memory first. */
export const ANY_OBJECT: Extract<Command, { type: "createObject" }> = {
  type: "createObject",
  sizeBytes: MIB,
  regions: [],
  flags: [],
  alignmentBytes: 0,
  label: "",
};

/** Creates an object without bytes. Answers its id. */
export async function create(gpu: TestDevice, change: Partial<typeof ANY_OBJECT> = {}): Promise<string> {
  return (await gpu.execute({ ...ANY_OBJECT, ...change })).id;
}

export function look(gpu: TestDevice, object: string): Promise<ObjectResource> {
  return gpu.execute({ type: "getObject", object });
}

/** Gives all commands to the device at once, and drives the clock until the last has its answer. */
export function together<T extends CommandType>(
  gpu: VirtualDevice,
  commands: readonly CommandOf<T>[],
): Promise<PromiseSettledResult<Results[T]>[]> {
  return gpu.clock.run(Promise.allSettled(commands.map((command) => gpu.device.execute(command))));
}

/** A resident object's bytes where they are, read behind the device's back: nothing moves for it. */
export function bytesInPlace(gpu: TestDevice, object: string): Uint8Array {
  const { memory } = gpu.device;
  const { table } = memory;
  const slot = memory.findObject(object);
  const region = memory.region(table.region[slot]);
  const bytes = new Uint8Array(table.sizeBytes[slot]);
  let done = 0;
  for (const { offsetBytes, lengthBytes } of region.extents(table.resource[slot])) {
    const length = Math.min(lengthBytes, bytes.length - done);
    bytes.set(region.bank.bytes.subarray(offsetBytes, offsetBytes + length), done);
    done += length;
  }
  return bytes;
}

/** The objects whose content is not what `contents` says, by id. */
export async function wrongContents(
  gpu: TestDevice,
  contents: ReadonlyMap<string, Uint8Array>,
): Promise<string[]> {
  const wrong: string[] = [];
  for (const [id, bytes] of contents) {
    if (Buffer.compare(await gpu.download(id), bytes) !== 0) wrong.push(id);
  }
  return wrong;
}

/** The reason with which `promise` was refused. */
export async function reasonOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof DeviceError) return error.reason;
    throw error;
  }
  return "none";
}

function defaults(): Omit<DeviceOptions, "engineForm" | "clock" | "emit"> {
  return {
    name: "card0",
    uid: "6f1c2d3e-4b5a-4978-8c6d-0123456789ab",
    lmem: [{ sizeBytes: 16 * MIB }],
    smem: { sizeBytes: 64 * MIB },
    engines: ["bcs0"],
    random: seededRandom(1),
    sha256,
  };
}

function withHelpers(
  device: AssembledDevice,
  events: DeviceEvent[],
  drive: <T>(promise: Promise<T>) => Promise<T>,
): TestDevice {
  const execute = <T extends CommandType>(command: CommandOf<T>): Promise<Results[T]> =>
    drive(device.execute(command));
  return {
    device,
    events,
    execute,
    async upload(bytes, spec = {}) {
      const { id } = await execute({
        type: "createObject",
        sizeBytes: bytes.length,
        regions: spec.regions ?? ["lmem0", "smem"],
        flags: spec.flags ?? [],
        alignmentBytes: 0,
        label: spec.label ?? "",
      });
      for (let offsetBytes = 0; offsetBytes < bytes.length; offsetBytes += MIB) {
        const data = bytes.subarray(offsetBytes, offsetBytes + MIB);
        await execute({ type: "writeObject", object: id, offsetBytes, data });
      }
      return id;
    },
    async download(id) {
      const { sizeBytes } = await execute({ type: "getObject", object: id });
      const bytes = new Uint8Array(sizeBytes);
      for (let offsetBytes = 0; offsetBytes < sizeBytes; offsetBytes += MIB) {
        const lengthBytes = Math.min(MIB, sizeBytes - offsetBytes);
        bytes.set(await execute({ type: "readObject", object: id, offsetBytes, lengthBytes }), offsetBytes);
      }
      return bytes;
    },
  };
}
