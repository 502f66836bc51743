/**
 * A device that does as little as a wire can tell apart: objects that are byte arrays, a power state, transitions that
 * end when a test says so. For what no real device does on request; everything else is tested against the real one. What
 * it does is held to the real one by `device-claims.ts`, but that it takes every command in every power state.
 */
import { createHash } from "node:crypto";
import type { Command, CommandOf, CommandType, Results } from "../../src/device/command.ts";
import { DeviceError } from "../../src/device/errors.ts";
import type {
  ContextResource,
  DeviceResource,
  EnergyReading,
  EngineResource,
  FenceResource,
  RegionResource,
  RuntimePmResource,
  SuspendPlan,
  TransitionResource,
} from "../../src/device/resource.ts";
import type { DeviceHandle } from "../../src/server/api/devices.ts";
import { FakeObjects } from "./fake-objects.ts";

type Handlers = { readonly [T in CommandType]: (command: CommandOf<T>) => Results[T] | Promise<Results[T]> };

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
  readonly #objects = new FakeObjects();
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
    return this.#objects.find(object).bytes;
  }

  readonly #handlers: Handlers = {
    getDevice: () => this.#describe(),
    resetDevice: () => this.#describe(),
    listEngines: () => [ENGINE],
    getEngine: ({ engine }) => engineCalled(engine),
    resetEngine: ({ engine }) => engineCalled(engine),
    createContext: ({ engine, priority }) => ({ ...CONTEXT, engine: engineCalled(engine).name, priority }),
    getContext: ({ context }) => contextOf(context),
    listContexts: () => ({ contexts: [CONTEXT], nextAfterId: "" }),
    deleteContext: ({ context }) => void contextOf(context),
    submitWork: ({ context }) => ({ ...FENCE, context: contextOf(context).id }),
    getFence: ({ fence }) => fenceOf(fence),
    waitFence: ({ fence }) => fenceOf(fence),
    listRegions: () => REGIONS,
    getRegion: ({ region }) => {
      const found = REGIONS.find(({ id }) => id === region);
      if (found !== undefined) return found;
      throw new DeviceError("REGION_NOT_FOUND", `There is no region ${region}.`, { region });
    },
    evictRegion: ({ bytes }) => ({ objects: 1, bytes: bytes ?? 4096 }),
    createObject: (command) => this.#objects.create(command),
    getObject: ({ object }) => this.#objects.find(object).resource,
    listObjects: (command) => this.#objects.list(command),
    deleteObject: (command) => this.#objects.delete(command),
    pinObject: (command) => this.#objects.pin(command),
    unpinObject: (command) => this.#objects.unpin(command),
    moveObject: ({ object, region }) => ({ ...this.#objects.find(object).resource, region }),
    adviseObject: ({ object }) => ({ retained: this.#objects.find(object) !== undefined }),
    batchCreateObjects: ({ template, count }) => ({
      objects: Array.from({ length: count }, () => this.#objects.create(template).id),
    }),
    batchPinObjects: ({ objects }) => this.#each(objects, (object) => this.#objects.pin({ object })),
    batchUnpinObjects: ({ objects }) => this.#each(objects, (object) => this.#objects.unpin({ object })),
    batchDeleteObjects: ({ objects }) => this.#each(objects, (object) => this.#objects.delete({ object })),
    getUsage: () => [],
    checksumObject: ({ object }) => {
      const { bytes } = this.#objects.find(object);
      const sha256Hex = createHash("sha256").update(bytes).digest("hex");
      return { crc32c: 0xffff_ffff, sha256Hex, sizeBytes: bytes.byteLength };
    },
    readObject: (command) => this.#objects.read(command),
    writeObject: (command) => this.#objects.write(command),
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
    getPower: () => POWER,
    getRuntimePm: () => this.runtimePm,
    updateRuntimePm: ({ type: _type, ...change }) => {
      this.runtimePm = { ...this.runtimePm, ...change };
      return this.runtimePm;
    },
    cancelTransition: ({ transition }) => ({ ...this.#findTransition(transition), state: "CANCELLED" }),
    takeSnapshot: ({ snapshot, labels }) => ({
      id: snapshot,
      device: this.name,
      deviceUid: `uid-${this.name}`,
      generation: 1,
      labels,
      createTimeNs: 1_000_000_001n,
      objects: 0,
      contexts: 0,
      contentBytes: 0,
      copiedBytes: 0,
      memoryBytes: 0,
    }),
    restoreSnapshot: () => this.#transition("RESTORE", { type: "resume" }),
  };

  #describe(): DeviceResource {
    return {
      name: this.name,
      uid: `uid-${this.name}`,
      generation: 1,
      resumedFrom: "",
      ownership: { state: "OWNED", owner: undefined },
      model: "fake",
      ...this.#power(),
      stateSinceNs: 1_000_000_001n,
      wedged: false,
      suspendCount: this.#transitions.filter(({ kind, state }) => kind === "SUSPEND" && state === "SUCCEEDED")
        .length,
      transition: this.#transitions.at(-1)?.id ?? "",
      regions: ["lmem0", "smem"],
      swap: undefined,
      pausedAt: "",
      engines: ["bcs0"],
      image: "",
      error: undefined,
      etag: "e1",
      ...this.shows,
    };
  }

  /** What the last transition left. */
  #power(): Pick<DeviceResource, "powerState" | "sleepState" | "dState"> {
    const last = this.#transitions.at(-1);
    if (last === undefined) return { powerState: "ACTIVE", sleepState: undefined, dState: "D0" };
    const { kind, state, sleepState, dState } = last;
    if (state === "RUNNING")
      return { powerState: kind === "SUSPEND" ? "SUSPENDING" : "RESUMING", sleepState, dState: "D0" };
    if (kind === "SUSPEND") return { powerState: "SUSPENDED", sleepState, dState };
    return { powerState: "ACTIVE", sleepState: undefined, dState };
  }

  #each(objects: readonly string[], change: (object: string) => unknown): undefined {
    // All or none: that each is there is seen first.
    for (const object of objects) this.#objects.find(object);
    for (const object of objects) change(object);
    return undefined;
  }

  #transition(
    kind: "SUSPEND" | "RESUME" | "RESTORE",
    command: CommandOf<"suspend" | "resume">,
  ): TransitionResource {
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

  #findTransition(id: string): TransitionResource {
    const found = this.#transitions.find((transition) => transition.id === id);
    if (found !== undefined) return found;
    throw new DeviceError("TRANSITION_NOT_FOUND", `There is no transition ${id}.`, { transition: id });
  }
}

function engineCalled(engine: string): EngineResource {
  if (engine === ENGINE.name) return ENGINE;
  throw new DeviceError("ENGINE_NOT_FOUND", `There is no engine ${engine}.`, { engine });
}

function contextOf(context: string): ContextResource {
  if (context === CONTEXT.id) return CONTEXT;
  throw new DeviceError("CONTEXT_NOT_FOUND", `There is no context ${context}.`, { context });
}

function fenceOf(fence: string): FenceResource {
  if (fence === FENCE.id) return FENCE;
  throw new DeviceError("FENCE_NOT_FOUND", `There is no fence ${fence}.`, { fence });
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
  heldBytes: 4096,
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

const REGIONS: readonly RegionResource[] = [REGION, { ...REGION, id: "smem", kind: "SYSTEM" }];

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
  durationMinNs: 500_000_000n,
  durationMaxNs: 1_500_000_001n,
  unmeasured: ["image"],
};

export const POWER: EnergyReading = {
  profile: "virtual",
  state: "D0",
  energyFemtojoules: 2_500_000_000_000_000_001n,
  powerMicrowatts: 12_000_001n,
  stateNs: { D0: 1_500_000_000n, BOOT: 1n, D3HOT: 0n, D3COLD: 0n, OFF: 0n },
  engineNs: new Map([["bcs0", 1_500_000_000n]]),
  moved: { lmemRead: 4096n, lmemWrite: 8192n, linkOut: 1n, linkIn: 2n },
};

export const RUNTIME_PM: RuntimePmResource = {
  enabled: false,
  autosuspendDelayMs: 1500,
  d3coldThresholdBytes: 4096,
  verify: false,
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
