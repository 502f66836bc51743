/** The clients' contexts of a device: makes, names, finds and deletes them. */
import assert from "node:assert/strict";
import type { ListContexts } from "../command.ts";
import { DeviceError } from "../errors.ts";
import type { Microcontroller } from "../hardware/microcontroller.ts";
import { CLIENT_RING_BYTES, CONTEXTS_MAX, PAGE_SIZE_MAX } from "../limits.ts";
import type { Memory } from "../memory/memory.ts";
import type { ContextPriority, ContextResource } from "../resource.ts";
import type { DeviceServices } from "../services.ts";
import { ClientContext, PRIORITY, type SavedContext } from "./client-context.ts";
import { type EngineUnit, FIRST_CLIENT_CONTEXT_ID } from "./engine-unit.ts";
import { RingContext } from "./ring-context.ts";

export interface ContextsOptions {
  readonly memory: Memory;
  readonly services: DeviceServices;
  readonly units: readonly EngineUnit[];
  readonly microcontroller: Microcontroller;
  readonly pageTable: { readonly bank: number; readonly offsetBytes: number };
}

interface NewContext {
  readonly priority: ContextPriority;
  readonly number: number;
  readonly saved?: SavedContext;
}

export class Contexts {
  readonly #options: ContextsOptions;
  readonly #byId = new Map<string, ClientContext>();
  #nextId = 1;

  constructor(options: ContextsOptions) {
    this.#options = options;
  }

  /** @throws DeviceError LIMIT_EXCEEDED. */
  create(unit: EngineUnit, priority: ContextPriority): ClientContext {
    if (this.#byId.size >= CONTEXTS_MAX) {
      throw new DeviceError(
        "LIMIT_EXCEEDED",
        `The device has ${CONTEXTS_MAX} contexts, the most that it can.`,
        { limit: String(CONTEXTS_MAX) },
      );
    }
    return this.#add(unit, { priority, number: this.#nextId++ });
  }

  /** Restores a saved context. Its image and ring are objects of this device. Legal while its id is free. */
  restore(unit: EngineUnit, saved: SavedContext): ClientContext {
    assert(!this.#byId.has(String(saved.id)), `context ${saved.id} is restored once`);
    return this.#add(unit, { priority: saved.priority, number: saved.id, saved });
  }

  /** Number of the next context. */
  get nextNumber(): number {
    return this.#nextId;
  }

  /** New contexts get numbers from this on. Legal when no context has one of them. */
  setNextNumber(number: number): void {
    this.#nextId = number;
  }

  /** Makes sure that no new context gets a number below this. */
  raiseNextNumber(number: number): void {
    this.#nextId = Math.max(this.#nextId, number);
  }

  #add(unit: EngineUnit, { priority, number, saved }: NewContext): ClientContext {
    const { memory, services, microcontroller, pageTable } = this.#options;
    const ring = new RingContext({
      contextId: FIRST_CLIENT_CONTEXT_ID + number,
      queue: unit.queue,
      microcontroller,
      priority: PRIORITY[priority],
      ringBytes: CLIENT_RING_BYTES,
      flags: 0,
      pageTable,
    });
    ring.progress.on(() => {
      if (!ring.idle) unit.heartbeat.wake();
    });
    const context = new ClientContext({
      id: String(number),
      engine: unit.engine.name,
      priority,
      ring,
      memory,
      saved,
    });
    this.#byId.set(context.id, context);
    services.emit({ type: "contextCreated", context: context.id });
    return context;
  }

  /** @throws DeviceError CONTEXT_NOT_FOUND. */
  get(id: string): ClientContext {
    const context = this.#byId.get(id);
    if (context !== undefined) return context;
    throw new DeviceError("CONTEXT_NOT_FOUND", `Context ${id} does not exist.`, { context: id });
  }

  byContextId(contextId: number): ClientContext | undefined {
    return this.#byId.get(String(contextId - FIRST_CLIENT_CONTEXT_ID));
  }

  all(): ClientContext[] {
    return [...this.#byId.values()];
  }

  list(command: ListContexts): { contexts: readonly ContextResource[]; nextAfterId: string } {
    if (!Number.isInteger(command.limit) || command.limit < 1 || command.limit > PAGE_SIZE_MAX) {
      throw new DeviceError(
        "INVALID_REQUEST",
        `A page of ${command.limit} contexts is not between 1 and ${PAGE_SIZE_MAX}.`,
        { pageSize: String(command.limit), limit: String(PAGE_SIZE_MAX) },
      );
    }
    const after = command.afterId === "" ? 0 : Number(command.afterId);
    const rest = this.all().filter((context) => Number(context.id) > after);
    const page = rest.slice(0, command.limit);
    return {
      contexts: page.map((context) => context.describe()),
      nextAfterId: rest.length > command.limit ? (page.at(-1)?.id ?? "") : "",
    };
  }

  /** Deletes an idle context. @throws DeviceError CONTEXT_NOT_FOUND, CONTEXT_ACTIVE. */
  delete(id: string): void {
    const context = this.get(id);
    if (context.pendingRequests > 0) {
      throw new DeviceError(
        "CONTEXT_ACTIVE",
        `Context ${id} has ${context.pendingRequests} requests waiting or running and cannot be deleted.`,
        { context: id },
      );
    }
    this.#forget(context);
  }

  /** Deletes all contexts. Legal when all their work has ended or failed. */
  clear(): void {
    for (const context of this.all()) this.#forget(context);
  }

  /** If it is still being fed, its feeder frees it: only failed requests are left. */
  #forget(context: ClientContext): void {
    this.#byId.delete(context.id);
    context.deleted = true;
    this.#options.services.emit({ type: "contextDeleted", context: context.id });
    if (!context.feeding) context.retire();
  }
}
