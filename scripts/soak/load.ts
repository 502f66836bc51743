/** The load of a soak: clients that check what they read back, one who changes the power, and one who breaks things. */
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

const DEVICE = "devices/card0";
const OBJECTS_MAX = 8;
/** Multiples of the page, so that an object is as large as its content. */
const SIZES = [64 * 1024, 192 * 1024, 512 * 1024, 2 * 1024 * 1024];
const CALL_TIMEOUT_MS = 150_000;
const STATES = ["S2IDLE", "S3", "S4"];
/** What fails once and is undone or survived. */
const FAILPOINTS = [
  "evict.object",
  "backup.allocate",
  "copy.blit",
  "memcpy.object",
  "firmware.load",
  "engine.start",
  "image.write",
  "image.seal",
  "powerOn.before",
  "restoreLate.object",
  "swap.write",
];

/** What the load has done, and what must never happen. */
export interface Tally {
  calls: number;
  /** Calls that were refused or failed, by reason. */
  readonly refused: Map<string, number>;
  transitions: number;
  faults: number;
  /** Sentences about content that was not what was written. */
  readonly wrong: string[];
}

/** Runs until `signal` says stop; resolves when everybody has. */
export async function runLoad(base: string, clients: number, signal: AbortSignal): Promise<Tally> {
  const tally: Tally = { calls: 0, refused: new Map(), transitions: 0, faults: 0, wrong: [] };
  const call = callerOf(base, tally);
  await Promise.all([
    ...Array.from({ length: clients }, () => beClient(call, tally, signal)),
    changePower(call, tally, signal),
    breakThings(call, tally, signal),
  ]);
  await call("POST", "failpoints:reset", {});
  await call("POST", `${DEVICE}:resume`, {});
  return tally;
}

interface Answer {
  readonly ok: boolean;
  readonly bytes: Uint8Array;
}

type Call = (method: string, path: string, body?: object | Uint8Array<ArrayBuffer>) => Promise<Answer>;

function callerOf(base: string, tally: Tally): Call {
  return async (method, path, body) => {
    tally.calls++;
    const isContent = body instanceof Uint8Array;
    const answer = await fetch(`${base}/v1/${path}`, {
      method,
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      ...(body === undefined ? {} : { body: isContent ? body : JSON.stringify(body) }),
      ...(isContent ? { headers: { "content-type": "application/octet-stream" } } : {}),
    });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if (!answer.ok) {
      const reason =
        /"reason": ?"([A-Z_]+)"/.exec(Buffer.from(bytes).toString())?.[1] ?? String(answer.status);
      tally.refused.set(reason, (tally.refused.get(reason) ?? 0) + 1);
    }
    return { ok: answer.ok, bytes };
  };
}

async function beClient(call: Call, tally: Tally, signal: AbortSignal): Promise<void> {
  /** SHA-256 by name; undefined while it is not known what an upload that failed has left. */
  const objects = new Map<string, string | undefined>();
  while (!signal.aborted) {
    const names = [...objects.keys()];
    const name = names[Math.floor(Math.random() * names.length)];
    const dice = Math.random();
    if (name === undefined || (dice < 0.2 && objects.size < OBJECTS_MAX)) {
      const size = SIZES[Math.floor(Math.random() * SIZES.length)];
      const made = nameOf(await call("POST", `${DEVICE}/objects`, { size: String(size), label: "soak" }));
      if (made === undefined) await pause(5);
      else objects.set(made, await upload(call, made, size));
    } else if (dice < 0.3 || objects.size >= OBJECTS_MAX) {
      if ((await call("DELETE", name)).ok) objects.delete(name);
      else await call("POST", `${name}:unpin`, {});
    } else if (dice < 0.6) {
      const expected = objects.get(name);
      const { ok, bytes } = await call("GET", `${name}/content`);
      if (ok && expected !== undefined && sha256(bytes) !== expected) {
        tally.wrong.push(`${name} holds what was not written`);
      }
    } else if (dice < 0.7) {
      await call("POST", `${name}:${dice < 0.65 ? "pin" : "unpin"}`, {});
    } else if (dice < 0.8) await call("POST", `${name}:move`, { region: "smem" });
    else if (dice < 0.9) await work(call, name, objects);
    else await call("GET", `${DEVICE}/objects`);
  }
  for (const name of objects.keys()) {
    await call("POST", `${name}:unpin`, {});
    await call("DELETE", name);
  }
}

/** The hash of what was uploaded; undefined when it did not arrive whole. */
async function upload(call: Call, name: string, sizeBytes: number): Promise<string | undefined> {
  const bytes = new Uint8Array(randomBytes(sizeBytes));
  return (await call("PUT", `${name}/content`, bytes)).ok ? sha256(bytes) : undefined;
}

/** Has an engine write to the object in a context of its own, and forgets what it holds. */
async function work(call: Call, object: string, objects: Map<string, string | undefined>): Promise<void> {
  const context = nameOf(await call("POST", `${DEVICE}/contexts`, { engine: `${DEVICE}/engines/bcs0` }));
  if (context === undefined) return;
  objects.set(object, undefined);
  const commands = [{ fill: { object, offset: "0", length: "4096", pattern: 7 } }];
  await call("POST", `${context}:submit`, { commands, wait: "10s" });
  await call("DELETE", context);
}

async function changePower(call: Call, tally: Tally, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(200 + Math.random() * 600);
    const state = STATES[tally.transitions % STATES.length];
    const suspended = await call("POST", `${DEVICE}:suspend`, { state });
    if (suspended.ok) tally.transitions++;
    for (let tries = 0; tries < 20; tries++) {
      if ((await call("POST", `${DEVICE}:resume`, {})).ok) break;
      await pause(50);
    }
    tally.transitions++;
  }
}

async function breakThings(call: Call, tally: Tally, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(300 + Math.random() * 1500);
    const name = FAILPOINTS[tally.faults % FAILPOINTS.length];
    if ((await call("PUT", `failpoints/${name}`, { action: "ERROR", count: 1 })).ok) tally.faults++;
    if (tally.faults % 5 === 0) await call("POST", `${DEVICE}:reset`, { scope: "GT" });
  }
}

function nameOf({ ok, bytes }: Answer): string | undefined {
  if (!ok) return undefined;
  const { name } = Object(JSON.parse(Buffer.from(bytes).toString()));
  return typeof name === "string" ? name : undefined;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
