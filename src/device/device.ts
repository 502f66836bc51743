/**
 * One device: its parts put together in the order of boot, and the one way in, `execute`.
 *
 * Boot: banks; memory with the CPU copier; the device's own objects placed and filled by CPU;
 * microcontroller; engines and migrate contexts; only then is the blitter handed to memory.
 */
import assert from "node:assert/strict";
import { settledWithin } from "./clock.ts";
import {
  COMMANDS,
  type CommandOf,
  type CommandType,
  type Hold,
  type Results,
  type SubmitWork,
} from "./command.ts";
import { DeviceError } from "./errors.ts";
import type { DeviceEvent, EventSink } from "./events.ts";
import { NO_FAILPOINTS } from "./failpoints.ts";
import { MemoryBank, WASM_PAGE_BYTES } from "./hardware/bank.ts";
import { ControlMemory } from "./hardware/control.ts";
import type { Engine } from "./hardware/engine.ts";
import { InProcessEngine } from "./hardware/in-process-engine.ts";
import { MicrocodeSet } from "./hardware/microcode-set.ts";
import { PowerRail } from "./hardware/rail.ts";
import { DEFAULT_RATES, type Rates } from "./hardware/rates.ts";
import { ThreadedEngine } from "./hardware/threaded-engine.ts";
import { CPU_SLICE_BYTES, PAGE_BYTES } from "./limits.ts";
import { Listeners } from "./listeners.ts";
import { batchCreate, batchDelete, batchPin, batchUnpin } from "./memory/batch.ts";
import type { ChangeSource } from "./memory/changes.ts";
import { checksumContent, readContent, writeContent } from "./memory/content.ts";
import { CpuCopier } from "./memory/cpu-copier.ts";
import { changeSource, describeObject, getObject, listObjects } from "./memory/describe.ts";
import { checkMemoryInvariants } from "./memory/invariants.ts";
import { Memory } from "./memory/memory.ts";
import { ObjectTable } from "./memory/object-table.ts";
import {
  adviseObject,
  createObject,
  deleteObject,
  destroyWhenIdle,
  evictRegion,
  moveObject,
  pinObject,
  unpinObject,
} from "./memory/objects.ts";
import { Region } from "./memory/region.ts";
import { Swap } from "./memory/swap.ts";
import { summarizeUsage } from "./memory/usage.ts";
import { checkOptions, type DeviceOptions } from "./options.ts";
import { DEFAULT_POLICY, type PowerPolicy } from "./policy.ts";
import { CommandGate } from "./power/command-gate.ts";
import { Hibernation } from "./power/hibernation.ts";
import type { ImagedDevice } from "./power/image/capture.ts";
import { Ownership } from "./power/ownership.ts";
import { Power } from "./power/power.ts";
import type { DeviceResource, FenceResource, RegionResource } from "./resource.ts";
import type { DeviceServices } from "./services.ts";
import { MIN_PAGE_BYTES_DEFAULT } from "./sizes.ts";
import { Gt } from "./submission/gt.ts";

export interface Device {
  readonly name: string;
  /** Does what a client asks. Legality by state is in COMMANDS; errors are DeviceErrors. */
  execute<T extends CommandType>(command: CommandOf<T>): Promise<Results[T]>;
  /** What becomes of objects, for events: for one taker. */
  readonly changes: ChangeSource;
  /** Ends the engines' threads. No command may follow. */
  close(): Promise<void>;
  /** Asserts what must always be true. Legal when no command is in progress. */
  checkInvariants(): void;
}

/** Makes a device and brings it to ACTIVE. @throws DeviceError when it cannot be made of these options. */
export function bootDevice(options: DeviceOptions): Promise<Device> {
  return assembleDevice(options);
}

/** The same, with the parts in sight: for tests that reach under the covers as a fault would. */
export async function assembleDevice(options: DeviceOptions): Promise<AssembledDevice> {
  checkOptions(options);
  const device = new AssembledDevice(options);
  await device.boot();
  return device;
}

const MODEL = "Torpor virtual GPU";

type Handlers = { readonly [T in CommandType]: (command: CommandOf<T>) => Results[T] | Promise<Results[T]> };

export class AssembledDevice implements Device {
  readonly name: string;
  readonly services: DeviceServices;
  readonly memory: Memory;
  readonly gt: Gt;
  readonly changes: ChangeSource;
  readonly #options: DeviceOptions;
  readonly #policy: PowerPolicy;
  readonly #power: Power;
  readonly #hibernation: Hibernation;
  readonly #ownership: Ownership;
  readonly #gate: CommandGate;
  readonly #handlers: Handlers;

  constructor(options: DeviceOptions) {
    const { clock, sha256, random, failpoints = NO_FAILPOINTS } = options;
    const events = new Listeners<[event: DeviceEvent]>();
    events.on(options.emit);
    const emit: EventSink = (event) => events.tell(event);
    const services: DeviceServices = { clock, emit, sha256, random, failpoints };
    this.name = options.name;
    this.#options = options;
    this.services = services;
    this.#policy = options.policy ?? DEFAULT_POLICY;
    const hardware = makeHardware(options);
    const { banks, control, microcodes, rates } = hardware;
    const bytesPerSecondMax = options.rateLimits?.memcpy;
    const table = new ObjectTable();
    this.memory = new Memory({
      table,
      regions: banks.map((bank) => makeRegion(options, bank, table)),
      cpuCopier: new CpuCopier({ control, microcodes, clock, rates, bytesPerSecondMax }),
      microcodes,
      services,
      swap: options.swap === undefined ? undefined : new Swap(options.swap, clock),
      commitsAhead: rates === undefined,
      deviceUid: options.uid,
      changesPendingMax: options.changesPendingMax,
    });
    this.changes = changeSource(this.memory);
    this.memory.reservations.idle.on((slot) => {
      this.memory.changes.noteChanged(slot);
      destroyWhenIdle(this.memory, slot);
    });
    this.gt = new Gt({ memory: this.memory, engines: hardware.engines, services });
    this.#gate = new CommandGate(clock);
    const rail = new PowerRail({ banks, microcodes, clock, random });
    this.#ownership = new Ownership(options, this.memory, services);
    this.#hibernation = new Hibernation({
      device: () => this.#forImage(),
      memory: this.memory,
      services,
      ownership: this.#ownership,
      store: options.images,
      codec: options.frameCodec,
      compresses: options.compressImages === true,
      onAdopted: (device, checksums) => this.#power.adopt(device, checksums),
    });
    this.#power = new Power(
      {
        memory: this.memory,
        gt: this.gt,
        rail,
        gate: this.#gate,
        hibernation: this.#hibernation,
        services,
        events,
        policy: this.#policy,
        rates: options.rates ?? DEFAULT_RATES,
      },
      options.runtimePm,
    );
    this.#handlers = this.#makeHandlers();
  }

  async boot(): Promise<void> {
    const { resumeFrom, prefault, clock } = this.#options;
    if (prefault === true) {
      for (const { bank } of this.memory.regions) {
        for (const _slice of bank.commit(CPU_SLICE_BYTES)) await clock.yield();
      }
    }
    if (resumeFrom !== undefined) {
      this.#power.beginSuspended(resumeFrom);
      return;
    }
    await this.gt.startFirmware();
    await this.gt.startEngines();
    this.#power.runtime.noteIdle();
  }

  async execute<T extends CommandType>(command: CommandOf<T>): Promise<Results[T]> {
    const type: T = command.type;
    const handler = this.#handlers[type];
    // submitWork goes through the gate by itself, and is out again before it waits for the work to end.
    if (COMMANDS[type].access !== "access" || type === "submitWork") return handler(command);
    const hold = "hold" in command ? command.hold : undefined;
    const signal = "signal" in command ? command.signal : undefined;
    return this.#throughGate(hold, signal, () => handler(command));
  }

  async #throughGate<T>(
    hold: Hold | undefined,
    signal: AbortSignal | undefined,
    work: () => T | Promise<T>,
  ): Promise<T> {
    const unsaid = this.#policy.producers === "blocked" ? "transition" : "refuse";
    await this.#gate.enter(hold ?? unsaid, this.#power.transitionRunning, signal);
    try {
      return await work();
    } finally {
      this.#gate.leave();
    }
  }

  async #submitWork(command: SubmitWork): Promise<FenceResource> {
    const { hold, signal } = command;
    const request = await this.#throughGate(hold, signal, () => this.gt.submit(command));
    if (command.waitMs !== undefined && command.waitMs > 0) {
      const settled = new Promise<void>((resolve) => request.fence.onSettled(resolve));
      await settledWithin(this.#options.clock, settled, command.waitMs);
    }
    return request.describe();
  }

  close(): Promise<void> {
    this.#power.runtime.close();
    return this.gt.close();
  }

  checkInvariants(): void {
    checkMemoryInvariants(this.memory);
  }

  #makeHandlers(): Handlers {
    const memory = this.memory;
    const power = this.#power;
    const { gt } = this;
    return {
      getDevice: () => this.#describe(),
      listRegions: () => this.#regions(),
      getRegion: ({ region }) => this.#region(region),
      evictRegion: ({ region, bytes }) => evictRegion(memory, region, bytes),
      createObject: (command) => describeObject(memory, createObject(memory, command)),
      getObject: ({ object }) => getObject(memory, object),
      listObjects: (command) => listObjects(memory, command),
      deleteObject: async (command) => void (await deleteObject(memory, command)),
      pinObject: (command) => pinObject(memory, command),
      unpinObject: (command) => unpinObject(memory, command),
      moveObject: (command) => moveObject(memory, command),
      adviseObject: async (command) => ({ retained: await adviseObject(memory, command) }),
      batchCreateObjects: async ({ template, count }) => ({
        objects: await batchCreate(memory, { type: "createObject", ...template }, count),
      }),
      batchPinObjects: async ({ objects, region }) => void (await batchPin(memory, objects, region)),
      batchUnpinObjects: async ({ objects }) => void (await batchUnpin(memory, objects)),
      batchDeleteObjects: async ({ objects }) => void (await batchDelete(memory, objects)),
      getUsage: () => summarizeUsage(memory),
      listEngines: () => gt.units.map((unit) => unit.describe(gt.powered)),
      getEngine: ({ engine }) => gt.unit(engine).describe(gt.powered),
      resetEngine: async ({ engine }) => {
        await gt.resetEngine(gt.unit(engine), "a client asked for it", true);
        return gt.unit(engine).describe(gt.powered);
      },
      createContext: ({ engine, priority }) => gt.createContext(engine, priority).describe(),
      getContext: ({ context }) => gt.contexts.get(context).describe(),
      listContexts: (command) => gt.contexts.list(command),
      deleteContext: ({ context }) => void gt.contexts.delete(context),
      submitWork: (command) => this.#submitWork(command),
      getFence: ({ fence }) => gt.scheduler.fences.get(fence).describe(),
      waitFence: ({ fence, timeoutMs, signal }) => gt.scheduler.fences.wait(fence, timeoutMs, signal),
      resetDevice: async ({ scope }) => {
        await (scope === "GT" ? power.resetGt() : power.resetFactory());
        return this.#describe();
      },
      checksumObject: ({ object }) => checksumContent(memory, object),
      readObject: (command) => readContent(memory, command),
      writeObject: async (command) => ({
        bytesWritten: await writeContent(memory, command),
      }),
      planSuspend: () => power.plan(),
      suspend: (command) => power.suspend(command),
      resume: (command) => power.resume(command),
      getTransition: ({ transition }) => power.get(transition),
      listTransitions: (command) => power.list(command),
      cancelTransition: (command) => power.cancel(command),
      getTransitionTrace: ({ transition }) => power.trace(transition, this.name),
      getRuntimePm: () => power.runtime.describe(),
      updateRuntimePm: (command) => power.runtime.update(command),
    };
  }

  #describe(): DeviceResource {
    const power = this.#power;
    const { swap } = this.memory;
    return {
      name: this.name,
      ...this.#ownership.state,
      resumedFrom: this.#ownership.resumedFrom,
      ownership: this.#hibernation.describeOwnership(),
      model: this.#options.model ?? MODEL,
      powerState: power.state,
      sleepState: power.sleepState,
      dState: power.dState,
      stateSinceNs: power.stateSinceNs,
      wedged: this.gt.wedged,
      suspendCount: power.suspendCount,
      transition: power.transitionId,
      regions: this.#inOrder().map((region) => region.id),
      swap: swap && { sizeBytes: swap.sizeBytes, usedBytes: swap.usedBytes },
      engines: this.#options.engines,
      image: this.#hibernation.image,
      etag: this.#etag(),
    };
  }

  /** Another one whenever anything of the description is. */
  #etag(): string {
    const { stateSinceNs, dState, suspendCount, transitionId } = this.#power;
    const { uid, generation } = this.#ownership.state;
    const power = [stateSinceNs.toString(16), dState, this.gt.wedged ? 1 : 0, suspendCount, transitionId];
    const owned = [this.#hibernation.image, uid, generation, this.#hibernation.describeOwnership().state];
    const parts = [...power, ...owned];
    return `"${parts.join("-")}"`;
  }

  /** The device as hibernation images are made of it and restored to it. */
  #forImage(): ImagedDevice {
    return {
      name: this.name,
      model: this.#options.model ?? MODEL,
      memory: this.memory,
      services: this.services,
      gt: this.gt,
      suspendCount: this.#power.suspendCount,
      nextTransitionId: this.#power.nextTransitionId,
    };
  }

  #regions(): readonly RegionResource[] {
    return this.#inOrder().map((region) => region.describe());
  }

  /** Local regions first, `smem` last. */
  #inOrder(): readonly Region[] {
    const [system, ...local] = this.memory.regions;
    return [...local, system];
  }

  #region(id: string): RegionResource {
    const region = this.memory.findRegion(id);
    if (region !== undefined) return region.describe();
    throw new DeviceError("REGION_NOT_FOUND", `Region ${id} does not exist.`, { region: id });
  }
}

interface Hardware {
  /** System memory first, then local memory, then what is stolen. */
  readonly banks: readonly MemoryBank[];
  readonly control: ControlMemory;
  readonly microcodes: MicrocodeSet;
  /** What copying costs; undefined where it takes the time that it takes. */
  readonly rates: Rates | undefined;
  readonly engines: readonly Engine[];
}

function makeHardware(options: DeviceOptions): Hardware {
  const { clock, clockModule } = options;
  const stolen = options.stolenBytes ?? 0;
  const local = options.lmem.map((region) => region.sizeBytes);
  const sizes = [options.smem.sizeBytes, ...local, ...(stolen > 0 ? [stolen] : [])];
  const banks = sizes.map((sizeBytes, index) => new MemoryBank(index, sizeBytes));
  const bankMemories = banks.map((bank) => bank.memory);
  const control = new ControlMemory({ engineCount: options.engines.length });
  const microcodes = new MicrocodeSet(bankMemories, control.memory);
  const rates = options.engineForm === "in-process" ? (options.rates ?? DEFAULT_RATES) : undefined;
  const engines = options.engines.map((name, index): Engine => {
    const common = { name, index, banks: bankMemories, control, clock };
    if (rates !== undefined) return new InProcessEngine({ ...common, rates });
    assert(clockModule !== undefined, "checkOptions has seen to the clock of engine threads");
    const bytesPerSecondMax = options.rateLimits?.blitter;
    return new ThreadedEngine({ ...common, clockModule, bytesPerSecondMax });
  });
  return { banks, control, microcodes, rates, engines };
}

function makeRegion(options: DeviceOptions, bank: MemoryBank, table: ObjectTable): Region {
  const { index } = bank;
  const whole = { index, bank, table, visibleBytes: bank.sizeBytes, reserved: [] };
  if (index === 0) return new Region({ ...whole, id: "smem", kind: "SYSTEM", minPageBytes: PAGE_BYTES });
  if (index > options.lmem.length) {
    return new Region({ ...whole, id: "stolen", kind: "STOLEN", minPageBytes: WASM_PAGE_BYTES });
  }
  const spec = options.lmem[index - 1];
  return new Region({
    ...whole,
    id: `lmem${index - 1}`,
    kind: "LOCAL",
    minPageBytes: spec.minPageBytes ?? MIN_PAGE_BYTES_DEFAULT,
    visibleBytes: spec.visibleBytes ?? bank.sizeBytes,
    reserved: spec.reserved ?? [],
  });
}
