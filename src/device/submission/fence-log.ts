/** The fences that clients can ask about: all pending ones, and a limited number of settled ones. */
import { type Clock, elapsedMs, settledWithin } from "../clock.ts";
import { DeviceError } from "../errors.ts";
import { FENCE_WAIT_MAX_MS, FENCES_KEPT_MAX, FENCES_KEPT_MS } from "../limits.ts";
import type { FenceResource } from "../resource.ts";
import type { Request } from "./request.ts";

export class FenceLog {
  readonly #clock: Clock;
  readonly #requests = new Map<string, Request>();
  /** Ids of settled fences, oldest first. */
  #settled: string[] = [];
  /**
   * The waiters for each pending fence, by its id. Those that give up are removed, because a fence may be
   * pending for hours.
   */
  readonly #waiting = new Map<string, Set<() => void>>();
  #nextId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nextId(): string {
    return String(this.#nextId++);
  }

  /** Number of the next fence. */
  get nextNumber(): number {
    return this.#nextId;
  }

  /** New fences get numbers from this on. Legal when there is none. */
  setNextNumber(number: number): void {
    this.#nextId = number;
  }

  /** Makes sure that no new fence gets a number below this. */
  raiseNextNumber(number: number): void {
    this.#nextId = Math.max(this.#nextId, number);
  }

  add(request: Request): void {
    this.#requests.set(request.id, request);
    request.fence.onSettled(() => {
      request.settledAtNs = this.#clock.monotonicNs();
      this.#settled.push(request.id);
      const waiting = this.#waiting.get(request.id) ?? [];
      this.#waiting.delete(request.id);
      for (const tell of waiting) tell();
      // Forgotten in bulk, so that the cost of a fence does not grow with their number.
      if (this.#settled.length < 2 * FENCES_KEPT_MAX) return;
      for (const id of this.#settled.splice(0, FENCES_KEPT_MAX)) this.#requests.delete(id);
    });
  }

  /** @throws DeviceError FENCE_NOT_FOUND. */
  get(id: string): Request {
    const request = this.#requests.get(id);
    if (request !== undefined && !this.#isExpired(request)) return request;
    throw new DeviceError(
      "FENCE_NOT_FOUND",
      `Fence ${id} does not exist, or no longer: the newest ${FENCES_KEPT_MAX} that have settled are ` +
        `kept, for ${FENCES_KEPT_MS / 60_000} minutes.`,
      { fence: id },
    );
  }

  /**
   * Waits until a fence has settled. @param signal aborted when nobody waits any more
   * @throws DeviceError DEADLINE_EXCEEDED if it did not settle in time, CALL_CANCELLED
   */
  async wait(id: string, timeoutMs: number, signal?: AbortSignal): Promise<FenceResource> {
    if (!(timeoutMs >= 0 && timeoutMs <= FENCE_WAIT_MAX_MS)) {
      throw new DeviceError(
        "INVALID_REQUEST",
        `Timeout (${timeoutMs} ms) is not between 0 and ${FENCE_WAIT_MAX_MS} ms.`,
        { timeoutMs: String(timeoutMs), limitMs: String(FENCE_WAIT_MAX_MS) },
      );
    }
    const request = this.get(id);
    const inTime = request.fence.state !== "PENDING" || (await this.#settledWithin(id, timeoutMs, signal));
    if (request.fence.state !== "PENDING") return request.describe();
    if (inTime)
      throw new DeviceError("CALL_CANCELLED", `Nobody waits for fence ${id} any more.`, { fence: id });
    throw new DeviceError("DEADLINE_EXCEEDED", `Fence ${id} was still pending after ${timeoutMs} ms.`, {
      fence: id,
    });
  }

  /** Whether a pending fence settles, or its waiter gives up, within `timeoutMs`. */
  async #settledWithin(id: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    let tell = (): void => {};
    const over = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(tell));
    signal?.addEventListener("abort", tell);
    if (signal?.aborted === true) tell();
    try {
      return await settledWithin(this.#clock, over, timeoutMs);
    } finally {
      signal?.removeEventListener("abort", tell);
      waiting.delete(tell);
      if (waiting.size === 0 && this.#waiting.get(id) === waiting) this.#waiting.delete(id);
    }
  }

  #isExpired(request: Request): boolean {
    const { settledAtNs } = request;
    return settledAtNs !== undefined && elapsedMs(settledAtNs, this.#clock.monotonicNs()) > FENCES_KEPT_MS;
  }

  /** Forgets everything; legal when all have settled. */
  clear(): void {
    this.#requests.clear();
    this.#settled = [];
  }
}
