/**
 * What a failpoint costs where nothing is armed: nanoseconds for `fires` and for an awaited `pass`, each against the same
 * call to a function that does nothing, and with another failpoint armed. Rounds are interleaved, so that all of them have
 * the same machine; printed are the medians and their ratio to the empty call.
 *
 * Run: node bench/failpoint.ts [rounds]
 */
import { type DeviceFailpoints, Failpoints, VirtualClock } from "../src/device/mod.ts";

const ROUNDS = Number(process.argv[2] ?? 41);
const CALLS = 1_000_000;
const AWAITED_CALLS = 200_000;

const clock = new VirtualClock({ settle: () => Promise.resolve() });
const crash = (): never => {
  throw new Error("nothing crashes here");
};
const disarmed = new Failpoints({ clock, crash });
const armed = new Failpoints({ clock, crash });
armed.arm("swap.read", {
  action: "ERROR",
  device: "",
  reason: "COPY_FAILED",
  delayMs: 0,
  probability: 1,
  count: 0,
  after: 0,
  seed: 1,
});
const done = Promise.resolve();
const empty: DeviceFailpoints = { pass: () => done, fires: () => false };

const subjects: readonly (readonly [string, DeviceFailpoints])[] = [
  ["empty function", empty],
  ["nothing armed", disarmed.forDevice("card0")],
  ["another armed", armed.forDevice("card0")],
];
/** Takes what is measured, so that no call can be left out. */
let fired = 0;

const firing = subjects.map((): number[] => []);
const passing = subjects.map((): number[] => []);
for (let round = 0; round <= ROUNDS; round++) {
  for (const [at, [, failpoints]] of subjects.entries()) {
    const firingNs = measureFires(failpoints);
    const passingNs = await measurePass(failpoints);
    // The first round is for the compiler.
    if (round === 0) continue;
    firing[at].push(firingNs);
    passing[at].push(passingNs);
  }
}
print("fires", firing);
print("await pass", passing);
if (fired > 0) throw new Error("a failpoint fired that nobody had armed");

function measureFires(failpoints: DeviceFailpoints): number {
  const start = performance.now();
  for (let call = 0; call < CALLS; call++) if (failpoints.fires("evict.object")) fired++;
  return ((performance.now() - start) * 1e6) / CALLS;
}

async function measurePass(failpoints: DeviceFailpoints): Promise<number> {
  const start = performance.now();
  for (let call = 0; call < AWAITED_CALLS; call++) await failpoints.pass("evict.object");
  return ((performance.now() - start) * 1e6) / AWAITED_CALLS;
}

function print(what: string, columns: readonly (readonly number[])[]): void {
  const [base] = columns.map(medianOf);
  for (const [at, [name]] of subjects.entries()) {
    const ns = medianOf(columns[at]);
    console.log(
      `${what.padEnd(12)}${name.padEnd(16)}${ns.toFixed(2).padStart(8)} ns  x${(ns / base).toFixed(2)}`,
    );
  }
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
