/**
 * Writes the event log. It records the events of devices in their order, and before each one the changes to
 * objects up to then. It reads objects, contexts and devices at the time of writing, so an event is never
 * newer than the resource in it. It works in the background, one slice at a time.
 */

import { Device } from "../../contract/gen/torpor/v1/gpu.ts";
import type { Clock, Timer } from "../../device/clock.ts";
import type { DeviceEvent } from "../../device/events.ts";
import { type ChangeSource, type ContextResource, DeviceError } from "../../device/mod.ts";
import type { DeviceHandle } from "../api/devices.ts";
import { EVENT_GATHER_MS, EVENT_OBJECTS_MAX } from "../limits.ts";
import { toInt64 } from "../messages/convert.ts";
import { encodeDevice, encodeObject } from "../messages/encode.ts";
import { encodeContext } from "../messages/encode-engine.ts";
import { encodePhase, encodeTransition } from "../messages/encode-transition.ts";
import { childName, failpointName, imageName, snapshotName } from "../messages/resource-names.ts";
import type { EventLog } from "./event-log.ts";
import { CAUSES, eventGroups, makeEvent, type Payload } from "./event-message.ts";

/** A device that reports changes to its objects. */
export interface WatchedDevice extends DeviceHandle {
  readonly changes: ChangeSource;
}

/** Events from a device, and failpoints that fired in it. */
export type Happening = DeviceEvent | { readonly type: "failpointHit"; readonly failpoint: string };

export interface RecorderOptions {
  readonly clock: Clock;
  readonly log: EventLog;
  /** Called after something was written to the log, or after the log was broken off. */
  readonly onWritten: () => void;
  /** Most events that may wait to be written. */
  readonly pendingMax: number;
}

interface Source {
  readonly device: WatchedDevice;
  /** The last state that was written. */
  told: Uint8Array;
}

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #sources = new Map<string, Source>();
  /** Devices whose changes have been collected for long enough. */
  readonly #due = new Set<Source>();
  readonly #timers = new Map<Source, Timer>();
  #happenings: { readonly source: Source; readonly happening: Happening }[] = [];
  /** A new number for each stop. Work that began before a stop writes nothing. */
  #era = 0;
  #isOn = false;
  #isWriting = false;
  /** Objects and events written since other work last had its turn. */
  #written = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Legal before the start. */
  add(device: WatchedDevice): void {
    this.#sources.set(device.name, { device, told: new Uint8Array(0) });
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  start(): void {
    this.#isOn = true;
    for (const source of this.#sources.values()) {
      source.told = new Uint8Array(0);
      source.device.changes.open(() => this.#gather(source));
    }
  }

  /** Writes nothing more. */
  stop(): void {
    this.#isOn = false;
    this.#era++;
    this.#happenings = [];
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#due.clear();
    for (const { device } of this.#sources.values()) device.changes.close();
  }

  /** The event sink of a device. */
  tell(device: string, happening: Happening): void {
    const source = this.#sources.get(device);
    if (!this.#isOn || source === undefined || !IS_TOLD[happening.type]) return;
    if (this.#happenings.length >= this.#options.pendingMax) this.#lose();
    this.#happenings.push({ source, happening });
    this.#wake();
  }

  #gather(source: Source): void {
    const timer = this.#options.clock.startTimer(EVENT_GATHER_MS, () => {
      this.#timers.delete(source);
      this.#due.add(source);
      this.#wake();
    });
    this.#timers.get(source)?.cancel();
    this.#timers.set(source, timer);
  }

  #wake(): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    void this.#writeAll().finally(() => {
      this.#isWriting = false;
      if (this.#happenings.length > 0 || this.#due.size > 0) this.#wake();
    });
  }

  async #writeAll(): Promise<void> {
    const era = this.#era;
    const happenings = this.#happenings;
    this.#happenings = [];
    const due = [...this.#due];
    this.#due.clear();
    for (const { source, happening } of happenings) {
      await this.#writeObjects(source, era);
      await this.#writeHappening(source, happening, era);
    }
    for (const source of due) await this.#writeObjects(source, era);
  }

  /** Writes the changes collected so far. Later ones wait for the next time. */
  async #writeObjects(source: Source, era: number): Promise<void> {
    const { changes, name } = source.device;
    for (let left = changes.pendingCount; left > 0 && era === this.#era; left -= EVENT_OBJECTS_MAX) {
      const { created, changed, deleted, lost } = changes.take(Math.min(left, EVENT_OBJECTS_MAX));
      if (lost) this.#lose();
      // Creations come last: whoever sees a new object has already seen every earlier change.
      for (const group of eventGroups(changed)) {
        const objects = group.map((object) => encodeObject(name, object));
        this.#write(name, { $case: "objectsChanged", value: { objects } });
      }
      const names = deleted.map((id) => childName(name, "objects", id));
      if (names.length > 0) this.#write(name, { $case: "objectsDeleted", value: { names } });
      for (const group of eventGroups(created)) {
        const objects = group.map((object) => encodeObject(name, object));
        this.#write(name, { $case: "objectsCreated", value: { objects } });
      }
      await this.#rest(created.length + changed.length + deleted.length);
    }
    // A device reports only its first pending change, so nobody announced the later ones.
    if (era === this.#era && changes.pendingCount > 0 && !this.#timers.has(source)) this.#gather(source);
  }

  async #writeHappening(source: Source, happening: Happening, era: number): Promise<void> {
    const { device } = source;
    const payload = await payloadOf(device, happening);
    if (era !== this.#era) return;
    if (payload !== undefined) this.#write(device.name, payload);
    if (CHANGES_DEVICE.has(happening.type)) await this.#writeDevice(source, era);
    await this.#rest(1);
  }

  async #writeDevice(source: Source, era: number): Promise<void> {
    const { device } = source;
    const value = encodeDevice(await device.execute({ type: "getDevice" }));
    const told = Device.encode(value).finish();
    if (era !== this.#era || Buffer.compare(told, source.told) === 0) return;
    source.told = told;
    this.#write(device.name, { $case: "deviceChanged", value: { device: value } });
  }

  #write(device: string, payload: Payload): void {
    const { clock, log, onWritten } = this.#options;
    log.append((sequence) => makeEvent({ sequence, wallNs: clock.wallNs() }, device, payload));
    onWritten();
  }

  /** Too much is waiting. Watchers must start again from the present state. */
  #lose(): void {
    this.#happenings = [];
    this.#options.log.breakOff();
    this.#options.onWritten();
  }

  async #rest(written: number): Promise<void> {
    this.#written += written;
    if (this.#written < EVENT_OBJECTS_MAX) return;
    this.#written = 0;
    await this.#options.clock.yield();
  }
}

/** Events for the log. The others are for metrics and the service log, or the changed objects report them. */
const IS_TOLD: Readonly<Record<Happening["type"], boolean>> = {
  powerState: true,
  wedged: true,
  transitionStarted: true,
  phaseEnded: true,
  transitionEnded: true,
  contextCreated: true,
  contextChanged: true,
  contextDeleted: true,
  engineReset: true,
  evicted: true,
  failpointHit: true,
  deviceRestored: true,
  snapshotTaken: false,
  imageSealed: true,
  imageConsumed: true,
  imageClaimed: false,
  imageGivenBack: false,
  ownershipInDoubt: false,
  allocated: false,
  allocationFailed: false,
  backedUp: false,
  blitterFallback: false,
  contentLost: false,
  jobEnded: false,
  phaseForgiven: false,
  purged: false,
  recovered: false,
  restored: false,
  skippedVolatile: false,
  swapFailed: false,
  swappedIn: false,
  swappedOut: false,
  verifyFailed: false,
};

/** Events after which the device is written too, unless it is unchanged since it was last written. */
const CHANGES_DEVICE: ReadonlySet<Happening["type"]> = new Set([
  "powerState",
  "wedged",
  "imageSealed",
  "imageConsumed",
]);

/** The payload of an event; undefined if the device alone says it all, or if its subject no longer exists. */
async function payloadOf(device: DeviceHandle, happening: Happening): Promise<Payload | undefined> {
  const { name } = device;
  switch (happening.type) {
    case "transitionStarted":
    case "transitionEnded":
      return { $case: happening.type, value: { transition: encodeTransition(name, happening.transition) } };
    case "phaseEnded": {
      const transition = childName(name, "transitions", happening.transition.id);
      return { $case: "phaseEnded", value: { transition, phase: encodePhase(happening.phase) } };
    }
    case "contextCreated":
    case "contextChanged": {
      const context = await findContext(device, happening.context);
      if (context === undefined) return undefined;
      return { $case: happening.type, value: { context: encodeContext(name, context) } };
    }
    case "contextDeleted":
      return { $case: "contextDeleted", value: { name: childName(name, "contexts", happening.context) } };
    case "engineReset": {
      const { engine, why, context } = happening;
      return {
        $case: "engineReset",
        value: {
          engine: childName(name, "engines", engine),
          why,
          context: context === "" ? "" : childName(name, "contexts", context),
        },
      };
    }
    case "evicted": {
      const { cause, path, objects, bytes } = happening;
      return { $case: "evicted", value: { cause: CAUSES[cause], path, objects, bytes: toInt64(bytes) } };
    }
    case "failpointHit":
      return { $case: "failpointHit", value: { failpoint: failpointName(happening.failpoint) } };
    case "deviceRestored": {
      const resource = encodeDevice(await device.execute({ type: "getDevice" }));
      const snapshot = snapshotName(happening.snapshot);
      return { $case: "deviceRestored", value: { snapshot, device: resource } };
    }
    case "imageSealed":
    case "imageConsumed":
      return { $case: happening.type, value: { image: imageName(happening.image) } };
    default:
      return undefined;
  }
}

async function findContext(device: DeviceHandle, context: string): Promise<ContextResource | undefined> {
  try {
    return await device.execute({ type: "getContext", context });
  } catch (error) {
    if (error instanceof DeviceError && error.reason === "CONTEXT_NOT_FOUND") return undefined;
    throw error;
  }
}
