/** How fast a server answers, and what CPU time an answer takes, beside a bare server in the same rounds. */
import { cpuSecondsOf } from "./cpu-time.ts";
import type { Aim, Row } from "./row.ts";
import { median, medianRatio } from "./statistics.ts";

export interface Measured {
  readonly calls: number;
  readonly seconds: number;
}

export interface Server {
  readonly pid: number;
  /** Calls it for one round. */
  measure(): Promise<Measured>;
}

export interface Comparison {
  /** What is called. */
  readonly name: string;
  readonly unit: string;
  /** The name of the bare server. */
  readonly limit: string;
  readonly ours: Server;
  readonly bare: Server;
  readonly rounds: number;
  /** Of the rate. */
  readonly aim: Aim & { readonly atLeast: number };
}

/**
 * Two rows: calls a second, and CPU time of a call. The second one is the same on a machine that does other things
 * besides.
 */
export async function compareRates(comparison: Comparison): Promise<readonly Row[]> {
  const { name, unit, limit, aim } = comparison;
  const ours: Figures[] = [];
  const bare: Figures[] = [];
  for (let round = 0; round <= comparison.rounds; round++) {
    const limits = await figuresOf(comparison.bare);
    const figures = await figuresOf(comparison.ours);
    // The first round warms both, and is not counted.
    if (round === 0) continue;
    bare.push(limits);
    ours.push(figures);
  }
  const row = (of: keyof Figures) => {
    const figures = ours.map((each) => each[of]);
    const limits = bare.map((each) => each[of]);
    return {
      figure: median(figures),
      limit: { name: limit, figure: median(limits) },
      ratio: medianRatio(figures, limits),
    };
  };
  return [
    { name, unit, ...row("callsPerSecond"), aim },
    {
      name: `${name}, CPU time of a call`,
      unit: "us",
      ...row("cpuMicros"),
      aim: { of: "ratio", atMost: 1 / aim.atLeast },
    },
  ];
}

interface Figures {
  readonly callsPerSecond: number;
  readonly cpuMicros: number;
}

async function figuresOf({ pid, measure }: Server): Promise<Figures> {
  const before = await cpuSecondsOf(pid);
  const { calls, seconds } = await measure();
  const cpuSeconds = (await cpuSecondsOf(pid)) - before;
  return { callsPerSecond: calls / seconds, cpuMicros: (cpuSeconds / calls) * 1e6 };
}
