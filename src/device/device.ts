/**
 * One device: its parts, assembled in the order of boot, and its single entry point, `execute`.
 *
 * Boot order: banks; memory with the CPU copier; the device's own objects, placed and filled by CPU;
 * microcontroller; engines and migrate contexts. Only then does memory get the blitter.
 */
import { settledWithin } from "./clock.ts";
import {
  COMMANDS,
  type CommandOf,
  type CommandType,
  type Holdable,
  type Results,
  type SubmitWork,
} from "./command.ts";
import { Description, type DeviceFacts } from "./description.ts";
import { DeviceError } from "./errors.ts";
import type { DeviceEvent, EventSink } from "./events.ts";
import { NO_FAILPOINTS } from "./failpoints.ts";
import { formatBytes } from "./format.ts";
import { type EnergyMeter, readPower } from "./hardware/energy-meter.ts";
import { PowerRail } from "./hardware/rail.ts";
import { CPU_SLICE_BYTES } from "./limits.ts";
import { Listeners } from "./listeners.ts";
import { MACHINE_WITHOUT_END } from "./machine-memory.ts";
import { makeHardware, makeMemory } from "./make-hardware.ts";
import { batchCreate, batchDelete, batchPin, batchUnpin } from "./memory/batch.ts";
import type { ChangeSource } from "./memory/changes.ts";
import { checksumContent, readContent, writeContent } from "./memory/content.ts";
import { changeSource, describeObject, getObject, listObjects } from "./memory/describe.ts";
import { machineExhausted } from "./memory/evict.ts";
import { checkMemoryInvariants } from "./memory/invariants.ts";
import type { Memory } from "./memory/memory.ts";
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
import type { Region } from "./memory/region.ts";
import { summarizeUsage } from "./memory/usage.ts";
import { checkOptions, type DeviceOptions } from "./options.ts";
import { DEFAULT_POLICY, type PowerPolicy } from "./policy.ts";
import { CommandGate } from "./power/command-gate.ts";
import type { Pace } from "./power/estimate.ts";
import { Hibernation } from "./power/hibernation.ts";
import type { ImagedDevice } from "./power/image/capture.ts";
import { Ownership } from "./power/ownership.ts";
import { Power } from "./power/power.ts";
import { RateLog } from "./power/rate-log.ts";
import { renderTrace } from "./power/trace-json.ts";
import type { DeviceResource, FenceResource, RegionResource } from "./resource.ts";
import type { DeviceServices } from "./services.ts";
import { Gt } from "./submission/gt.ts";

export interface Device {
  readonly name: string;
  /**
   * Carries out a command of a client. COMMANDS says in which states it is legal. Errors are DeviceErrors.
   */
  execute<T extends CommandType>(command: CommandOf<T>): Promise<Results[T]>;
  /** Changes to objects, for events. It has a single consumer. */
  readonly changes: ChangeSource;
  /** Ends the engines' threads. No command may follow. */
  close(): Promise<void>;
  /** Asserts all invariants. Legal when no command is in progress. */
  checkInvariants(): void;
}

/** Makes a device and brings it to ACTIVE. @throws DeviceError if these options allow no device. */
export function bootDevice(options: DeviceOptions): Promise<Device> {
  return assembleDevice(options);
}

/** The same with all parts accessible, for tests that damage them as a fault would. */
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
  readonly rail: PowerRail;
  readonly changes: ChangeSource;
  readonly #options: DeviceOptions;
  readonly #policy: PowerPolicy;
  readonly #power: Power;
  readonly #hibernation: Hibernation;
  readonly #ownership: Ownership;
  readonly #gate: CommandGate;
  readonly #meter: EnergyMeter | undefined;
  readonly #handlers: Handlers;
  readonly #description = new Description();
  /** `smem` last. */
  readonly #regionIds: readonly string[];

  constructor(options: DeviceOptions) {
    const { clock, sha256, random, failpoints = NO_FAILPOINTS, machine = MACHINE_WITHOUT_END } = options;
    const events = new Listeners<[event: DeviceEvent]>();
    events.on(options.emit);
    const emit: EventSink = (event) => events.tell(event);
    const services: DeviceServices = { clock, emit, sha256, random, failpoints, machine };
    this.name = options.name;
    this.#options = options;
    this.services = services;
    this.#policy = options.policy ?? DEFAULT_POLICY;
    const hardware = makeHardware(options, machine);
    const { banks, microcodes } = hardware;
    this.#meter = hardware.meter;
    this.memory = makeMemory(options, hardware, services);
    this.changes = changeSource(this.memory);
    this.memory.reservations.idle.on((slot) => {
      this.memory.changes.noteChanged(slot);
      destroyWhenIdle(this.memory, slot);
    });
    this.gt = new Gt({ memory: this.memory, engines: hardware.engines, services });
    this.#gate = new CommandGate(clock);
    this.rail = new PowerRail({ banks, microcodes, clock, random });
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
        rail: this.rail,
        meter: hardware.meter,
        gate: this.#gate,
        hibernation: this.#hibernation,
        services,
        events,
        policy: this.#policy,
        snapshots: {
          store: options.snapshots,
          device: () => this.#forImage(),
          ownership: this.#ownership,
        },
        pace: this.#pace(hardware.rates),
      },
      options.runtimePm,
    );
    this.#regionIds = this.#inOrder().map((region) => region.id);
    this.#handlers = this.#makeHandlers();
  }

  /** @param rates those that virtual time charges */
  #pace(rates: Pace["rates"]): Pace {
    return {
      log: new RateLog(this.memory.system.bank),
      rates,
      limits: this.#options.rateLimits ?? {},
      blitterEngines: this.gt.units.filter(({ migrate }) => migrate !== undefined).length,
    };
  }

  async boot(): Promise<void> {
    const { resumeFrom, prefault, clock } = this.#options;
    if (prefault === true) {
      for (const { bank, id } of this.memory.regions) {
        if (!bank.promise([{ offsetBytes: 0, lengthBytes: bank.sizeBytes }]))
          throw machineExhausted(this.memory, `all ${formatBytes(bank.sizeBytes)} of region ${id}`);
        for (const _slice of bank.commit(CPU_SLICE_BYTES)) await clock.yield();
      }
    }
    if (resumeFrom !== undefined) {
      this.#power.beginSuspended(resumeFrom);
      this.#meter?.enter("OFF");
    } else {
      await this.gt.startFirmware();
      await this.gt.startEngines();
      this.#meter?.enter("D0");
      this.#power.runtime.noteIdle();
    }
    this.gt.noteBooted();
  }

  async execute<T extends CommandType>(command: CommandOf<T>): Promise<Results[T]> {
    const type: T = command.type;
    const handler = this.#handlers[type];
    // submitWork passes the gate by itself, and has left it before it waits for the work to end.
    if (COMMANDS[type].access !== "access" || type === "submitWork") return handler(command);
    const isHoldable = "hold" in command || "signal" in command || "caller" in command;
    return this.#throughGate(isHoldable ? command : {}, () => handler(command));
  }

  async #throughGate<T>({ hold, signal, caller }: Holdable, work: () => T | Promise<T>): Promise<T> {
    const unsaid = this.#policy.producers === "blocked" ? "transition" : "refuse";
    await this.#gate.enter(
      { hold: hold ?? unsaid, signal, caller },
      this.#power.transitions.running !== undefined,
    );
    try {
      return await work();
    } finally {
      this.#gate.leave();
    }
  }

  async #submitWork(command: SubmitWork): Promise<FenceResource> {
    const request = await this.#throughGate(command, () => this.gt.submit(command));
    if (command.waitMs !== undefined && command.waitMs > 0) {
      const settled = new Promise<void>((resolve) => request.fence.onSettled(resolve));
      await settledWithin(this.#options.clock, settled, command.waitMs);
    }
    return request.describe();
  }

  close(): Promise<void> {
    this.#power.runtime.close();
    this.rail.close();
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
      planSuspend: (command) => power.plan(command),
      suspend: (command) => power.suspend(command),
      resume: (command) => power.resume(command),
      takeSnapshot: (command) => power.snapshots.take(command),
      restoreSnapshot: (command) => power.snapshots.restore(command),
      getTransition: ({ transition }) => power.transitions.find(transition).describe(),
      listTransitions: (command) => power.transitions.list(command),
      cancelTransition: (command) => power.transitions.cancel(command),
      getTransitionTrace: ({ transition }) => this.#trace(transition),
      getPower: () => readPower(this.#meter),
      getRuntimePm: () => power.runtime.describe(),
      updateRuntimePm: (command) => power.runtime.update(command),
    };
  }

  /** The transition as Chrome trace events: JSON in UTF-8. @throws DeviceError TRANSITION_NOT_FOUND. */
  async #trace(id: string): Promise<Uint8Array> {
    const transition = this.#power.transitions.find(id);
    const { clock } = this.services;
    return renderTrace({
      device: this.name,
      transition: transition.describe(),
      trace: transition.trace,
      clock,
    });
  }

  #describe(): DeviceResource {
    return this.#description.of(this.#facts(), () => this.#etag());
  }

  #facts(): DeviceFacts {
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
      transition: power.transitions.lastId,
      regions: this.#regionIds,
      swap: swap && { sizeBytes: swap.sizeBytes, usedBytes: swap.usedBytes },
      engines: this.#options.engines,
      image: this.#hibernation.image,
      error: power.error,
      pausedAt: this.services.failpoints.pausedAt(),
    };
  }

  /** A new value whenever the rest of the description changes. */
  #etag(): string {
    const { stateSinceNs, dState, suspendCount, transitions } = this.#power;
    const { uid, generation } = this.#ownership.state;
    const power = [
      stateSinceNs.toString(16),
      dState,
      this.gt.wedged ? 1 : 0,
      suspendCount,
      transitions.lastId,
    ];
    const owned = [this.#hibernation.image, uid, generation, this.#hibernation.describeOwnership().state];
    const { failpoints } = this.services;
    const parts = [...power, ...owned, this.#power.error?.reason ?? "", failpoints.pausedAt()];
    return `"${parts.join("-")}"`;
  }

  /** The device in the form that hibernation images need. */
  #forImage(): ImagedDevice {
    return {
      name: this.name,
      model: this.#options.model ?? MODEL,
      memory: this.memory,
      services: this.services,
      gt: this.gt,
      suspendCount: this.#power.suspendCount,
      nextTransitionId: this.#power.transitions.nextId,
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
