/** What a soak looks at: memory, handles, event loop and metrics of the daemon, and whether any of them grows. */
import { parseMetrics } from "../../test/support/metrics-text.ts";

export interface Sample {
  readonly atSeconds: number;
  readonly rssMib: number;
  readonly handles: number;
  /** 99th percentile since the sample before. Milliseconds. */
  readonly loopDelayMs: number;
  /** Time series that a scrape answers. */
  readonly series: number;
}

type Column = Exclude<keyof Sample, "atSeconds">;

/** What may come on top of the second quarter by the last one: a share of it, and so much. */
const GROWTH_MAX: Readonly<Record<Column, { readonly share: number; readonly amount: number }>> = {
  // What V8 keeps for itself comes and goes.
  rssMib: { share: 0.15, amount: 24 },
  handles: { share: 0, amount: 10 },
  loopDelayMs: { share: 1, amount: 20 },
  // A reason or a status code gets its series when it first occurs.
  series: { share: 0.05, amount: 20 },
};
const COLUMNS = Object.keys(GROWTH_MAX).filter((name): name is Column => Object.hasOwn(GROWTH_MAX, name));
/** With fewer there is no telling. */
const SAMPLES_MIN = 8;

export async function takeSample(base: string, atSeconds: number): Promise<Sample> {
  const { samples, value } = parseMetrics(await (await fetch(`${base}/metrics`)).text());
  return {
    atSeconds,
    rssMib: value("process_resident_memory_bytes") / 2 ** 20,
    handles: value("process_open_fds"),
    loopDelayMs: value("nodejs_eventloop_lag_p99_seconds") * 1000,
    series: samples.length,
  };
}

/** Sentences about what grew from the second quarter to the last. The first is for warming up. */
export function growthOf(samples: readonly Sample[]): string[] {
  if (samples.length < SAMPLES_MIN) return [`${samples.length} samples are too few to tell`];
  const quarter = Math.floor(samples.length / 4);
  const early = samples.slice(quarter, 2 * quarter);
  const late = samples.slice(-quarter);
  return COLUMNS.flatMap((column) => {
    const [before, after] = [early, late].map((part) => median(part.map((sample) => sample[column])));
    const { share, amount } = GROWTH_MAX[column];
    if (after <= before * (1 + share) + amount) return [];
    return [`${column} grew from ${before.toFixed(1)} to ${after.toFixed(1)}`];
  });
}

/** At most `rowsMax` of the samples, evenly spread, as a table. */
export function tableOf(samples: readonly Sample[], rowsMax: number): string {
  const step = Math.max(1, Math.ceil(samples.length / rowsMax));
  const rows = samples.filter((_, at) => at % step === 0 || at === samples.length - 1);
  const line = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(12)).join("");
  return [
    line(["seconds", "RSS MiB", "handles", "loop p99 ms", "series"]),
    ...rows.map((row) =>
      line([
        row.atSeconds.toFixed(0),
        row.rssMib.toFixed(0),
        String(row.handles),
        row.loopDelayMs.toFixed(1),
        String(row.series),
      ]),
    ),
  ].join("\n");
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
