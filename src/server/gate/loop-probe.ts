/** Detects that the event loop is so late that more calls would only make it later. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { LOOP_DELAY_MAX_MS, LOOP_RESOLUTION_MS, LOOP_SAMPLE_MS, LOOP_SLOW_SAMPLES } from "../limits.ts";

/** The 99th percentile of the event loop's delay since the last request. Unit: milliseconds. */
export type LoopDelay = () => number;

/** Judges samples. The owner of a clock takes them; see `watchEventLoop`. */
export class LoopProbe {
  readonly #delayMs: LoopDelay;
  #slowSamples = 0;

  constructor(delayMs: LoopDelay) {
    this.#delayMs = delayMs;
  }

  /** Adds a sample. */
  sample(): void {
    this.#slowSamples = this.#delayMs() > LOOP_DELAY_MAX_MS ? this.#slowSamples + 1 : 0;
  }

  /** True from the second slow sample in a row until the next sample that is not slow. */
  get overloaded(): boolean {
    return this.#slowSamples >= LOOP_SLOW_SAMPLES;
  }
}

export interface LoopWatch {
  readonly probe: LoopProbe;
  stop(): void;
}

/** Samples the loop of this thread until stopped. Does not keep the process alive. */
export function watchEventLoop(): LoopWatch {
  const histogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  histogram.enable();
  const probe = new LoopProbe(() => {
    const delayMs = histogram.percentile(99) / 1e6;
    histogram.reset();
    return delayMs;
  });
  const timer = setInterval(() => probe.sample(), LOOP_SAMPLE_MS).unref();
  return {
    probe,
    stop() {
      clearInterval(timer);
      histogram.disable();
    },
  };
}
