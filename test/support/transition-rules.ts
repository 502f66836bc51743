/**
 * What every transition keeps, whatever it was asked for and however it ended: the invariants of docs/conformance.md that are
 * about steps, backups, walks and idleness, by their numbers. Listens to a device and looks at it when a phase ends.
 */
import { expect } from "vitest";
import {
  type DeviceEvent,
  type DeviceOptions,
  PHASES,
  type PhaseName,
  type TransitionResource,
} from "../../src/device/mod.ts";
import { bootFaulty, type FaultyDevice } from "./faulty-device.ts";
import { type Moment, momentOf, type PhaseEnd, type SeenObject } from "./transition-moments.ts";

/** A transition that has ended, as it was seen. */
interface Seen {
  readonly transition: TransitionResource;
  /** When it began. */
  readonly start: Moment;
  /** When no command was in progress any more: the end of `prepare`, or the start of a resume. */
  readonly base: Moment;
  readonly phases: readonly PhaseEnd[];
  readonly end: Moment;
  readonly suspends: boolean;
  /** It was asleep already, and every byte was in system memory. */
  readonly deepens: boolean;
  /** No request waited or ran, so nothing but the transition moved anything. */
  readonly quiet: boolean;
  /** The blitter was there and nothing went wrong with it. */
  readonly blitterWell: boolean;
  readonly events: readonly DeviceEvent[];
  /** The end of a phase that succeeded; undefined when it did not run, or was what failed or was forgiven. */
  done(name: PhaseName): PhaseEnd | undefined;
}

type Rule = (seen: Seen) => boolean;

/** Phases during and after which nobody has the blitter. */
const WITHOUT_BLITTER: readonly PhaseName[] = [
  "memcpy",
  "firmware_stop",
  "image",
  "power_off",
  "power_on",
  "restore_early",
  "firmware_start",
];

const RULES: Readonly<Record<string, Rule>> = {
  "9: step 1 makes no backup and touches nothing pinned": ({ base, done }) => {
    const step = done("evict");
    if (step === undefined) return true;
    return step.moment.backups === base.backups && pinnedStay(base, step.moment);
  },
  "10: after step 1 what could leave all the time has left": ({ quiet, done }) =>
    !quiet || none(done("evict"), (object) => isLocal(object) && !object.pinned),
  "11: after step 2 nothing evictable is left, and what the blitter may back up has a backup": ({ done }) =>
    none(
      done("evict_pinned"),
      (object) =>
        isLocal(object) && (!object.pinned || !(object.hasBackup || object.early || object.volatile)),
    ),
  "12: after step 3 all that is left has a backup or may be lost": ({ done }) =>
    none(
      done("memcpy"),
      (object) => isLocal(object) && !object.hasBackup && !(object.pinned && object.volatile),
    ),
  "13: PM_EARLY is copied by CPU only, both ways": ({ phases, done }) =>
    phases.every(
      ({ phase }) => !["memcpy", "restore_early"].includes(phase.phase) || phase.blitterBytes === 0,
    ) &&
    none(done("evict_pinned"), (object) => object.pinned && object.early && object.hasBackup) &&
    none(done("restore_early"), (object) => object.early && object.hasBackup),
  "14: nobody has the blitter from step 3 until the engines run": ({ phases, suspends, start }) =>
    // A resume that is done again may find the engines running: they were started, and something after that failed.
    (!suspends && start.blitter) ||
    !copiesOut(phases) ||
    phases.every(({ phase, moment }) => !WITHOUT_BLITTER.includes(phase.phase) || !moment.blitter),
  "15: the blitter does all that it may while it is well": ({ phases, blitterWell }) =>
    !blitterWell ||
    phases.every(
      ({ phase }) =>
        !["evict", "evict_pinned", "restore_late"].includes(phase.phase) || phase.memcpyBytes === 0,
    ),
  "16: pinned PM_VOLATILE never gets a backup": ({ phases }) =>
    phases.every((end) => none(end, (object) => object.pinned && object.volatile && object.hasBackup)),
  "17, 20, 21: the phases are those of its kind, in order, each once": ({ transition, deepens }) =>
    hasItsPhases(transition, deepens),
  "17: each object is copied once": ({ quiet, base, done }) => {
    const steps = [done("evict"), done("evict_pinned"), done("memcpy")];
    if (!quiet || steps.some((step) => step === undefined)) return true;
    const local = [...base.objects.values()].filter(isLocal);
    const purged = local.filter((object) => object.dontNeed && !object.pinned).length;
    const treated = steps.reduce((sum, step) => sum + objectsOf(step), 0);
    return treated === local.length - purged;
  },
  "19: what is not in local memory is left alone": ({ quiet, suspends, base, phases }) =>
    phases.every(({ moment }) => noneOf(moment, (object) => object.hasBackup && !isLocal(object))) &&
    (!quiet ||
      !suspends ||
      [...base.objects].every(
        ([id, object]) =>
          object.kind !== "STOLEN" || phases.at(-1)?.moment.objects.get(id)?.place === object.place,
      )),
  "25: pinned objects stay where they are": ({ start, base, end, suspends }) =>
    pinnedStay(suspends ? base : start, end),
  "26: no backup is left after a resume that succeeded or a suspend that did not": ({
    transition,
    suspends,
    deepens,
    end,
  }) =>
    deepens ||
    (transition.state === "SUCCEEDED"
      ? suspends || end.backups === 0
      : !transition.recovered || end.backups === 0),
  "26, 46: a GT that does not start leaves exactly the late backups": ({
    transition,
    start,
    phases,
    end,
  }) => {
    const last = phases.at(-1)?.phase.phase;
    if (transition.state === "SUCCEEDED" || (last !== "firmware_start" && last !== "engine_start"))
      return true;
    return [...start.objects].every(
      ([id, object]) => end.objects.get(id)?.hasBackup === (object.hasBackup && !object.early),
    );
  },
  "27: recover gives back what backups took": ({ transition, deepens, quiet, base, end, events }) => {
    if (deepens || !transition.recovered || !quiet || events.some(changesSystemMemory)) return true;
    return end.systemUsedBytes - base.systemUsedBytes === transition.evictedBytes;
  },
  "31: no suspend begins with a backup": ({ suspends, deepens, start }) =>
    !suspends || deepens || start.backups === 0,
  "34, 36: no object comes or goes": ({ quiet, suspends, base, end }) =>
    !quiet || !suspends || [...base.objects.keys()].sort().join() === [...end.objects.keys()].sort().join(),
  "37: nothing that was deleted is still there when power goes": ({ done }) =>
    (done("power_off")?.moment.dying ?? 0) === 0,
  "40: step 2 begins when all is idle or the GT is wedged": ({ done }) => {
    const moment = done("idle")?.moment;
    return moment === undefined || moment.idle || moment.wedged;
  },
  "45: a resume clears wedged": ({ transition, suspends, end, events }) =>
    suspends || transition.state !== "SUCCEEDED" || !end.wedged || events.some(wedges),
  "76: a suspend that was undone leaves nothing without power": ({ transition, deepens, end }) =>
    deepens || !transition.recovered || end.wedged || (end.powered && end.blitter),
};

/** Listens to one device. */
export class TransitionRules {
  /** What was broken: transition and rule. */
  readonly broken: string[] = [];
  /** Transitions that have ended, by kind and state. */
  readonly ended = new Map<string, number>();
  /** Suspends of the system that reached `power_off`. */
  suspends = 0;
  #look: (() => Moment) | undefined;
  #start: Moment | undefined;
  #isAsleep = false;
  /** When the running transition began. */
  #wasAsleep = false;
  #phases: PhaseEnd[] = [];
  #events: DeviceEvent[] = [];

  /** From here on it knows whom it listens to. */
  attach(device: Parameters<typeof momentOf>[0]): void {
    this.#look = () => momentOf(device);
  }

  note(event: DeviceEvent): void {
    this.#events.push(event);
    if (event.type === "powerState") this.#isAsleep = event.state === "SUSPENDED";
    if (event.type === "transitionStarted") this.#begin(event.transition);
    else if (event.type === "phaseEnded") this.#phases.push({ phase: event.phase, moment: this.#moment() });
    else if (event.type === "transitionEnded") this.#end(event.transition);
  }

  #begin({ id }: TransitionResource): void {
    if (this.#start !== undefined) this.broken.push(`${id}: 39, 74: one transition at a time`);
    this.#start = this.#moment();
    this.#wasAsleep = this.#isAsleep;
    this.#phases = [];
    this.#events = [];
  }

  #end(transition: TransitionResource): void {
    const { id, kind, state } = transition;
    const start = this.#start;
    this.#start = undefined;
    const key = `${kind} ${state}`;
    this.ended.set(key, (this.ended.get(key) ?? 0) + 1);
    if (kind === "SUSPEND" && this.#phases.some(({ phase }) => phase.phase === "power_off")) this.suspends++;
    if (start === undefined) return void this.broken.push(`${id}: it ends without a start`);
    const seen = this.#seen(transition, start);
    for (const [name, holds] of Object.entries(RULES)) {
      if (!holds(seen)) this.broken.push(`${kind} ${id} (${transition.sleepState}, ${state}): ${name}`);
    }
  }

  #seen(transition: TransitionResource, start: Moment): Seen {
    const phases = this.#phases;
    const suspends = transition.kind === "SUSPEND" || transition.kind === "RUNTIME_SUSPEND";
    const [first] = phases;
    const base = suspends && first !== undefined ? first.moment : start;
    const events = this.#events;
    const forgiven = events.some((event) => event.type === "phaseForgiven");
    const ran = phases.filter(({ phase }) => phase.phase !== "recover");
    const succeeded = transition.state === "SUCCEEDED" ? ran : ran.slice(0, -1);
    const bad = events.some((event) => event.type === "blitterFallback" || wedges(event));
    return {
      transition,
      start,
      base,
      phases,
      end: this.#moment(),
      suspends,
      deepens: suspends && this.#wasAsleep,
      quiet: base.idle && !events.some((event) => event.type === "jobEnded"),
      blitterWell: !bad && (suspends ? base.blitter && !base.wedged : true),
      events,
      done: (name) => (forgiven ? undefined : succeeded.find(({ phase }) => phase.phase === name)),
    };
  }

  #moment(): Moment {
    if (this.#look === undefined) throw new Error("the rules are attached to no device");
    return this.#look();
  }
}

export interface WatchedDevice extends FaultyDevice {
  readonly rules: TransitionRules;
}

/** A device with failpoints whose transitions are held to the rules. */
export async function bootWatched(
  options: Partial<DeviceOptions> = {},
  onDeath?: () => void,
): Promise<WatchedDevice> {
  const rules = new TransitionRules();
  const emit = (event: DeviceEvent): void => {
    rules.note(event);
    options.emit?.(event);
  };
  const device = await bootFaulty({ ...options, emit }, onDeath);
  rules.attach(device.gpu.device);
  return { ...device, rules };
}

/** Expects that no rule was broken, of so many transitions at least, and that the device has counted its suspends. */
export async function expectRulesKept({ gpu, rules }: WatchedDevice, transitionsMin = 1): Promise<void> {
  expect(rules.broken).toEqual([]);
  expect([...rules.ended.values()].reduce((sum, each) => sum + each, 0)).toBeGreaterThanOrEqual(
    transitionsMin,
  );
  const { suspendCount } = await gpu.execute({ type: "getDevice" });
  expect(suspendCount, "22: suspendCount rises once for each power_off").toBe(rules.suspends);
}

function isLocal(object: SeenObject): boolean {
  return object.kind === "LOCAL";
}

function noneOf(moment: Moment, is: (object: SeenObject) => boolean): boolean {
  return ![...moment.objects.values()].some(is);
}

function none(end: PhaseEnd | undefined, is: (object: SeenObject) => boolean): boolean {
  return end === undefined || noneOf(end.moment, is);
}

/** Client objects and what the hardware reads: the rest is pinned while work runs, and not for long. */
function pinnedStay(before: Moment, after: Moment): boolean {
  return [...before.objects].every(([id, object]) => {
    if (!object.pinned || !(object.client || object.early)) return true;
    const now = after.objects.get(id);
    return now?.place === object.place || now?.lost === true;
  });
}

function objectsOf(end: PhaseEnd | undefined): number {
  return end === undefined ? 0 : end.phase.objects + end.phase.skippedVolatile;
}

/** Whether it leaves local memory or comes back to it: a suspend to D3hot by itself only stops the engines. */
function copiesOut(phases: readonly PhaseEnd[]): boolean {
  return phases.some(({ phase }) => phase.phase === "memcpy" || phase.phase === "restore_early");
}

function wedges(event: DeviceEvent): boolean {
  return event.type === "wedged" && event.wedged;
}

function changesSystemMemory(event: DeviceEvent): boolean {
  return ["purged", "swappedOut", "swappedIn", "phaseForgiven"].includes(event.type);
}

/** The phases of a kind that went well: all of them, and those that a request or a store adds. */
function hasItsPhases(
  { kind, state, dState, phases, ...rest }: TransitionResource,
  deepens: boolean,
): boolean {
  const names = phases.map(({ phase }) => phase);
  const sorted = PHASES.filter((name) => names.includes(name));
  if (names.join() !== sorted.join()) return false;
  if (state !== "SUCCEEDED") return true;
  const optional: PhaseName[] = ["image", "verify"];
  const found = names.filter((name) => !optional.includes(name)).join();
  if (names.includes("image") && rest.sleepState === "S2IDLE") return false;
  switch (kind) {
    case "SUSPEND":
      return found === (deepens ? "power_off" : SUSPEND);
    case "RESUME":
      return found === RESUME;
    case "RUNTIME_SUSPEND":
      return found === (dState === "D3HOT" ? "prepare,idle,power_off" : SUSPEND);
    case "RUNTIME_RESUME":
      return found === RESUME || found === "power_on,engine_start,release";
    case "RESTORE":
      return found === "prepare,idle,discard,rebuild,content,release";
    default:
      return kind satisfies never;
  }
}

const SUSPEND = "prepare,evict,idle,evict_pinned,memcpy,firmware_stop,power_off";
const RESUME = "power_on,restore_early,firmware_start,engine_start,restore_late,release";
