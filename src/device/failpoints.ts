/**
 * Failpoints: named places where a test or an operator injects a fault (as in etcd's gofail). They are armed
 * by name, for one device or all, and cost nothing while none is armed.
 */
import assert from "node:assert/strict";
import type { Clock } from "./clock.ts";
import { DeviceError, type ErrorReason } from "./errors.ts";
import { FAILPOINT_DELAY_MAX_MS, FAILPOINT_HANG_MS, FAILPOINT_PAUSE_MS } from "./limits.ts";

/** Every failpoint with its meaning. A test compares `docs/failpoints.md` with this list. */
export const FAILPOINTS = {
  "evict.before": "before step 1 of a suspend",
  "evict.object": "before each object that step 1 evicts",
  "evict.after": "after step 1",
  "idle.timeout": "ERROR: the idle wait counts as expired, whatever the engines do",
  "evictPinned.before": "before step 2",
  "evictPinned.object": "before each object that step 2 evicts or backs up",
  "backup.allocate": "before system memory is taken for each backup",
  "migrate.pageTable":
    "ERROR: garbage is written over the page table of the blitter before a blit; it stays there " +
    "until a reset",
  "blitter.hang": "ERROR: the copy engine hangs in the middle of a blit",
  "copy.blit": "ERROR: the fence of a blit fails although the blitter works",
  "copy.short": "ERROR: half of the last piece of a blit is not written, and its fence signals all the same",
  "copy.corrupt":
    "ERROR: one bit of the first piece of a blit is flipped, and its fence signals all the same",
  "memcpy.object": "before each object that step 3 backs up",
  "firmware.stop": "before the microcontroller is stopped",
  "image.write": "before each write to a hibernation image",
  "image.short": "ERROR: a write to a hibernation image loses its second half and says nothing",
  "image.fsync": "before a hibernation image is made durable",
  "image.seal": "before the rename that seals a hibernation image",
  "image.seal.answer": "after that rename, before its answer: ERROR loses the answer",
  "image.sealed": "after that answer; the image is there, and the suspend can still fail",
  "image.abandon.answer":
    "after a hibernation image that is not wanted was given up, before the answer: ERROR loses the answer",
  "powerOff.before":
    "before the engines are halted and the power is cut; the last point at which a suspend can fail",
  "powerOff.after": "after the power was cut; cannot fail, only be delayed or crash",
  "image.claim": "before the rename that claims a hibernation image",
  "image.claim.answer": "after that rename, before its answer: ERROR loses the answer",
  "image.giveBack.answer": "after the rename that ends a claim, before its answer: ERROR loses the answer",
  "image.read": "before each object is read from a hibernation image",
  "powerOn.before": "before the power is applied; ERROR leaves the device SUSPENDED",
  "link.down":
    "ERROR: the card is off the bus when it is powered, its firmware is loaded or an engine is started; it " +
    "stays lost until a FACTORY reset finds this disarmed",
  "restoreEarly.object": "before each object that is restored by CPU",
  "restore.populate": "before the pages of each backup are made ready for its restore",
  "backup.free":
    "before each backup is freed that was restored or dropped; cannot fail, only be delayed or crash",
  "firmware.load": "ERROR: the firmware image does not load, whoever starts it: a resume, recover or a reset",
  "engine.start": "ERROR: the engines do not start, whoever starts them: a resume, recover or a reset",
  "restoreLate.object": "before each object that is restored after the GT runs",
  "verify.mismatch": "ERROR: the first object that is compared counts as changed",
  "image.consume": "before the rename that consumes a hibernation image",
  "image.commit.answer": "after that rename, before its answer: ERROR loses the answer",
  "image.own.answer":
    "after the data directory remembers that a device begins anew, before its answer: ERROR loses the answer",
  "image.consumed": "after that answer; cannot fail, only be delayed or crash",
  "recover.object": "before each backup that recover drops",
  "snapshotTake.object": "before each object that goes into a snapshot",
  "snapshotRestore.object":
    "before the bytes of each object are brought back from a snapshot; ERROR leaves the device as new",
  "swap.write": "before an object is written to swap",
  "swap.read": "before an object is read from swap",
  "ecc.error":
    "ERROR: a memory error that cannot be corrected is found when a client reads an object in local " +
    "memory, whose content is lost by it",
  "watch.slowConsumer": "ERROR: a watcher counts as too slow before it gets the next event",
} as const satisfies Record<string, string>;

export type FailpointName = keyof typeof FAILPOINTS;

/**
 * ERROR fails with `reason`. DELAY waits `delayMs`. HANG fails with `reason` after FAILPOINT_HANG_MS. PAUSE
 * lets somebody look around, shows where it stands, and goes on after FAILPOINT_PAUSE_MS at the latest.
 * Every wait ends at once when it is disarmed or armed anew, or the transition that waits is cancelled. CRASH
 * ends the process.
 */
export type FailpointAction = "ERROR" | "DELAY" | "HANG" | "CRASH" | "PAUSE";

export interface FailpointArming {
  readonly action: FailpointAction;
  /** Only on this device; empty for all. */
  readonly device: string;
  readonly reason: ErrorReason;
  readonly delayMs: number;
  /** The probability that a pass fires, drawn from the seed: more than 0, at most 1. */
  readonly probability: number;
  /** How many passes fire before it stops; 0 for no limit. */
  readonly count: number;
  /** How many passes it lets through first. */
  readonly after: number;
  readonly seed: number;
}

export interface FailpointView {
  readonly name: FailpointName;
  readonly description: string;
  /** Undefined while it is disarmed. */
  readonly arming: FailpointArming | undefined;
  /** How often it fired since the last reset. */
  readonly hits: number;
  /** How often it can still fire; undefined without a limit, and while disarmed. 0: it is spent. */
  readonly left: number | undefined;
}

export interface FailpointsOptions {
  readonly clock: Clock;
  /** Ends the process like a power cut: nothing is flushed. */
  readonly crash: () => never;
  /** Called each time one fires, with the device on which it fired. */
  readonly onHit?: (name: FailpointName, device: string) => void;
}

interface Armed {
  readonly name: FailpointName;
  readonly arming: FailpointArming;
  passes: number;
  fired: number;
  random: number;
  readonly waiting: Set<Waiting>;
}

/** Somebody who waits at a failpoint. */
interface Waiting {
  readonly device: string;
  readonly paused: boolean;
  end(): void;
}

/** Failpoints where a failure could not be undone. They accept only delays and crashes. */
const CANNOT_FAIL: readonly FailpointName[] = ["powerOff.after", "backup.free", "image.consumed"];
/** Failpoints that change a result instead of stopping the work. They accept only ERROR. */
const ERROR_ONLY: readonly FailpointName[] = [
  "idle.timeout",
  "migrate.pageTable",
  "blitter.hang",
  "copy.blit",
  "copy.short",
  "copy.corrupt",
  "image.short",
  "link.down",
  "firmware.load",
  "verify.mismatch",
  "ecc.error",
  "watch.slowConsumer",
];

export class Failpoints {
  readonly #options: FailpointsOptions;
  readonly #armed = new Map<FailpointName, Armed>();
  readonly #hits = new Map<FailpointName, number>();
  /** Who waits at a PAUSE, first comers first. */
  readonly #paused = new Map<Waiting, FailpointName>();

  constructor(options: FailpointsOptions) {
    this.#options = options;
  }

  list(): FailpointView[] {
    return failpointNames().map((name) => this.get(name));
  }

  get(name: FailpointName): FailpointView {
    const armed = this.#armed.get(name);
    const count = armed?.arming.count ?? 0;
    return {
      name,
      description: FAILPOINTS[name],
      arming: armed?.arming,
      left: armed === undefined || count === 0 ? undefined : count - armed.fired,
      hits: this.#hits.get(name) ?? 0,
    };
  }

  /** Arms a failpoint anew. @throws DeviceError INVALID_REQUEST for invalid values. */
  arm(name: FailpointName, arming: FailpointArming): FailpointView {
    checkArming(name, arming);
    this.disarm(name);
    this.#armed.set(name, {
      name,
      arming,
      passes: 0,
      fired: 0,
      random: arming.seed >>> 0,
      waiting: new Set(),
    });
    return this.get(name);
  }

  /** Disarms a failpoint and releases whatever waits at it. */
  disarm(name: FailpointName): void {
    const armed = this.#armed.get(name);
    this.#armed.delete(name);
    for (const waiting of [...(armed?.waiting ?? [])]) waiting.end();
  }

  /** Disarms all failpoints and forgets their hits. */
  reset(): void {
    for (const name of [...this.#armed.keys()]) this.disarm(name);
    this.#hits.clear();
  }

  /** The failpoints from the point of view of one device. */
  forDevice(device: string): DeviceFailpoints {
    const armed = this.#armed;
    return {
      get idle() {
        return armed.size === 0;
      },
      pass: (name) => (armed.size === 0 ? NOTHING : this.#pass(device, name)),
      fires: (name) => armed.size > 0 && this.#fire(device, name) !== undefined,
      pausedAt: () => (this.#paused.size === 0 ? "" : this.#pausedAt(device)),
      letGo: () => {
        for (const { waiting } of armed.values()) {
          for (const each of [...waiting]) if (each.device === device) each.end();
        }
      },
    };
  }

  #pausedAt(device: string): FailpointName | "" {
    for (const [each, name] of this.#paused) if (each.device === device) return name;
    return "";
  }

  async #pass(device: string, name: FailpointName): Promise<void> {
    const armed = this.#fire(device, name);
    if (armed === undefined) return;
    const { action, reason, delayMs } = armed.arming;
    switch (action) {
      case "ERROR":
        throw failed(name, reason);
      case "DELAY":
        await this.#wait(device, armed, delayMs);
        return;
      case "PAUSE":
        await this.#wait(device, armed, FAILPOINT_PAUSE_MS);
        return;
      case "HANG":
        if (await this.#wait(device, armed, FAILPOINT_HANG_MS)) throw failed(name, reason);
        return;
      case "CRASH":
        return this.#options.crash();
      default:
        action satisfies never;
    }
  }

  /** Waits at a failpoint, and returns whether that lasted to its end. */
  #wait(device: string, { name, arming, waiting }: Armed, delayMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (lasted: boolean): void => {
        timer.cancel();
        waiting.delete(each);
        if (each.paused) this.#paused.delete(each);
        resolve(lasted);
      };
      const each = { device, paused: arming.action === "PAUSE", end: () => end(false) };
      const timer = this.#options.clock.startTimer(delayMs, () => end(true));
      waiting.add(each);
      if (each.paused) this.#paused.set(each, name);
    });
  }

  /** Counts a pass, and returns whether it fires. */
  #fire(device: string, name: FailpointName): Armed | undefined {
    const armed = this.#armed.get(name);
    if (armed === undefined) return undefined;
    const { arming } = armed;
    if (arming.device !== "" && arming.device !== device) return undefined;
    armed.passes++;
    if (armed.passes <= arming.after) return undefined;
    if (arming.count > 0 && armed.fired >= arming.count) return undefined;
    armed.random = (Math.imul(armed.random, 1664525) + 1013904223) >>> 0;
    if (armed.random / 2 ** 32 >= arming.probability) return undefined;
    armed.fired++;
    this.#hits.set(name, (this.#hits.get(name) ?? 0) + 1);
    this.#options.onHit?.(name, device);
    return armed;
  }
}

/** The interface for the parts of a device. */
export interface DeviceFailpoints {
  /**
   * Whether nothing is armed, so that no point need be passed. For code that would pass one many thousand
   * times.
   */
  readonly idle: boolean;
  /**
   * Passes the failpoint and carries out the armed action.
   * @throws DeviceError for ERROR, and for a HANG that lasted too long.
   */
  pass(name: FailpointName): Promise<void>;
  /** Releases whatever waits at any point: a transition was cancelled. */
  letGo(): void;
  /** The failpoint at which something has waited longest by PAUSE; empty if nothing does. */
  pausedAt(): FailpointName | "";
  /** Whether it fires now, for points that change what happens instead of failing. */
  fires(name: FailpointName): boolean;
}

const NOTHING = Promise.resolve();

/** The failpoints of a device without faults. */
export const NO_FAILPOINTS: DeviceFailpoints = {
  idle: true,
  pass: () => NOTHING,
  letGo: () => {},
  pausedAt: () => "",
  fires: () => false,
};

/** All names, in the order in which a suspend and a resume pass them. */
export function failpointNames(): FailpointName[] {
  return Object.keys(FAILPOINTS).filter(isFailpointName);
}

export function isFailpointName(name: string): name is FailpointName {
  return Object.hasOwn(FAILPOINTS, name);
}

/** @throws DeviceError INVALID_REQUEST if the arming is invalid for this failpoint. */
export function checkArming(name: FailpointName, arming: FailpointArming): void {
  assert(isFailpointName(name), "only failpoints that exist are armed");
  const { action, delayMs, probability, count, after } = arming;
  const refuse = (why: string): never => {
    throw new DeviceError("INVALID_REQUEST", `Failpoint ${name} cannot be armed so: ${why}.`, {
      failpoint: name,
    });
  };
  if ((action === "ERROR" || action === "HANG") && CANNOT_FAIL.includes(name)) {
    refuse("nothing can fail there any more");
  }
  if (action !== "ERROR" && ERROR_ONLY.includes(name)) refuse("it takes ERROR only");
  if (!(delayMs >= 0 && delayMs <= FAILPOINT_DELAY_MAX_MS))
    refuse(`its delay is not 0 to ${FAILPOINT_DELAY_MAX_MS} ms`);
  if (!(probability > 0 && probability <= 1)) refuse("its probability is not above 0 and at most 1");
  if (!Number.isInteger(count) || count < 0) refuse("its count is not a whole number of passes");
  if (!Number.isInteger(after) || after < 0) refuse("`after` is not a whole number of passes");
}

function failed(name: FailpointName, reason: ErrorReason): DeviceError {
  return new DeviceError(reason, `Failpoint ${name} made this fail.`, { failpoint: name });
}
