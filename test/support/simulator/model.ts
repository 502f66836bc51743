/**
 * What a client knows of its objects and contexts. Only the client that made an object changes its content, one command
 * after the other, so what it must hold follows from what was answered and from which fences signalled.
 */
import assert from "node:assert/strict";
import type { WorkCommand } from "../../../src/device/mod.ts";
import type { ModelContext, ModelObject } from "./model-objects.ts";
import { applyWork, touchedBy, writtenBy } from "./work.ts";

type Entry =
  | {
      readonly fence: string;
      readonly context: ModelContext;
      readonly commands: readonly WorkCommand[];
      readonly objects: ReadonlyMap<string, ModelObject>;
    }
  | { readonly written: ModelObject; readonly offsetBytes: number; readonly data: Uint8Array };

export type FenceState = "PENDING" | "SIGNALED" | "FAILED";

/** One client: it waits for each of its commands before it gives the next, but not for its work. */
export class Client {
  readonly objects = new Map<string, ModelObject>();
  readonly contexts: ModelContext[] = [];
  readonly fences: string[] = [];
  /** Whether a command of its own is on its way. */
  busy = false;
  #log: Entry[] = [];

  get pending(): number {
    return this.#log.length;
  }

  /** All of it is gone: the process died, or the device is as new. */
  forget(): void {
    this.objects.clear();
    this.contexts.length = 0;
    this.fences.length = 0;
    this.#log = [];
    this.busy = false;
  }

  wrote(object: ModelObject, offsetBytes: number, data: Uint8Array): void {
    this.#log.push({ written: object, offsetBytes, data });
  }

  submitted(fence: string, context: ModelContext, commands: readonly WorkCommand[]): void {
    this.fences.push(fence);
    this.#log.push({ fence, context, commands, objects: new Map(this.objects) });
  }

  /** Brings the model up to what has been done. What ended must not have overtaken what it had to wait for. */
  catchUp(stateOf: (fence: string) => FenceState): void {
    const waiting: Entry[] = [];
    for (const entry of this.#log) {
      const state = "fence" in entry ? stateOf(entry.fence) : "SIGNALED";
      if (state === "PENDING") {
        waiting.push(entry);
        continue;
      }
      if (state === "SIGNALED") {
        for (const earlier of waiting) assert(!conflict(earlier, entry), overtook(earlier, entry));
      }
      apply(entry, state === "SIGNALED");
    }
    this.#log = waiting;
  }

  /** Whether work that has not ended may change the object. */
  isWritten(id: string): boolean {
    return this.#log.some((entry) => writesOf(entry).has(id));
  }
}

function overtook(earlier: Entry, entry: Entry): string {
  const name = (each: Entry): string => ("fence" in each ? each.fence : `a write of ${each.written.id}`);
  return `${name(entry)} ended before ${name(earlier)}, which uses its objects and came first`;
}

function apply(entry: Entry, done: boolean): void {
  if (!("fence" in entry)) {
    const { written, offsetBytes, data } = entry;
    written.content.set(data, offsetBytes);
    if (data.length === written.content.length) written.known = true;
    return;
  }
  applyWork(entry, done);
}

function conflict(a: Entry, b: Entry): boolean {
  const aWrites = writesOf(a);
  const bWrites = writesOf(b);
  return (
    [...aWrites].some((id) => usesOf(b).has(id) || bWrites.has(id)) ||
    [...bWrites].some((id) => usesOf(a).has(id))
  );
}

function writesOf(entry: Entry): ReadonlySet<string> {
  return "fence" in entry ? writtenBy(entry.commands) : new Set([entry.written.id]);
}

function usesOf(entry: Entry): ReadonlySet<string> {
  return "fence" in entry ? touchedBy(entry.commands) : new Set([entry.written.id]);
}
