/** The snapshots of one device: takes them while it is quiet, and restores it from them as a transition. */
import { settledWithin } from "../../clock.ts";
import type { RestoreSnapshot, TakeSnapshot } from "../../command.ts";
import { DeviceError, toDeviceError } from "../../errors.ts";
import {
  IDLE_TIMEOUT_DEFAULT_MS,
  PREPARE_DRAIN_TIMEOUT_MS,
  SNAPSHOT_IDLE_TIMEOUT_MAX_MS,
} from "../../limits.ts";
import { BytesInPlace } from "../../memory/saved-bytes.ts";
import type { PowerState, SnapshotResource, TransitionResource } from "../../resource.ts";
import { deviceWedged } from "../../submission/gt-errors.ts";
import { answer } from "../answer.ts";
import type { Parts } from "../parts.ts";
import type { PowerEvent } from "../power-state.ts";
import type { RuntimePm } from "../runtime-pm.ts";
import type { Transition } from "../transition.ts";
import type { TransitionLog } from "../transition-log.ts";
import { checkLabels } from "./labels.ts";
import { dropEverything, PutBack } from "./put-back.ts";
import { requireShape } from "./shape.ts";
import type { Snapshot } from "./snapshot.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import { takeSnapshot } from "./take.ts";

/** What snapshots may ask of power. */
export interface SnapshotTurns {
  readonly settings: Pick<RuntimePm, "settings" | "update">;
  readonly transitions: Pick<TransitionLog, "begin" | "finish">;
  /** Wakes the device. What must be free is free in the turn in which this ends. */
  requireAwake(what: string): Promise<void>;
  /** Does work during which no transition and no reset begins. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  /** Why a command is refused now. */
  refusal(): DeviceError;
  /** Enters the state that follows, in D0, and returns it. */
  enter(event: PowerEvent): PowerState;
}

export class Snapshots {
  readonly #parts: Parts;
  readonly #turns: SnapshotTurns;
  readonly #inPlace: BytesInPlace;
  /** Name of the device whose snapshot this one was restored from last. It may go back to others of it. */
  #forkOf = "";

  constructor(parts: Parts, turns: SnapshotTurns) {
    this.#parts = parts;
    this.#turns = turns;
    this.#inPlace = new BytesInPlace(parts.memory.written);
  }

  /** Takes a snapshot. Nothing is kept of one that fails. */
  async take(command: TakeSnapshot): Promise<SnapshotResource> {
    const { idleTimeoutMs = IDLE_TIMEOUT_DEFAULT_MS, labels } = command;
    const { services } = this.#parts;
    const store = this.#requireStore();
    checkLabels(labels);
    checkIdleTimeout(idleTimeoutMs);
    const resource = await store.add(command.snapshot, async (id) => {
      await this.#turns.requireAwake("a snapshot");
      return this.#withoutCommands(() => this.#take(store, { id, labels, idleTimeoutMs }));
    });
    const { id: snapshot, copiedBytes } = resource;
    services.emit({ type: "snapshotTaken", snapshot, copiedBytes });
    return resource;
  }

  /** Starts a restore and returns when it has ended or `waitMs` has passed. */
  async restore(command: RestoreSnapshot): Promise<TransitionResource> {
    const store = this.#requireStore();
    const { snapshot: id, waitMs } = command;
    store.get(id);
    await this.#turns.requireAwake(`a restore from snapshot ${id}`);
    let begun: Transition | undefined;
    // Nothing waits before the transition has begun, so the device is still free.
    const run = store.read(id, async (snapshot) => {
      requireShape(this.#parts.snapshots.device(), snapshot, this.#forkOf);
      begun = this.#begin();
      await this.#restore(begun, store, snapshot);
    });
    if (begun === undefined) await run;
    else return answer(begun, run, waitMs);
    throw new RangeError("a restore that was not begun was refused");
  }

  /** Begins the transition, in the turn in which the device was found free. */
  #begin(): Transition {
    const { transitions } = this.#turns;
    const transition = transitions.begin({ kind: "RESTORE", sleepState: undefined, dState: "D0" });
    this.#turns.enter("resume");
    this.#parts.gate.close(() => this.#turns.refusal());
    return transition;
  }

  #requireStore(): SnapshotStore {
    const { store } = this.#parts.snapshots;
    if (store !== undefined) return store;
    throw new DeviceError(
      "SNAPSHOT_STORE_MISSING",
      "The device has no memory for snapshots; give torpord some with --snapshot-memory.",
    );
  }

  /** Does work while commands wait outside and nothing else begins. */
  async #withoutCommands<T>(work: () => Promise<T>): Promise<T> {
    const { gate } = this.#parts;
    // With a second argument every command waits, as for a device that is being woken.
    gate.close(beingSaved, () => {});
    try {
      return await this.#turns.alone(work);
    } finally {
      gate.open();
    }
  }

  async #take(
    store: SnapshotStore,
    wish: {
      readonly id: string;
      readonly labels: TakeSnapshot["labels"];
      readonly idleTimeoutMs: number;
    },
  ): Promise<Snapshot> {
    const { gt, services, snapshots } = this.#parts;
    await this.#drain("no snapshot was taken");
    const isIdle = await gt.waitForIdle(wish.idleTimeoutMs);
    if (gt.wedged) throw deviceWedged();
    if (!isIdle) throw this.#stillBusy(wish.idleTimeoutMs);
    // What was deleted while work used it is freed in a turn of its own.
    await services.clock.yield();
    return takeSnapshot(snapshots.device(), {
      store,
      id: wish.id,
      labels: { ...wish.labels },
      generation: snapshots.ownership.state.generation,
      runtimePm: this.#turns.settings.settings,
      inPlace: this.#inPlace,
    });
  }

  /** @throws DeviceError IDLE_TIMEOUT if commands inside do not end in time */
  async #drain(consequence: string): Promise<void> {
    const { gate, services } = this.#parts;
    if (await settledWithin(services.clock, gate.drained(), PREPARE_DRAIN_TIMEOUT_MS)) return;
    throw new DeviceError(
      "IDLE_TIMEOUT",
      `${gate.inside} commands in progress did not end within ${PREPARE_DRAIN_TIMEOUT_MS} ms, so ` +
        `${consequence}.`,
      { timeoutMs: String(PREPARE_DRAIN_TIMEOUT_MS), commands: String(gate.inside) },
    );
  }

  #stillBusy(idleTimeoutMs: number): DeviceError {
    const busy = this.#parts.gt.contexts.all().filter(({ pendingRequests }) => pendingRequests > 0);
    const what = busy.map(
      ({ id, engine, pendingRequests }) => `context ${id} on ${engine} (${pendingRequests} requests)`,
    );
    return new DeviceError(
      "IDLE_TIMEOUT",
      `The GT was not idle after ${idleTimeoutMs} ms, so no snapshot was taken; work of ` +
        `${what.length === 0 ? "the device itself" : what.join(", ")} still runs.`,
      { idleTimeoutMs: String(idleTimeoutMs), contexts: busy.map(({ id }) => id).join(", ") },
    );
  }

  /** Never rejects for what can happen: the failure ends the transition. */
  async #restore(transition: Transition, store: SnapshotStore, snapshot: Snapshot): Promise<void> {
    const { memory, gate } = this.#parts;
    let failure: DeviceError | undefined;
    let usable = true;
    let dropped = false;
    const noteDropped = (): void => {
      dropped = true;
    };
    try {
      await this.#makeQuiet(transition);
      await memory.changes.duringReplacement(() =>
        this.#replace(transition, { store, snapshot, noteDropped }),
      );
    } catch (error) {
      failure = toDeviceError(error);
      transition.commit();
      if (dropped) usable = await this.#makeNew();
    }
    transition.wedged = this.#parts.gt.wedged;
    const state = this.#turns.enter(usable ? "resumed" : "failed");
    this.#turns.transitions.finish(transition, failure);
    if (state === "ACTIVE") gate.open();
    if (failure === undefined) this.#forkOf = snapshot.resource.device;
    if (failure === undefined || dropped) this.#tell(snapshot);
  }

  /** Ends what runs. From here on nothing uses an object. */
  async #makeQuiet(transition: Transition): Promise<void> {
    const { gt, snapshots, hibernation } = this.#parts;
    const wasBusy = !gt.idle || gt.wedged;
    await transition.phase("prepare", async () => {
      if (wasBusy) await gt.reset();
      await this.#drain("nothing was restored");
      await snapshots.ownership.branch(hibernation.store);
    });
    await transition.phase("idle", async () => {
      if (await gt.waitForIdle(IDLE_TIMEOUT_DEFAULT_MS)) return;
      await gt.setWedged("work did not end when the device was to be restored");
      throw new DeviceError(
        "IDLE_TIMEOUT",
        `Work did not end within ${IDLE_TIMEOUT_DEFAULT_MS} ms of a reset; the GT is wedged, and nothing ` +
          `was restored.`,
        { idleTimeoutMs: String(IDLE_TIMEOUT_DEFAULT_MS) },
      );
    });
  }

  async #replace(
    transition: Transition,
    run: { readonly store: SnapshotStore; readonly snapshot: Snapshot; readonly noteDropped: () => void },
  ): Promise<void> {
    const { memory, services, gt } = this.#parts;
    const { snapshot, store } = run;
    const putBack = new PutBack({ memory, services, gt, snapshot, store, inPlace: this.#inPlace });
    await transition.phase("discard", async () => {
      await putBack.compare();
      run.noteDropped();
      await dropEverything(this.#parts, gt);
      memory.replacements++;
    });
    await transition.phase("rebuild", () => putBack.rebuild());
    await transition.phase("content", (counts) => putBack.bringBytes(counts.restored));
    await transition.phase("release", async () => {
      const { enabled, autosuspendDelayMs, d3coldThresholdBytes, verify } = snapshot.runtimePm;
      await this.#turns.settings.update({
        type: "updateRuntimePm",
        enabled,
        autosuspendDelayMs,
        d3coldThresholdBytes,
        ...(verify === undefined ? {} : { verify }),
      });
    });
  }

  /** Leaves nothing of either state after a restore that failed half way. Returns whether that succeeded. */
  async #makeNew(): Promise<boolean> {
    const { hibernation, gt, memory } = this.#parts;
    try {
      await memory.changes.duringReplacement(() => dropEverything(this.#parts, gt));
      await hibernation.giveUp();
      return true;
    } catch (error) {
      toDeviceError(error);
      return false;
    }
  }

  #tell(snapshot: Snapshot): void {
    this.#parts.services.emit({ type: "deviceRestored", snapshot: snapshot.resource.id });
  }
}

function beingSaved(): DeviceError {
  return new DeviceError(
    "DEVICE_TRANSITION",
    "A snapshot of the device is being taken, which forbids this call; try again soon.",
  );
}

function checkIdleTimeout(idleTimeoutMs: number): void {
  if (idleTimeoutMs >= 0 && idleTimeoutMs <= SNAPSHOT_IDLE_TIMEOUT_MAX_MS) return;
  throw new DeviceError(
    "INVALID_REQUEST",
    `Idle timeout (${idleTimeoutMs} ms) is not between 0 and ${SNAPSHOT_IDLE_TIMEOUT_MAX_MS} ms.`,
    { idleTimeoutMs: String(idleTimeoutMs), limitMs: String(SNAPSHOT_IDLE_TIMEOUT_MAX_MS) },
  );
}
