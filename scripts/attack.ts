/**
 * `npm run attack [-- --seconds N] [--connections N] [WORDS OF AN ATTACK…]`: each attack of test/attack for a
 * minute against a daemon of its own with default sizes, tokens and TLS, in a control group of 700 MB, or in a
 * Docker container of 700 MB where none can be made. Prints a table. Exit code 1 when a daemon died, lost a
 * byte, answered health too slowly, wrote too much into its log, or refused another caller for want of room.
 */
import { parseArgs } from "node:util";
import { ATTACKS } from "../test/attack/siege/all.ts";
import type { Attack } from "../test/attack/siege/attack.ts";
import { besiege, type Report } from "../test/attack/siege/besiege.ts";
import { Victim } from "../test/attack/siege/victim.ts";

const MEMORY_LIMIT_BYTES = 700_000_000;
/** What a daemon under attack must keep. Units: milliseconds, bytes. */
const HEALTH_MEDIAN_MAX_MS = 100;
const LOG_BYTES_MAX = 1_000_000;
/**
 * On a machine that is busy with something else health may take so many times what it took before the attack.
 */
const BUSY_FACTOR = 5;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "60" },
    connections: { type: "string", default: "50" },
  },
});
const options = {
  quietMs: 2_000,
  durationMs: positive("seconds", values.seconds) * 1000,
  connections: positive("connections", values.connections),
  acts: Number.POSITIVE_INFINITY,
};
const stop = new AbortController();

const wanted = ATTACKS.filter(
  ({ name }) => positionals.length === 0 || positionals.some((words) => name.includes(words)),
);
if (wanted.length === 0) throw new Error(`No attack is called so; there are: ${namesOf(ATTACKS)}.`);
process.stdout.write(
  "attack | acts | sent | seconds | peak RSS | processor | health before | health, median | answered | log | others | bytes\n" +
    "---|---|---|---|---|---|---|---|---|---|---|---\n",
);
// What is left behind otherwise is a daemon and its limit.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
let failed = 0;
for (const attack of wanted) {
  if (stop.signal.aborted) break;
  const report = await against(attack);
  if (!isBorne(report)) failed++;
  process.stdout.write(`${rowOf(report)}\n`);
}
process.exitCode = failed === 0 && !stop.signal.aborted ? 0 : 1;

async function against(attack: Attack): Promise<Report> {
  await using victim = await Victim.start({ memoryLimitBytes: MEMORY_LIMIT_BYTES });
  if (attack === wanted[0]) process.stderr.write(`${victim.limit.told}\n`);
  return await besiege(victim, attack, { ...options, signal: stop.signal });
}

function isBorne(report: Report): boolean {
  const { by, died, intact, refused, healthMedianMs, quietMedianMs, logBytes } = report;
  const isQuick = healthMedianMs < Math.max(HEALTH_MEDIAN_MAX_MS, BUSY_FACTOR * quietMedianMs);
  // Each change that an operator makes has its line.
  const isQuiet = by === "operator" || logBytes < LOG_BYTES_MAX;
  return died === undefined && intact && refused.length === 0 && isQuick && isQuiet;
}

function rowOf(report: Report): string {
  const { healthAnswers, healthUnanswered } = report;
  return [
    `${isBorne(report) ? "" : "**"}${report.attack}${isBorne(report) ? "" : "**"}`,
    report.acts,
    mebibytes(report.sentBytes),
    report.seconds.toFixed(1),
    report.died === undefined ? mebibytes(report.peakBytes) : `died: ${report.died}`,
    `${Math.round(100 * report.processorShare)} %`,
    `${report.quietMedianMs.toFixed(1)} ms`,
    `${report.healthMedianMs.toFixed(1)} ms`,
    `${healthAnswers} of ${healthAnswers + healthUnanswered}`,
    `${(report.logBytes / 1000).toFixed(1)} kB`,
    report.refused[0] ?? "served",
    report.intact ? "intact" : "LOST",
  ].join(" | ");
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function namesOf(attacks: readonly Attack[]): string {
  return attacks.map(({ name }) => `"${name}"`).join(", ");
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} ${text} is not a number above 0.`);
  return value;
}
