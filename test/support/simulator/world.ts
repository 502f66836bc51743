/**
 * The world of a simulation: a device, those who use it, and what outlives it. A device that dies is dropped as it
 * stands, and the next one boots from what the image store holds, as a daemon that was killed would.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  type Command,
  type CommandOf,
  type CommandType,
  DeviceError,
  type DeviceEvent,
  type Results,
} from "../../../src/device/mod.ts";
import { bootFaulty, type FaultyDevice } from "../faulty-device.ts";
import { MemoryImageStore } from "../image-store.ts";
import { MemoryStore } from "../regions.ts";
import { Client, type FenceState } from "./model.ts";
import { type DevicePlan, deviceOf } from "./plan-of-device.ts";
import { UNSEEN } from "./unseen.ts";
import { Wrongs } from "./wrongs.ts";

const CLIENTS = 5;
const OPERATORS = 2;
const IMAGES_KEPT = 2;
const NOTES_LENGTH = 8192;

/** Reasons that are bugs unless something that the simulation did itself explains them. */
const NEVER = [
  "INTERNAL",
  "INVALID_REQUEST",
  "INVALID_SIZE",
  "INVALID_REGION",
  "INVALID_FLAGS",
  "INVALID_RANGE",
  "OBJECT_NOT_FOUND",
  "CONTEXT_NOT_FOUND",
  "ENGINE_NOT_FOUND",
  "REGION_NOT_FOUND",
  "TRANSITION_NOT_FOUND",
  "FENCE_NOT_FOUND",
  "IMAGE_NOT_FOUND",
  "IMAGE_CORRUPT",
  "IMAGE_INCOMPATIBLE",
  "CHECKSUM_MISMATCH",
  "CONTENT_UNKNOWN",
] as const;

export interface Operator {
  busy: boolean;
}

/** What to do with an answer. `excused` are reasons that this command may give although they would be bugs elsewhere. */
export interface Launch<T extends CommandType> {
  readonly excused?: readonly string[];
  done?(answer: Results[T]): void;
  refused?(reason: string): void;
}

export class World {
  readonly plan: DevicePlan;
  readonly clients = Array.from({ length: CLIENTS }, () => new Client());
  readonly operators: readonly Operator[] = Array.from({ length: OPERATORS }, () => ({ busy: false }));
  /** The last state of each fence of this life; one that is final stays. */
  readonly fenceStates = new Map<string, FenceState>();
  images = new MemoryImageStore();
  step = 0;
  deaths = 0;
  comebacks = 0;
  commands = 0;
  /** How often each kind of command had each answer: what a run has seen. */
  readonly answers = new Map<string, number>();
  /** A factory reset is running: nobody asks for anything else. */
  resetting = false;
  /** Id of the last transition that was seen; empty before the first of this life. */
  transition = "";
  /** What the device swaps to, if it does. */
  swap: MemoryStore | undefined;
  /** Bytes that a blit got wrong, and nobody has seen yet. */
  readonly wrongs = new Wrongs();
  /** Whether an object may have been given up (verify.mismatch, ecc.error, what a verification found, swap that rots). */
  mayHaveLost = false;
  /** Whether an image was cut short while it was written (image.short). */
  mayBeTorn = false;
  /** Whether the page table may hold garbage, of this life or in an image, until a resume fails of it (migrate.pageTable). */
  mayBeDamaged = false;
  /** Every transition of every life, by the uid of the state and its id: no name is used twice. */
  readonly #transitions = new Set<string>();
  #device: FaultyDevice | undefined;
  #life = 0;
  #failure: unknown;
  readonly #hash = createHash("sha256");
  /** What was noted since the hash was last told: a call for each note costs more than all of them at once. */
  #notes = "";

  constructor(seed: number) {
    this.plan = deviceOf(seed);
  }

  get gpu(): FaultyDevice["gpu"] {
    return this.device.gpu;
  }

  get device(): FaultyDevice {
    assert(this.#device !== undefined, "the world has been booted");
    return this.#device;
  }

  get digest(): string {
    return this.#hash.copy().update(this.#notes).digest("hex");
  }

  /** Boots a device: from the image that is sealed, if there is one. */
  async boot(): Promise<void> {
    this.#life++;
    const resumeFrom = this.images.findSealed("card0");
    const { options, swapBytes, slow } = this.plan;
    const { images, wrongs } = this;
    this.swap = swapBytes > 0 ? new MemoryStore(swapBytes) : undefined;
    wrongs.hits = 0;
    const uid = `00000000-0000-4000-8000-${String(this.#life).padStart(12, "0")}`;
    if (resumeFrom === undefined) await images.own({ device: "card0", uid, generation: 1 });
    this.#device = await bootFaulty(
      {
        ...options,
        uid,
        ...(this.swap === undefined ? {} : { swap: this.swap }),
        emit: (event) => {
          if (!images.dead) this.#hear(event);
        },
        images,
        ...(resumeFrom === undefined ? {} : { resumeFrom }),
      },
      () => {
        images.dead = true;
      },
    );
    if (slow && this.swap !== undefined) this.swap.clock = this.#device.gpu.clock;
  }

  /** The process dies now, if it has not died already, and another one takes its place. */
  async dieAndComeBack(): Promise<void> {
    this.images.dead = true;
    this.deaths++;
    this.catchUp();
    this.images = this.images.afterDeath();
    const sealed = this.images.idsOf("SEALED");
    this.note(`death, ${sealed.length} sealed`);
    assert(sealed.length <= 1, `${sealed.length} images are sealed`);
    if (sealed.length === 1) this.comebacks++;
    for (const client of this.clients) {
      client.busy = false;
      // While an image is sealed nothing changes: what it holds is what the model says.
      if (sealed.length === 0) {
        client.forget();
        this.wrongs.areThere = false;
      } else assert.equal(client.pending, 0, "work is pending although its device was hibernated");
      client.fences.length = 0;
    }
    for (const operator of this.operators) operator.busy = false;
    this.fenceStates.clear();
    this.resetting = false;
    this.transition = "";
    await this.boot();
  }

  /** Gives a command to the device and goes on; what is answered is dealt with when it is. */
  launch<T extends CommandType>(
    actor: { busy: boolean },
    command: CommandOf<T>,
    launch: Launch<T> = {},
  ): void {
    const life = this.#life;
    const asked: Command = command;
    const { images } = this;
    actor.busy = true;
    this.commands++;
    const settle = (reason: string, deal: () => void): void => {
      // What a device still says after its death, nobody hears.
      if (life !== this.#life || images.dead) return;
      actor.busy = false;
      this.#count(
        asked.type === "suspend" ? `suspend to ${asked.state} ${reason}` : `${asked.type} ${reason}`,
      );
      this.attempt(deal);
    };
    this.gpu.device.execute(command).then(
      (answer) => settle("done", () => launch.done?.(answer)),
      (error: unknown) =>
        settle(error instanceof DeviceError ? error.reason : String(error), () => {
          if (!(error instanceof DeviceError)) throw error;
          this.#requireSane(command, error, launch.excused ?? []);
          launch.refused?.(error.reason);
        }),
    );
  }

  /** Does what checks; the first thing that is wrong ends the simulation at the end of the step. */
  attempt(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  /** @throws what went wrong since the last time. */
  requireNoFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Adds to the record of the run. */
  note(text: string): void {
    this.#notes += `${this.step} ${this.#device?.gpu.clock.monotonicNs() ?? 0n} ${text}\n`;
    if (this.#notes.length < NOTES_LENGTH) return;
    this.#hash.update(this.#notes);
    this.#notes = "";
  }

  /** Lets the store forget consumed images but for the last ones, as retention does: nothing may come of those. */
  forgetConsumed(): void {
    if (this.images.images.size <= IMAGES_KEPT) return;
    const consumed = this.images.idsOf("CONSUMED");
    for (const id of consumed.slice(0, -IMAGES_KEPT)) this.images.forget(id);
  }

  /** Brings every client's model up to what has been done. */
  catchUp(): void {
    for (const client of this.clients) client.catchUp((fence) => this.stateOf(fence));
  }

  /** The state of a fence, which never changes any more once it has settled. */
  stateOf(fence: string): FenceState {
    const { state } = this.gpu.device.gt.scheduler.fences.get(fence).describe();
    const before = this.fenceStates.get(fence) ?? "PENDING";
    assert(before === "PENDING" || before === state, `${fence} was ${before} and is ${state}`);
    this.fenceStates.set(fence, state);
    return state;
  }

  /** Remembers what fired of that which outlives its failpoint. */
  noteHits(): void {
    const { failpoints } = this.device;
    for (const name of ["verify.mismatch", "ecc.error"] as const) {
      if (failpoints.get(name).hits > 0) this.mayHaveLost = true;
    }
    const unseen = UNSEEN.reduce((sum, name) => sum + failpoints.get(name).hits, 0);
    if (this.wrongs.count(unseen)) this.mayHaveLost = true;
    if (failpoints.get("image.short").hits > 0) this.mayBeTorn = true;
    if (failpoints.get("migrate.pageTable").hits > 0) this.mayBeDamaged = true;
  }

  #hear(event: DeviceEvent): void {
    if (event.type === "transitionStarted") this.#noteTransition(event.transition.id);
    if (!this.plan.blitsWrong || this.#device === undefined) return;
    if (event.type !== "phaseEnded" && event.type !== "transitionEnded") return;
    this.noteHits();
    if (event.type === "transitionEnded") this.wrongs.noteEnd(event.transition);
    else if (event.phase.phase === "prepare") this.wrongs.notePrepared();
  }

  #noteTransition(id: string): void {
    // The first begins when the device has been made.
    const name = `${this.gpu.device.memory.deviceUid} ${id}`;
    this.attempt(() => assert(!this.#transitions.has(name), `transition ${id} was there before`));
    this.#transitions.add(name);
  }

  #count(answer: string): void {
    this.note(answer);
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
  }

  #requireSane(command: Command, error: DeviceError, excused: readonly string[]): void {
    const { reason, message } = error;
    this.noteHits();
    if (excused.includes(reason) || !NEVER.some((never) => never === reason)) return;
    if (this.mayHaveLost && ["CHECKSUM_MISMATCH", "CONTENT_UNKNOWN"].includes(reason)) return;
    // A suspend reads its image back before it relies on it: what was cut short on the way is found.
    if (reason === "IMAGE_CORRUPT" && command.type === "suspend" && this.mayBeTorn) return;
    throw new Error(`${JSON.stringify(command, shorten)} was answered with ${reason}: ${message}`, {
      cause: error,
    });
  }
}

function shorten(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return typeof value === "bigint" ? value.toString() : value;
}
