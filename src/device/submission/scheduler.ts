/**
 * The scheduler decides when a request may run. A request enters its context's ring only when everything that
 * it waits for has ended and its objects are in place. So nothing in a ring ever waits for anything outside
 * of it.
 */
import type { SubmitWork } from "../command.ts";
import { DeviceError, toDeviceError } from "../errors.ts";
import type { Fence } from "../fence.ts";
import { REQUESTS_QUEUED_MAX, WAIT_FENCES_MAX } from "../limits.ts";
import { Listeners } from "../listeners.ts";
import { requireUsable } from "../memory/lifecycle.ts";
import type { Memory } from "../memory/memory.ts";
import { bringForUse } from "../memory/placement.ts";
import type { DeviceServices } from "../services.ts";
import type { ClientContext } from "./client-context.ts";
import { FenceLog } from "./fence-log.ts";
import { Request } from "./request.ts";
import { checkCommands, RequestWork } from "./work-commands.ts";
import { noteWrites } from "./work-writes.ts";

export interface SchedulerOptions {
  readonly memory: Memory;
  readonly services: DeviceServices;
  /** Why no work is accepted now; undefined if it is. */
  readonly refusal: () => DeviceError | undefined;
  /** A request has ended, for the engine's counters. */
  readonly onRetired: (request: Request) => void;
}

export class Scheduler {
  readonly fences: FenceLog;
  readonly #options: SchedulerOptions;
  readonly #unfinished = new Set<Request>();
  /** Contexts whose requests are being put in place. */
  #feeding = 0;
  readonly #becameIdle = new Listeners();
  readonly #oneRetired = new Listeners();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.fences = new FenceLog(options.services.clock);
  }

  /** Whether every request has ended and no object is still moving for one. */
  get idle(): boolean {
    return this.#unfinished.size === 0 && this.#feeding === 0;
  }

  whenIdle(listener: () => void): void {
    if (this.idle) listener();
    else this.#becameIdle.once(listener);
  }

  /** Calls `listener` when the next request ends. */
  onNextRetired(listener: () => void): void {
    this.#oneRetired.once(listener);
  }

  /** Accepts a request, or refuses it as a whole. From then on its fence represents it. */
  submit(context: ClientContext, command: SubmitWork): Request {
    const { memory, services, refusal } = this.#options;
    const refused = refusal() ?? banned(context);
    if (refused !== undefined) throw refused;
    if (context.pendingRequests >= REQUESTS_QUEUED_MAX) {
      throw new DeviceError(
        "LIMIT_EXCEEDED",
        `Context ${context.id} has ${REQUESTS_QUEUED_MAX} requests waiting or running, the most that it can.`,
        { context: context.id },
      );
    }
    if (command.waitFences.length > WAIT_FENCES_MAX) {
      throw new DeviceError("INVALID_REQUEST", `A request waits for at most ${WAIT_FENCES_MAX} fences.`, {
        limit: String(WAIT_FENCES_MAX),
      });
    }
    const uses = checkCommands(memory, command.commands);
    const waitFor = command.waitFences.map((id) => this.fences.get(id).fence);
    const after = new Set<Fence>();
    for (const [slot, usage] of uses)
      for (const fence of memory.reservations.blocking(slot, usage)) after.add(fence);
    const request = new Request({
      id: this.fences.nextId(),
      engine: context.engine,
      context: context.id,
      seqno: ++context.seqno,
      acceptedAtNs: services.clock.monotonicNs(),
      commands: command.commands,
      uses,
      slots: slotsByName(memory, command),
      waitFor,
      after: [...after],
    });
    this.fences.add(request);
    for (const [slot, usage] of uses) {
      memory.reservations.add(slot, usage, request.fence);
      memory.changes.noteChanged(slot);
    }
    this.#unfinished.add(request);
    request.fence.onSettled(() => this.#retired(request));
    context.queue.push(request);
    void this.#feed(context);
    return request;
  }

  /** Fails every request that has not begun to run. Requests in rings fail with their contexts. */
  failWaiting(contexts: Iterable<ClientContext>, error: DeviceError): void {
    for (const context of contexts) {
      // The first one may be about to start, so its feeder checks again.
      for (const request of context.queue) if (request.fence.state === "PENDING") request.fence.fail(error);
    }
  }

  /** Feeds a context's requests to its ring in order, each when it may run. Each context has one feeder. */
  async #feed(context: ClientContext): Promise<void> {
    if (context.feeding) return;
    context.feeding = true;
    this.#feeding++;
    for (let request = context.queue[0]; request !== undefined; request = context.queue[0]) {
      try {
        await request.ready();
        if (request.fence.state === "PENDING") await this.#start(context, request);
      } catch (error) {
        if (request.fence.state === "PENDING") request.fence.fail(toDeviceError(error));
      }
      if (context.queue[0] === request) context.queue.shift();
    }
    context.feeding = false;
    if (context.deleted) context.retire();
    else context.deactivate();
    this.#feeding--;
    this.#tellIdle();
  }

  /** Puts a request's objects and context in place, and its commands into the ring. */
  async #start(context: ClientContext, request: Request): Promise<void> {
    const { memory, services, refusal } = this.#options;
    await context.activate();
    const slots = [...request.uses.keys()].sort((a, b) => a - b);
    const locked: number[] = [];
    try {
      for (const slot of slots) {
        // A failed request must not run, and its unlocked objects may be gone.
        if (request.fence.state !== "PENDING") return;
        await memory.locks.lock(slot);
        locked.push(slot);
      }
      for (const slot of slots) {
        if (request.fence.state !== "PENDING") return;
        requireUsable(memory, slot);
        await bringForUse(memory, slot);
      }
      const refused = refusal() ?? banned(context);
      if (refused !== undefined) throw refused;
      if (request.fence.state !== "PENDING") return;
      for (const slot of slots) {
        memory.table.active[slot]++;
        memory.changes.noteChanged(slot);
      }
    } finally {
      for (const slot of locked) memory.locks.unlock(slot);
    }
    context.queue.shift();
    context.inFlight.push(request);
    request.startedAtNs = services.clock.monotonicNs();
    noteWrites(memory, request.commands, request.slots);
    const done = context.ring.submit(new RequestWork(memory, request.commands, request.slots));
    done.onSettled(() => {
      for (const slot of slots) {
        memory.table.active[slot]--;
        memory.changes.noteChanged(slot);
      }
      context.inFlight.splice(context.inFlight.indexOf(request), 1);
      if (done.error === undefined) request.fence.signal();
      else request.fence.fail(done.error);
      if (!context.feeding) context.deactivate();
    });
  }

  #retired(request: Request): void {
    this.#unfinished.delete(request);
    this.#options.onRetired(request);
    this.#oneRetired.tell();
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.idle) this.#becameIdle.tell();
  }
}

function banned(context: ClientContext): DeviceError | undefined {
  if (!context.banned) return undefined;
  return new DeviceError(
    "CONTEXT_BANNED",
    `Context ${context.id} is banned after ${context.hangs} hangs; delete it and make another.`,
    { context: context.id },
  );
}

/**
 * The slots of the objects that the commands name. Names may be deleted while the request waits, but slots
 * stay.
 */
function slotsByName(memory: Memory, command: SubmitWork): Map<string, number> {
  const slots = new Map<string, number>();
  const note = (id: string): void => void slots.set(id, memory.findObject(id));
  for (const each of command.commands) {
    if ("object" in each) note(each.object);
    if ("source" in each) note(each.source);
    if ("destination" in each) note(each.destination);
  }
  return slots;
}
