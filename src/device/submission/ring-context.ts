/**
 * A context as submission sees it: an image and a ring in local memory, and the work that passes through them
 * in order. Work waits here until the ring has room. Migrate contexts, kernel contexts and clients' contexts
 * all have one.
 */
import assert from "node:assert/strict";
import type { DeviceError } from "../errors.ts";
import { Fence } from "../fence.ts";
import { type ContextState, loadContext, saveContext } from "../hardware/context-image.ts";
import type { EngineQueue } from "../hardware/engine-queue.ts";
import type { Microcode } from "../hardware/microcode.ts";
import type { Microcontroller } from "../hardware/microcontroller.ts";
import { COMMAND_BYTES, RingWriter } from "../hardware/ring.ts";
import { Listeners } from "../listeners.ts";

/** Emits commands into a ring until it is done or has emitted `commandsMax`. Returns how many it emitted. */
export interface RingWork {
  readonly bytes: number;
  emit(ring: RingWriter, commandsMax: number): number;
  /** Whether everything has been emitted. */
  done(): boolean;
}

/** Where a context's image and ring are now. */
export interface ContextPlace {
  readonly bank: number;
  readonly words: Uint32Array;
  /** Works within the bank. */
  readonly microcode: Microcode;
  readonly imageOffsetBytes: number;
  readonly ringOffsetBytes: number;
}

export interface RingContextOptions {
  readonly contextId: number;
  readonly queue: EngineQueue;
  readonly microcontroller: Microcontroller;
  readonly priority: number;
  readonly ringBytes: number;
  /** CONTEXT_ flags of the image, and the place of the page table that CONTEXT_TRANSLATED needs. */
  readonly flags: number;
  readonly pageTable: { readonly bank: number; readonly offsetBytes: number };
}

/** Commands of one job: bounds how much of the ring becomes free at a time. */
const JOB_COMMANDS_MAX = 4096;

interface Job {
  readonly commands: number;
  readonly waiting: Waiting;
  readonly last: boolean;
  readonly ringTail: number;
}

interface Waiting {
  readonly work: RingWork;
  readonly fence: Fence;
  readonly priority: number;
}

export class RingContext {
  readonly contextId: number;
  readonly queue: EngineQueue;
  /** Bytes of accepted work that is not finished. */
  pendingBytes = 0;
  /** Told after each change of the work in flight. */
  readonly progress = new Listeners();
  readonly #options: RingContextOptions;
  #place: ContextPlace | undefined;
  #ring: RingWriter | undefined;
  #waiting: Waiting[] = [];
  #jobs: Job[] = [];
  #commandsInRing = 0;
  #seqno = 0;

  constructor(options: RingContextOptions) {
    this.contextId = options.contextId;
    this.queue = options.queue;
    this.#options = options;
  }

  get idle(): boolean {
    return this.#jobs.length === 0 && this.#waiting.length === 0;
  }

  /** Moves the context to the present place of its image and ring, with a fresh image. Legal when idle. */
  placeFresh(place: ContextPlace): void {
    this.#takePlace(place);
    this.#save({ ...this.#freshState(place), head: 0 });
    this.#register();
  }

  /**
   * Moves the context to the present place of its image and ring, and keeps its registers. Writes the ring's
   * new address into the image. Returns false if the image is damaged. Legal when idle.
   */
  placeSaved(place: ContextPlace): boolean {
    const state = loadContext(place.words, place.imageOffsetBytes, place.microcode);
    if (state === undefined) return false;
    this.#takePlace(place);
    this.#save({ ...state, ringBank: place.bank, ringOffsetBytes: place.ringOffsetBytes, head: 0 });
    this.#register();
    return true;
  }

  /** Makes the microcontroller forget the image, which is about to move. Legal when idle. */
  leave(): void {
    assert(this.idle && this.#place !== undefined, "a context leaves its place when nothing is in flight");
    this.#options.microcontroller.deregister(this.#place.bank, this.#place.imageOffsetBytes);
    this.#place = undefined;
    this.#ring = undefined;
  }

  /** Accepts work. The fence signals when all of it is done, and fails if that has become impossible. */
  submit(work: RingWork, priority = this.#options.priority): Fence {
    const fence = new Fence();
    this.pendingBytes += work.bytes;
    this.#waiting.push({ work, fence, priority });
    this.#pump();
    return fence;
  }

  /**
   * Gives up the work that the engine had begun before its reset: its fence fails, its registers are lost,
   * and the ring continues behind it. Later work has been taken from the engine too, and is submitted again.
   */
  skipGuilty(error: DeviceError): void {
    const guilty = this.#jobs[0]?.waiting;
    if (guilty === undefined || this.#place === undefined) return;
    let tail = 0;
    while (this.#jobs[0]?.waiting === guilty) tail = this.#retireJob();
    if (this.#waiting[0] === guilty) this.#waiting.shift();
    this.pendingBytes -= guilty.work.bytes;
    this.#save({ ...this.#freshState(this.#place), head: tail });
    guilty.fence.fail(error);
    this.progress.tell();
  }

  /** Submits the work in the ring again, in order, after a reset of the engine. */
  replay(): void {
    for (const job of this.#jobs) this.#schedule(job);
    this.#pump();
  }

  /**
   * Fails everything in flight. Legal when the engine has acknowledged that it no longer touches memory.
   * @param wasRunning whether its engine was executing it. Then its registers are unknown, and it begins
   * anew. All other contexts keep theirs (drm/i915 fails their requests and leaves the contexts alone).
   */
  failAll(error: DeviceError, wasRunning: boolean): void {
    const failed = new Set([...this.#jobs.map((job) => job.waiting), ...this.#waiting]);
    const tail = this.#jobs.at(-1)?.ringTail;
    this.#jobs = [];
    this.#waiting = [];
    this.#commandsInRing = 0;
    this.pendingBytes = 0;
    if (tail !== undefined && this.#place !== undefined) {
      const kept = wasRunning ? undefined : this.#savedState(this.#place);
      this.#save({ ...(kept ?? this.#freshState(this.#place)), head: tail });
    }
    for (const { fence } of failed) fence.fail(error);
    this.progress.tell();
  }

  /** Moves waiting work into the ring while there is room. */
  #pump(): void {
    const ring = this.#ring;
    const place = this.#place;
    if (ring === undefined || place === undefined) return;
    const commandsMax = ring.sizeBytes / COMMAND_BYTES - 1;
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      // One command of each job is its breadcrumb.
      const room = Math.min(commandsMax - this.#commandsInRing, JOB_COMMANDS_MAX) - 1;
      if (room < 1) break;
      const commands = head.work.emit(ring, room) + 1;
      ring.breadcrumb(++this.#seqno >>> 0);
      const last = head.work.done();
      if (last) this.#waiting.shift();
      this.#commandsInRing += commands;
      const job: Job = { commands, waiting: head, last, ringTail: ring.tail };
      this.#jobs.push(job);
      this.#schedule(job);
    }
    this.progress.tell();
  }

  #schedule(job: Job): void {
    const place = this.#place;
    assert(place !== undefined, "a context with work is in its place");
    this.#options.microcontroller.submit(this.queue, {
      imageBank: place.bank,
      imageOffsetBytes: place.imageOffsetBytes,
      ringTail: job.ringTail,
      priority: job.waiting.priority,
      contextId: this.contextId,
      onCompleted: () => this.#onCompleted(job),
    });
  }

  #onCompleted(job: Job): void {
    assert(this.#jobs[0] === job, "jobs of a context end in order");
    this.#retireJob();
    if (job.last) {
      this.pendingBytes -= job.waiting.work.bytes;
      job.waiting.fence.signal();
    }
    this.#pump();
    this.progress.tell();
  }

  #retireJob(): number {
    const job = this.#jobs.shift();
    assert(job !== undefined, "a job that is retired was in flight");
    this.#commandsInRing -= job.commands;
    return job.ringTail;
  }

  #takePlace(place: ContextPlace): void {
    assert(this.idle, "a context is placed when nothing is in flight");
    this.#place = place;
    this.#ring = new RingWriter(place.words, place.ringOffsetBytes, this.#options.ringBytes);
    this.#commandsInRing = 0;
  }

  /** The content of its image, without the rest of a spin. Undefined if the image is damaged. */
  #savedState({ words, imageOffsetBytes, microcode }: ContextPlace): ContextState | undefined {
    const state = loadContext(words, imageOffsetBytes, microcode);
    return state && { ...state, spinRemainingNs: 0n };
  }

  #freshState(place: ContextPlace): ContextState {
    return {
      contextId: this.contextId,
      flags: this.#options.flags,
      ringBank: place.bank,
      ringOffsetBytes: place.ringOffsetBytes,
      ringBytes: this.#options.ringBytes,
      head: 0,
      pageTableBank: this.#options.pageTable.bank,
      pageTableOffsetBytes: this.#options.pageTable.offsetBytes,
      crc: 0,
      spinRemainingNs: 0n,
      registers: new Uint32Array(32),
    };
  }

  #save(state: ContextState): void {
    const place = this.#place;
    assert(place !== undefined, "an image is saved where it is");
    const { words, imageOffsetBytes: offsetBytes, microcode } = place;
    saveContext({ words, offsetBytes, microcode }, state);
  }

  #register(): void {
    const place = this.#place;
    if (place !== undefined) this.#options.microcontroller.register(place.bank, place.imageOffsetBytes);
  }
}
