/** A request: work of one context with a fence, from its acceptance until it is retired. */

import { Fence } from "../fence.ts";
import type { FenceResource } from "../resource.ts";
import type { WorkCommand } from "../work-command.ts";
import type { ObjectUses } from "./work-commands.ts";

export interface RequestOptions {
  readonly id: string;
  readonly engine: string;
  readonly context: string;
  readonly seqno: number;
  readonly acceptedAtNs: bigint;
  readonly commands: readonly WorkCommand[];
  readonly uses: ObjectUses;
  /** Slot of each object by its name in the commands. */
  readonly slots: ReadonlyMap<string, number>;
  /** Fences that must signal. If one fails, the request fails. */
  readonly waitFor: readonly Fence[];
  /** Fences that must settle in any way: earlier work on the same objects. */
  readonly after: readonly Fence[];
}

export class Request {
  readonly id: string;
  readonly engine: string;
  readonly context: string;
  readonly fence = new Fence();
  readonly acceptedAtNs: bigint;
  /** When it entered its context's ring; undefined until then. */
  startedAtNs: bigint | undefined;
  /** When the fence settled, to know how long to keep it. */
  settledAtNs: bigint | undefined;
  readonly seqno: number;
  /**
   * Dropped once the fence has settled, like the fences it waited for. Only the result of a request is kept.
   */
  commands: readonly WorkCommand[];
  readonly uses: ObjectUses;
  readonly slots: ReadonlyMap<string, number>;
  #waitFor: readonly Fence[];
  #after: readonly Fence[];

  constructor(options: RequestOptions) {
    this.id = options.id;
    this.engine = options.engine;
    this.context = options.context;
    this.seqno = options.seqno;
    this.acceptedAtNs = options.acceptedAtNs;
    this.commands = options.commands;
    this.uses = options.uses;
    this.slots = options.slots;
    this.#waitFor = options.waitFor;
    this.#after = options.after;
    this.fence.onSettled(() => {
      this.commands = [];
      this.#waitFor = [];
      this.#after = [];
    });
  }

  /** How long it waited to enter its context's ring; undefined if it never did. */
  get waitNs(): bigint | undefined {
    return this.startedAtNs === undefined ? undefined : this.startedAtNs - this.acceptedAtNs;
  }

  /**
   * Resolves when the request may run, or has failed meanwhile. Rejects if a fence that it waits for failed.
   */
  ready(): Promise<void> {
    const waitFor = this.#waitFor;
    const settled = [...waitFor, ...this.#after].map(
      (fence) => new Promise<void>((resolve) => fence.onSettled(resolve)),
    );
    const failed = new Promise<void>((resolve) => this.fence.onSettled(resolve));
    return Promise.race([Promise.all(settled), failed]).then(() => {
      for (const fence of waitFor) if (fence.error !== undefined) throw fence.error;
    });
  }

  describe(): FenceResource {
    const { error } = this.fence;
    return {
      id: this.id,
      engine: this.engine,
      context: this.context,
      seqno: this.seqno,
      state: this.fence.state,
      error: error && { reason: error.reason, message: error.message },
    };
  }
}
