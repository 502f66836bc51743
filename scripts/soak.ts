/**
 * `npm run soak -- --minutes N [--clients C]`: a daemon of its own under load, transitions and faults, sampled all the while.
 * Prints a table at the end. Exit code 1 when memory, handles, the delay of the event loop or the number of time series
 * grew, when content was wrong, or when the daemon did not end well.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { DaemonProcess } from "../test/support/daemon-process.ts";
import { runLoad } from "./soak/load.ts";
import { growthOf, type Sample, tableOf, takeSample } from "./soak/samples.ts";

const ROWS_MAX = 24;
const SAMPLES_A_RUN = 240;
const SAMPLE_EVERY_MIN_MS = 1_000;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    clients: { type: "string", default: "6" },
  },
});
const minutes = positive("minutes", values.minutes);
const clients = positive("clients", values.clients);

const dataDirectory = mkdtempSync(join(tmpdir(), "torpor-soak-"));
try {
  process.exitCode = await soak();
} finally {
  rmSync(dataDirectory, { recursive: true, force: true });
}

/** Answers the exit code. */
async function soak(): Promise<number> {
  await using daemon = new DaemonProcess([
    ...["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--log-level", "error", "--enable-faults"],
    ...["--lmem", "32MiB", "--smem", "48MiB", "--swap", "64MiB", "--data-dir", dataDirectory],
  ]);
  const base = `http://${(await daemon.ready()).http}`;
  const stop = new AbortController();
  const load = runLoad(base, clients, stop.signal);
  const samples: Sample[] = [];
  const start = performance.now();
  const durationMs = minutes * 60_000;
  const everyMs = Math.max(SAMPLE_EVERY_MIN_MS, durationMs / SAMPLES_A_RUN);
  // A load that fails ends the soak at once.
  const failed = load.then(
    () => false,
    () => true,
  );
  while (performance.now() - start < durationMs) {
    if (await Promise.race([failed, pause(everyMs, false)])) break;
    samples.push(await takeSample(base, (performance.now() - start) / 1000));
  }
  stop.abort();
  const { calls, refused, transitions, faults, wrong } = await load;
  daemon.kill("SIGTERM");
  const exit = await daemon.exit();
  console.log(tableOf(samples, ROWS_MAX));
  console.log(`${calls} calls, ${transitions} transitions, ${faults} faults; refused or failed:`);
  for (const [reason, count] of refused) console.log(`${String(count).padStart(9)} ${reason}`);
  const complaints = [
    ...wrong,
    ...growthOf(samples),
    ...(exit.code === 0 ? [] : [`the daemon ended with exit code ${exit.code}, signal ${exit.signal}`]),
  ];
  for (const complaint of complaints) console.log(`FAILED: ${complaint}`);
  return complaints.length === 0 ? 0 : 1;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  console.error(`--${name} ${text} is not a number above 0.`);
  process.exit(2);
}
