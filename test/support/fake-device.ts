/**
 * A device that does as little as a wire can tell apart: objects that are byte arrays, a power state, transitions that
 * end when a test says so. For what no real device does on request; everything else is tested against the real one.
 */
import { createHash } from "node:crypto";
import type { Command, CommandOf, CommandType, Results } from "../../src/device/command.ts";
import { DeviceError } from "../../src/device/errors.ts";
import type {
  ContextResource,
  DeviceResource,
  EngineResource,
  FenceResource,
  ObjectResource,
  RuntimePmResource,
  SuspendPlan,
  TransitionResource,
} from "../../src/device/resource.ts";
import type { DeviceHandle } from "../../src/server/api/devices.ts";

type Handlers = { readonly [T in CommandType]: (command: CommandOf<T>) => Results[T] | Promise<Results[T]> };

interface FakeObject {
  readonly resource: ObjectResource;
  readonly bytes: Uint8Array;
}

export class FakeDevice implements DeviceHandle {
  readonly name: string;
  /** Every command that arrived, oldest first. */
  readonly commands: Command[] = [];
  /** What the next commands of a type fail with. */
  readonly failures = new Map<CommandType, Error>();
  /** Awaited before each command: a test can hold the device up. */
  gate: (command: Command) => Promise<void> | undefined = () => undefined;
  runtimePm = RUNTIME_PM;
  /** What it shows of itself in place of an ACTIVE device. */
  shows: Partial<DeviceResource> = {};
  readonly #objects = new Map<string, FakeObject>();
  readonly #transitions: TransitionResource[] = [];

  constructor(name = "card0") {
    this.name = name;
  }

  async execute<T extends CommandType>(command: CommandOf<T>): Promise<Results[T]> {
    this.commands.push(command);
    await this.gate(command);
    const failure = this.failures.get(command.type);
    if (failure !== undefined) throw failure;
    const type: T = command.type;
    const handler = this.#handlers[type];
    return handler(command);
  }

  /** The bytes of an object, to look at and to fill. */
  bytesOf(object: string): Uint8Array {
    return this.#find(object).bytes;
  }

  readonly #handlers: Handlers = {
    getDevice: () => this.#describe(),
    resetDevice: () => this.#describe(),
    listEngines: () => [ENGINE],
    getEngine: () => ENGINE,
    resetEngine: () => ENGINE,
    createContext: ({ engine, priority }) => ({ ...CONTEXT, engine, priority }),
    getContext: () => CONTEXT,
    listContexts: () => ({ contexts: [CONTEXT], nextAfterId: "" }),
    deleteContext: () => undefined,
    submitWork: ({ context }) => ({ ...FENCE, context }),
    getFence: ({ fence }) => ({ ...FENCE, id: fence }),
    waitFence: ({ fence }) => ({ ...FENCE, id: fence }),
    listRegions: () => [REGION],
    getRegion: ({ region }) => {
      if (region === REGION.id) return REGION;
      throw new DeviceError("REGION_NOT_FOUND", `There is no region ${region}.`, { region });
    },
    evictRegion: ({ bytes }) => ({ objects: 1, bytes: bytes ?? 4096 }),
    createObject: (command) => this.#create(command),
    getObject: ({ object }) => this.#find(object).resource,
    listObjects: ({ afterId, limit }) => {
      const after = [...this.#objects.values()].filter(
        ({ resource }) => Number(resource.id) > Number(afterId),
      );
      const page = after.slice(0, limit).map(({ resource }) => resource);
      return { objects: page, nextAfterId: after.length > limit ? (page.at(-1)?.id ?? "") : "" };
    },
    deleteObject: ({ object }) => {
      this.#find(object);
      this.#objects.delete(object);
      return undefined;
    },
    pinObject: ({ object }) => ({ ...this.#find(object).resource, pinCount: 1 }),
    unpinObject: ({ object }) => this.#find(object).resource,
    moveObject: ({ object, region }) => ({ ...this.#find(object).resource, region }),
    adviseObject: () => ({ retained: true }),
    batchCreateObjects: ({ template, count }) => ({
      objects: Array.from({ length: count }, () => this.#create({ ...template, type: "createObject" }).id),
    }),
    batchPinObjects: () => undefined,
    batchUnpinObjects: () => undefined,
    batchDeleteObjects: () => undefined,
    getUsage: () => [],
    checksumObject: ({ object }) => {
      const { bytes } = this.#find(object);
      const sha256Hex = createHash("sha256").update(bytes).digest("hex");
      return { crc32c: 0xffff_ffff, sha256Hex, sizeBytes: bytes.byteLength };
    },
    readObject: ({ object, offsetBytes, lengthBytes, into = new Uint8Array(lengthBytes) }) => {
      into.set(this.#find(object).bytes.subarray(offsetBytes, offsetBytes + lengthBytes));
      return into;
    },
    writeObject: ({ object, offsetBytes, data, declaredBytes }) => {
      const { bytes } = this.#find(object);
      const lengthBytes = declaredBytes ?? data.byteLength;
      if (offsetBytes + lengthBytes > bytes.byteLength) {
        throw new DeviceError(
          "INVALID_RANGE",
          `Range of ${lengthBytes} bytes at ${offsetBytes} does not fit.`,
        );
      }
      bytes.set(data, offsetBytes);
      return { bytesWritten: data.byteLength };
    },
    planSuspend: () => PLAN,
    suspend: (command) => this.#transition("SUSPEND", command),
    resume: (command) => this.#transition("RESUME", command),
    getTransition: ({ transition }) => this.#findTransition(transition),
    listTransitions: ({ beforeId, limit }) => {
      const older = this.#transitions
        .filter(({ id }) => beforeId === "" || Number(id) < Number(beforeId))
        .reverse();
      const page = older.slice(0, limit);
      return { transitions: page, nextBeforeId: older.length > limit ? (page.at(-1)?.id ?? "") : "" };
    },
    getTransitionTrace: ({ transition }) =>
      new TextEncoder().encode(`{"traceEvents":[],"transition":"${this.#findTransition(transition).id}"}`),
    getRuntimePm: () => this.runtimePm,
    updateRuntimePm: ({ type: _type, ...change }) => {
      this.runtimePm = { ...this.runtimePm, ...change };
      return this.runtimePm;
    },
    cancelTransition: ({ transition }) => ({ ...this.#findTransition(transition), state: "CANCELLED" }),
  };

  #describe(): DeviceResource {
    return {
      name: this.name,
      uid: `uid-${this.name}`,
      generation: 1,
      resumedFrom: "",
      ownership: { state: "OWNED", owner: undefined },
      model: "fake",
      powerState: "ACTIVE",
      sleepState: undefined,
      dState: "D0",
      stateSinceNs: 1_000_000_001n,
      wedged: false,
      suspendCount: 0,
      transition: this.#transitions.at(-1)?.id ?? "",
      regions: ["lmem0", "smem"],
      swap: undefined,
      engines: ["bcs0"],
      image: "",
      etag: "e1",
      ...this.shows,
    };
  }

  #create({ sizeBytes, label, flags, regions }: CommandOf<"createObject">): ObjectResource {
    if (sizeBytes <= 0)
      throw new DeviceError("INVALID_SIZE", `Size (${sizeBytes} bytes) is not at least 1 byte.`);
    const id = String(this.#objects.size + 1);
    const resource: ObjectResource = {
      id,
      uid: `uid-${id}`,
      sizeBytes,
      label,
      flags,
      regions,
      region: "lmem0",
      state: "RESIDENT",
      extents: [{ offsetBytes: 0, lengthBytes: sizeBytes }],
      pinCount: 0,
      active: false,
      evictable: true,
      hasBackup: false,
      madvise: "WILL_NEED",
      createTimeNs: 1_700_000_000_123_456_789n,
      etag: "e1",
    };
    this.#objects.set(id, { resource, bytes: new Uint8Array(Math.min(sizeBytes, 64 * 1024 * 1024)) });
    return resource;
  }

  #transition(kind: "SUSPEND" | "RESUME", command: CommandOf<"suspend" | "resume">): TransitionResource {
    const { waitMs, validateOnly = false } = command;
    const running = waitMs !== undefined;
    const transition: TransitionResource = {
      id: validateOnly ? "" : String(this.#transitions.length + 1),
      kind,
      sleepState: command.type === "suspend" ? command.state : "S3",
      dState: kind === "SUSPEND" ? "D3COLD" : "D0",
      state: running ? "RUNNING" : "SUCCEEDED",
      alreadyInState: false,
      startTimeNs: 1_000_000_000n,
      endTimeNs: running ? undefined : 2_500_000_000n,
      phases: running ? [] : [{ ...PHASE, phase: "evict" }],
      evictedObjects: 0,
      evictedBytes: 0,
      backupObjects: 0,
      backupBytes: 0,
      restoredObjects: 0,
      restoredBytes: 0,
      wedged: false,
      recovered: false,
      error: undefined,
    };
    if (!validateOnly) this.#transitions.push(transition);
    return transition;
  }

  #find(object: string): FakeObject {
    const found = this.#objects.get(object);
    if (found !== undefined) return found;
    throw new DeviceError("OBJECT_NOT_FOUND", `There is no object ${object}.`, { object });
  }

  #findTransition(id: string): TransitionResource {
    const found = this.#transitions.find((transition) => transition.id === id);
    if (found !== undefined) return found;
    throw new DeviceError("TRANSITION_NOT_FOUND", `There is no transition ${id}.`, { transition: id });
  }
}

const ENGINE: EngineResource = {
  name: "bcs0",
  kind: "COPY",
  state: "IDLE",
  busyNs: 1_500_000_000n,
  queueDepth: 2,
  resets: 1,
  submittedJobs: 5,
  completedJobs: 2,
  failedJobs: 1,
  lastHang: {
    timeNs: 1_700_000_000_123_456_789n,
    why: "a test said so",
    context: "7",
    fence: "9",
    ringHead: 64,
  },
};

const CONTEXT: ContextResource = {
  id: "7",
  engine: "bcs0",
  priority: "NORMAL",
  registers: [2n ** 64n - 1n, 0n],
  image: "k1",
  ring: "k2",
  pendingRequests: 2,
  hangs: 1,
  banned: false,
};

const FENCE: FenceResource = {
  id: "9",
  engine: "bcs0",
  context: "7",
  seqno: 3,
  state: "FAILED",
  error: { reason: "ENGINE_HUNG", message: "The engine hung." },
};

const REGION = {
  id: "lmem0",
  kind: "LOCAL",
  sizeBytes: 1 << 30,
  usedBytes: 4096,
  availableBytes: (1 << 30) - 4096,
  pinnedBytes: 0,
  visibleBytes: 1 << 30,
  visibleAvailableBytes: (1 << 30) - 4096,
  largestFreeBytes: 1 << 29,
  backupBytes: 0,
  pinnedObjectCount: 0,
  objectCount: 1,
  minPageBytes: 65536,
} as const;

const PLAN: SuspendPlan = {
  feasible: false,
  blockers: [{ reason: "SYSTEM_MEMORY_EXHAUSTED", message: "System memory is full." }],
  evict: { objects: 1, bytes: 4096 },
  backupBlit: { objects: 2, bytes: 8192 },
  backupMemcpy: { objects: 3, bytes: 12288 },
  discard: { objects: 4, bytes: 16384 },
  systemMemoryRequiredBytes: 24576,
  systemMemoryAvailableBytes: 4096,
  imageBytesMax: 32768,
  estimatedDurationNs: 1_500_000_001n,
};

export const RUNTIME_PM: RuntimePmResource = {
  enabled: false,
  autosuspendDelayMs: 1500,
  d3coldThresholdBytes: 4096,
  status: "ACTIVE",
  usageCount: 1,
  suspendedNs: 2_500_000_000n,
  suspends: 3,
};

const PHASE = {
  startTimeNs: 1_000_000_000n,
  durationNs: 1_500_000_000n,
  objects: 1,
  bytes: 4096,
  blitterBytes: 4096,
  memcpyBytes: 0,
  skippedVolatile: 0,
} as const;
