/**
 * The thread side of a threaded engine. Spins briefly when there is nothing to do, then sleeps on the
 * doorbell.
 */
import assert from "node:assert/strict";
import { isMainThread, workerData } from "node:worker_threads";
import { ControlMemory, DOORBELL, SLEEPING } from "./control.ts";
import { EngineCore } from "./engine-core.ts";

/** The data that the main thread gives to the worker. */
export interface EngineWorkerData {
  readonly banks: readonly WebAssembly.Memory[];
  readonly control: WebAssembly.Memory;
  readonly block: number;
  readonly clockModule: string;
  /** Bytes per second that the engine may move; 0 for no limit. */
  readonly bytesPerSecondMax: number;
}

/** How often to check the doorbell before sleeping: about 20 microseconds. */
const SPINS = 2000;
/**
 * The rate limit makes the engine sleep in pieces of this length, so that it notices requests soon.
 * Milliseconds.
 */
const BRAKE_MS = 20;
/** Longest sleep while a command waits, because the awaited write rings no doorbell. Milliseconds. */
const WAIT_MS_MAX = 1;

function run(data: EngineWorkerData, nowNs: () => bigint): never {
  const control = new ControlMemory({ memory: data.control });
  const core = new EngineCore({ control, block: data.block, banks: data.banks, nowNs });
  const doorbell = control.register(data.block, DOORBELL);
  const sleeping = control.register(data.block, SLEEPING);
  let owedMs = 0;
  for (;;) {
    const seen = Atomics.load(control.words, doorbell);
    const kind = core.step();
    if (data.bytesPerSecondMax > 0) owedMs += (core.stepBytes / data.bytesPerSecondMax) * 1000;
    // A request is followed at once, and the remaining sleep is cancelled.
    while (owedMs >= 1 && !core.hasRequest()) {
      const napMs = Math.min(owedMs, BRAKE_MS);
      Atomics.wait(control.words, sleeping, 0, napMs);
      owedMs -= napMs;
    }
    if (core.hasRequest()) owedMs = 0;
    core.publish();
    if (kind === "progress") continue;
    let spins = kind === "idle" ? SPINS : 0;
    while (spins > 0 && Atomics.load(control.words, doorbell) === seen) spins--;
    if (spins > 0) continue;
    Atomics.store(control.words, sleeping, 1);
    const timeoutMs =
      kind === "waiting" && core.wakeAtNs !== undefined ? WAIT_MS_MAX : Number.POSITIVE_INFINITY;
    Atomics.wait(control.words, doorbell, seen, timeoutMs);
    Atomics.store(control.words, sleeping, 0);
  }
}

function isEngineWorkerData(data: unknown): data is EngineWorkerData {
  return typeof data === "object" && data !== null && "banks" in data && "control" in data && "block" in data;
}

/** The time as the device's clock tells it, from the module that the device's owner named. */
async function loadClock(module: string): Promise<() => bigint> {
  const loaded: unknown = await import(module);
  assert(
    typeof loaded === "object" && loaded !== null && "monotonicNs" in loaded,
    `${module} tells the time`,
  );
  const { monotonicNs } = loaded;
  assert(typeof monotonicNs === "function", `${module} exports monotonicNs`);
  return () => {
    const now: unknown = monotonicNs();
    assert(typeof now === "bigint", "time is nanoseconds as a bigint");
    return now;
  };
}

assert(!isMainThread, "engine-worker runs in a worker thread only");
assert(isEngineWorkerData(workerData), "an engine worker is told its banks, control memory and block");
run(workerData, await loadClock(workerData.clockModule));
