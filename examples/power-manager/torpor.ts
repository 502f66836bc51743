/** The few calls of Torpor's REST wire that a power manager makes, with their answers looked at before they are believed. */
import { z } from "zod";

/** Proto3 JSON writes 64 bits as text. */
const COUNT = z.coerce.number().int();
const DEVICES = z.object({ devices: z.array(z.object({ name: z.string(), powerState: z.string() })) });
const ENGINES = z.object({
  engines: z.array(z.object({ submittedJobs: COUNT, completedJobs: COUNT, failedJobs: COUNT })),
});
const PLAN = z.object({ feasible: z.boolean(), blockers: z.array(z.object({ message: z.string() })) });
const REFUSAL = z.object({ error: z.object({ message: z.string() }) });

/** Longer than any suspend with all its waits. Unit: milliseconds. */
const CALL_TIMEOUT_MS = 300_000;

export interface DeviceState {
  /** Such as `devices/card0`. */
  readonly name: string;
  readonly powerState: string;
}

/** Work of clients: what was handed in since the daemon began, and how much of it has not ended. */
export interface Work {
  readonly submitted: number;
  readonly pending: number;
}

export class Torpor {
  readonly #url: string;

  /** @param url of the REST wire, such as `http://127.0.0.1:8585`. */
  constructor(url: string) {
    this.#url = url;
  }

  async devices(): Promise<readonly DeviceState[]> {
    return DEVICES.parse(await this.#call("GET", "devices")).devices;
  }

  async work(device: string): Promise<Work> {
    const { engines } = ENGINES.parse(await this.#call("GET", `${device}/engines`));
    const submitted = engines.reduce((sum, engine) => sum + engine.submittedJobs, 0);
    const ended = engines.reduce((sum, engine) => sum + engine.completedJobs + engine.failedJobs, 0);
    return { submitted, pending: submitted - ended };
  }

  /** What would stop a suspend now; nothing is touched. */
  async blockers(device: string): Promise<readonly string[]> {
    const plan = PLAN.parse(await this.#call("POST", `${device}:planSuspend`, {}));
    return plan.feasible ? [] : plan.blockers.map(({ message }) => message);
  }

  /** Suspends to S3, and rather not at all than with work of clients given up. @throws Error in the daemon's words. */
  async suspend(device: string): Promise<void> {
    await this.#call("POST", `${device}:suspend`, { state: "S3", onIdleTimeout: "ABORT" });
  }

  /** @throws Error in the daemon's words. */
  async resume(device: string): Promise<void> {
    await this.#call("POST", `${device}:resume`, {});
  }

  async #call(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.#url}/v1/${path}`, {
      method,
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer: unknown = await response.json();
    if (response.ok) return answer;
    const refusal = REFUSAL.safeParse(answer);
    throw new Error(refusal.success ? refusal.data.error.message : `${method} ${path}: ${response.status}`);
  }
}
