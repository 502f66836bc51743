/**
 * What an object costs: one million of 4 KiB created in batches, listed page by page, looked up, pinned, unpinned and
 * deleted, on a threaded device by the machine's clock, straight through `execute` without a wire. Prints core time
 * (all threads of the process) and elapsed time for each operation, and memory for each object, next to the aims: 5 µs
 * of core time an operation, 600 bytes an object.
 *
 * Run: node bench/objects.ts [objects]
 */
import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { BATCH_OBJECTS_MAX, GIB, KIB, PAGE_SIZE_MAX } from "../src/device/limits.ts";
import { bootDevice, type Command, type Device } from "../src/device/mod.ts";
import { systemClock } from "../src/server/system-clock.ts";

const COUNT = Number(process.argv[2] ?? 1_000_000);
/** Operations that take one object a call are measured on fewer. */
const SINGLES = Math.min(COUNT, 100_000);
const AIM_US = 5;
const AIM_BYTES = 600;
const TEMPLATE = { sizeBytes: 4 * KIB, regions: ["lmem0"], flags: [], alignmentBytes: 0, label: "bench" };

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

interface MemoryUse {
  readonly rss: number;
  readonly heap: number;
  readonly buffers: number;
}

function memoryUse(): MemoryUse {
  collectGarbage();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { rss, heap: heapUsed, buffers: arrayBuffers };
}

async function measure(name: string, operations: number, work: () => Promise<void>): Promise<void> {
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  await work();
  const elapsedUs = ((performance.now() - start) * 1000) / operations;
  const { user, system } = process.cpuUsage(cpuBefore);
  const coreUs = (user + system) / operations;
  const verdict = coreUs < AIM_US ? "" : `  over the aim of ${AIM_US} µs`;
  console.log(
    `${name.padEnd(44)} ${coreUs.toFixed(3).padStart(9)} µs core ${elapsedUs.toFixed(3).padStart(9)} µs elapsed${verdict}`,
  );
}

function printMemory(name: string, before: MemoryUse, after: MemoryUse): void {
  const each = (key: keyof MemoryUse): string => ((after[key] - before[key]) / COUNT).toFixed(0).padStart(6);
  const over = (after.rss - before.rss) / COUNT < AIM_BYTES ? "" : `  over the aim of ${AIM_BYTES} bytes`;
  console.log(
    `${name.padEnd(44)} ${each("rss")} bytes of RSS, ${each("heap")} of heap, ${each("buffers")} of buffers${over}`,
  );
}

function inBatches(ids: readonly string[], execute: (objects: readonly string[]) => Promise<unknown>) {
  return async (): Promise<void> => {
    for (let at = 0; at < ids.length; at += BATCH_OBJECTS_MAX) {
      await execute(ids.slice(at, at + BATCH_OBJECTS_MAX));
    }
  };
}

/** One command for each id. */
function oneByOne(device: Device, ids: readonly string[], command: (object: string) => Command) {
  return async (): Promise<void> => {
    for (const id of ids) await device.execute(command(id));
  };
}

async function listAll(device: Device): Promise<void> {
  let seen = 0;
  let afterId = "";
  do {
    const page = { type: "listObjects", limit: PAGE_SIZE_MAX, showDeviceOwned: false, afterId } as const;
    const { objects, nextAfterId } = await device.execute(page);
    seen += objects.length;
    afterId = nextAfterId;
  } while (afterId !== "");
  if (seen !== COUNT) throw new Error(`${seen} objects were listed, not ${COUNT}.`);
}

async function run(device: Device): Promise<void> {
  const empty = memoryUse();
  const ids: string[] = [];
  await measure("create, 10,000 a call", COUNT, async () => {
    for (let left = COUNT; left > 0; left -= BATCH_OBJECTS_MAX) {
      const count = Math.min(left, BATCH_OBJECTS_MAX);
      const { objects } = await device.execute({ type: "batchCreateObjects", template: TEMPLATE, count });
      ids.push(...objects);
    }
  });
  const names = memoryUse();
  await measure("list, 1,000 a page", COUNT, () => listAll(device));
  await measure(
    "get, in no order",
    SINGLES,
    oneByOne(
      device,
      Array.from({ length: SINGLES }, (_, at) => ids[(at * 7919) % COUNT]),
      (object) => ({ type: "getObject", object }),
    ),
  );
  await measure(
    "pin: place, 10,000 a call",
    COUNT,
    inBatches(ids, (objects) => device.execute({ type: "batchPinObjects", objects })),
  );
  const resident = memoryUse();
  await measure("list, 1,000 a page, resident", COUNT, () => listAll(device));
  await measure(
    "unpin, 10,000 a call",
    COUNT,
    inBatches(ids, (objects) => device.execute({ type: "batchUnpinObjects", objects })),
  );
  const gone = ids.splice(0, SINGLES);
  await measure(
    "delete, one a call",
    SINGLES,
    oneByOne(device, gone, (object) => ({ type: "deleteObject", object })),
  );
  await measure(
    "delete, 10,000 a call",
    ids.length,
    inBatches(ids, (objects) => device.execute({ type: "batchDeleteObjects", objects })),
  );
  await measure("create, one a call", SINGLES, async () => {
    for (let at = 0; at < SINGLES; at++) await device.execute({ type: "createObject", ...TEMPLATE });
  });
  device.checkInvariants();
  console.log(`\n${COUNT} objects of 4 KiB; the ids that this program keeps are part of what it counts:`);
  printMemory("an object without bytes", empty, names);
  printMemory("an object in local memory, pinned", empty, resident);
}

const device = await bootDevice({
  name: "card0",
  uid: "6f1c2d3e-4b5a-4978-8c6d-0123456789ab",
  lmem: [{ sizeBytes: 8 * GIB, minPageBytes: 4 * KIB }],
  smem: { sizeBytes: GIB },
  engines: ["bcs0"],
  engineForm: "threaded",
  clock: systemClock,
  clockModule: new URL("../src/server/monotonic-clock.ts", import.meta.url),
  random: () => 0.5,
  emit: () => {},
  sha256: () => {
    const hash = createHash("sha256");
    return { update: (bytes) => void hash.update(bytes), digestHex: () => hash.digest("hex") };
  },
});
try {
  await run(device);
} finally {
  await device.close();
}
