/**
 * Whatever is sent over either wire, the daemon lives, says what is wrong as docs/errors.md promises, and keeps its device
 * whole. Requests are made from the descriptors, so that a new method is attacked without a line here. The seed is printed;
 * TORPOR_FUZZ_SEED repeats a run, TORPOR_FUZZ_RUNS makes it longer.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Binding, readBindings } from "../../../src/contract/http-bindings.ts";
import { REGISTRY } from "../../../src/contract/registry.ts";
import { newToken } from "../../../src/server/auth/new-token.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";
import { type FuzzJson, toJsonFields, toProtobuf } from "../../support/fuzz-encode.ts";
import type { Verdict } from "../../support/fuzz-judge.ts";
import { type FuzzMessage, hostileText, isFuzzMessage, requestsOf } from "../../support/fuzz-messages.ts";
import { FuzzTarget, type Headers } from "../../support/fuzz-target.ts";

const RUNS = Number(process.env.TORPOR_FUZZ_RUNS ?? 400);
const SEED = Number(process.env.TORPOR_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** How many attacks before the one that failed are shown: it may be the state that they made. */
const HISTORY_SHOWN = 20;
const BINDINGS = readBindings(REGISTRY);
const SMALL = { lmemSizesBytes: [16 * 2 ** 20], smemBytes: 32 * 2 ** 20, engines: ["rcs0", "bcs0"] };

/** One attack, ready to be sent with some headers; shown by its description when it fails. */
interface Attack {
  readonly about: string;
  send(target: FuzzTarget, headers: Headers): Promise<Verdict>;
}

let folder: string;
let open: TestDaemon;
let guarded: TestDaemon;
const admin = newToken("fuzz", "admin");
const viewer = newToken("look", "viewer");

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "torpor-fuzz-"));
  const tokensFile = join(folder, "tokens.yaml");
  writeFileSync(tokensFile, `tokens:\n${admin.line}\n${viewer.line}\n`, { mode: 0o600 });
  open = await startTestDaemon({
    ...SMALL,
    dataDirectory: join(folder, "data"),
    swapBytes: 16 * 2 ** 20,
    imageQuotaBytes: 256 * 2 ** 20,
  });
  guarded = await startTestDaemon({ ...SMALL, tokensFile });
});
afterAll(async () => {
  await Promise.all([open, guarded].map((daemon) => daemon[Symbol.asyncDispose]()));
  rmSync(folder, { recursive: true });
});

const anyBinding = fc.constantFrom(...BINDINGS);
const bindingWithRequest = anyBinding.chain((binding) =>
  requestsOf(binding).map((message) => ({ binding, message })),
);

function rarely<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, arbitrary);
}

function grpcMessages(): fc.Arbitrary<Attack> {
  return bindingWithRequest.map(({ binding: { rpc, method }, message }) => ({
    about: `gRPC ${rpc} ${show(message)}`,
    send: (target, headers) => target.grpc(rpc, [toProtobuf(method.input, filled(target, message))], headers),
  }));
}

function grpcBytes(): fc.Arbitrary<Attack> {
  const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 });
  return fc.tuple(anyBinding, messages).map(([{ rpc }, bytes]) => ({
    about: `gRPC ${rpc} with the bytes ${bytes.map((message) => Buffer.from(message).toString("hex"))}`,
    send: (target, headers) => target.grpc(rpc, bytes.map(Buffer.from), headers),
  }));
}

/** Length-prefixed messages that are cut off, too long, compressed by what nobody knows, or not there. */
function grpcFrames(): fc.Arbitrary<Attack> {
  const prefix = fc.tuple(
    fc.constantFrom(0, 0, 1, 255),
    fc.constantFrom(0, 1, 5, 300, 2 ** 22 + 1, 2 ** 32 - 1),
  );
  const parts = fc.tuple(anyBinding, prefix, fc.uint8Array({ maxLength: 300 }), fc.nat(5), fc.boolean());
  return parts.map(([{ rpc }, [flag, length], data, cut, resets]) => {
    const head = Buffer.from([flag, ...[24, 16, 8, 0].map((shift) => (length >>> shift) & 0xff)]);
    const bytes = data.length === 0 ? head.subarray(0, cut) : Buffer.concat([head, data]);
    return {
      about: `gRPC frames of ${rpc}: ${bytes.toString("hex")}${resets ? ", reset" : ""}`,
      send: (target, headers) => target.frames(rpc, bytes, resets, headers),
    };
  });
}

function restMessages(): fc.Arbitrary<Attack> {
  const body = fc.tuple(bindingWithRequest, rarely(fc.json({ maxDepth: 3 })));
  return body.map(([{ binding, message }, other]) => ({
    about: `REST ${binding.rpc} ${show(message)} ${other ?? ""}`,
    send(target, headers) {
      const { path, query, json } = restOf(
        binding,
        toJsonFields(binding.method.input, filled(target, message)),
      );
      const text = other ?? JSON.stringify(json);
      const url = `${path}${query}`;
      return target.http({
        method: binding.httpMethod,
        path: url,
        headers,
        body: json === undefined && other === undefined ? undefined : Buffer.from(text),
      });
    },
  }));
}

/** Bodies that are no JSON, or JSON that nobody should believe. */
function restBodies(): fc.Arbitrary<Attack> {
  const bodies = fc.oneof(
    fc.integer({ min: 1, max: 20_000 }).map((depth) => "[".repeat(depth)),
    fc.integer({ min: 1, max: 20_000 }).map((depth) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`),
    fc.constantFrom(
      '{"size":"1","size":"2"}',
      '{"__proto__":{"x":1}}',
      "null",
      "[]",
      "0",
      '"x"',
      "{",
      "\ufeff{}",
    ),
    fc.constantFrom('{"size":1e400}', '{"size":0.1}', '{"wait":{}}', '{"names":"x"}', '{"regions":[null]}'),
    fc.dictionary(hostileText, fc.jsonValue(), { maxKeys: 4 }).map((value) => JSON.stringify(value)),
  );
  const bytes = fc.oneof(
    bodies.map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 200 }).map(Buffer.from),
  );
  const type = fc.constantFrom("application/json", "text/plain", "multipart/form-data", "\u00ff");
  return fc.tuple(bindingWithRequest, bytes, type).map(([{ binding, message }, body, contentType]) => ({
    about: `REST ${binding.rpc} with the body ${body.toString("latin1").slice(0, 200)}`,
    send(target, headers) {
      const { path } = restOf(binding, toJsonFields(binding.method.input, filled(target, message)));
      const all = { ...headers, "content-type": contentType };
      return target.http({ method: binding.httpMethod, path, headers: all, body });
    },
  }));
}

function content(): fc.Arbitrary<Attack> {
  const number = fc.constantFrom("0", "1", "10", "65535", "65536", "99999999999999999999", "-1", "", "x");
  const range = fc.oneof(
    fc.tuple(number, number).map(([from, to]) => `bytes=${from}-${to}`),
    fc.constantFrom("bytes=0-1,3-4", "bits=0-1", "bytes", `bytes=${"0-1,".repeat(500)}`),
  );
  const contentRange = fc
    .tuple(number, number, number)
    .map(([from, to, size]) => `bytes ${from}-${to}/${size}`);
  const headers = fc.record(
    {
      range,
      "content-range": contentRange,
      "if-range": fc.constant("x"),
      expect: fc.constant("100-continue"),
    },
    { requiredKeys: [] },
  );
  const parts = fc.record({
    method: fc.constantFrom("GET", "HEAD", "PUT", "PUT", "DELETE"),
    object: fc.oneof(
      fc.nat(7).map((index) => `{object${index}}`),
      hostileText,
    ),
    body: fc.uint8Array({ maxLength: 70_000, size: "max" }),
    headers,
  });
  return parts.map(({ method, object, body, headers: own }) => ({
    about: `${method} of content of ${JSON.stringify(object)} ${JSON.stringify(own)}, ${body.length} bytes`,
    send(target, headers) {
      const path = `/v1/devices/card0/objects/${encode(target.fill(object))}/content`;
      const sent = method === "PUT" ? Buffer.from(body) : undefined;
      return target.http({ method, path, headers: { ...headers, ...own }, body: sent });
    },
  }));
}

function events(): fc.Arbitrary<Attack> {
  const fields = fc.array(
    fc.tuple(
      fc.oneof(fc.constantFrom("afterSequence", "types", "device", "x"), hostileText),
      fc.oneof(
        fc.constantFrom("0", "1", "-1", "99999999999", "BOOKMARK", "devices/card0", "1e3"),
        hostileText,
      ),
    ),
    { maxLength: 5 },
  );
  const last = fc.option(fc.constantFrom("0", "1", "-1", "x", "18446744073709551616"), { nil: undefined });
  return fc.tuple(fields, last).map(([pairs, id]) => {
    const query = pairs.map(([key, value]) => `${encode(key)}=${encode(value)}`).join("&");
    return {
      about: `events?${query} after ${id}`,
      send: (target, headers) => {
        const all = id === undefined ? headers : { ...headers, "last-event-id": id };
        return target.http({ method: "GET", path: `/v1/events?${query}`, headers: all });
      },
    };
  });
}

/** Requests that no library would send: wrong methods, paths and headers, cut off anywhere. */
function rawHttp(): fc.Arbitrary<Attack> {
  const methods = fc.constantFrom(
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PRI",
    "get",
    "\u0000",
  );
  const paths = fc.oneof(
    fc.constantFrom(...BINDINGS.map(({ template }) => template.replace(/\{[\w.]+=([^}]+)\}/, "$1"))),
    fc.constantFrom(
      "*",
      "//",
      "/v1/devices/card0:",
      "/v1/devices/%zz",
      "/v1/devices/..%2f",
      "http://x/v1/devices",
    ),
    hostileText.map((text) => `/v1/devices/${text}`),
  );
  const lines = fc.constantFrom(
    ...[
      "content-length: 5",
      "content-length: -1",
      "transfer-encoding: chunked",
      "host: evil.example",
      "host:",
    ],
    ...[
      "expect: 100-continue",
      "expect: x",
      "origin: https://evil.example",
      "upgrade: h2c",
      "\u0000: a",
      "a",
    ],
    ...[
      "connection: upgrade",
      `x: ${"y".repeat(20_000)}`,
      "idempotency-key: x",
      'if-match: "1"',
      "accept: */*",
    ],
  );
  const parts = fc.record({
    method: methods,
    path: paths,
    version: fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "x"),
    headers: fc.array(lines, { maxLength: 3 }),
    body: fc.constantFrom("", "{}", "hello", "5\r\nhello\r\n0\r\n\r\n", "ffffffffff\r\n", "zz\r\n"),
    cut: rarely(fc.nat(80)),
  });
  return parts.map(({ method, path, version, headers: own, body, cut }) => ({
    about: `raw ${JSON.stringify([method, path.slice(0, 200), version, own, body, cut])}`,
    send(target, headers) {
      const credentials = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      const head = [
        `${method} ${path} ${version}`,
        "host: localhost",
        "connection: close",
        ...credentials,
        ...own,
      ];
      return target.raw(Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`).subarray(0, cut));
    },
  }));
}

const attacks: fc.Arbitrary<Attack> = fc.oneof(
  { weight: 6, arbitrary: grpcMessages() },
  { weight: 6, arbitrary: restMessages() },
  { weight: 2, arbitrary: restBodies() },
  { weight: 2, arbitrary: content() },
  { weight: 2, arbitrary: rawHttp() },
  grpcBytes(),
  grpcFrames(),
  events(),
);

/** Sends attacks one after another; the first that fails ends the run, because the device is no longer as it was. */
async function attack(
  daemon: TestDaemon,
  runs: number,
  headersOf: (run: number) => Headers,
): Promise<Map<string, number>> {
  const seen = new Map<string, number>();
  using target = new FuzzTarget(daemon, { authorization: `Bearer ${admin.token}` });
  await target.recover();
  let run = 0;
  const history: string[] = [];
  const property = fc.asyncProperty(attacks, async ({ about, send }) => {
    const headers = headersOf(run++);
    history.push(about.slice(0, 300));
    try {
      const { ok, reason } = await send(target, headers);
      seen.set(reason, (seen.get(reason) ?? 0) + 1);
      if (headers === STRANGER) expect(ok && !/raw|content/.test(about), "a stranger is let in").toBe(false);
      await target.recover();
    } catch (error) {
      const before = history.slice(-HISTORY_SHOWN).join("\n");
      throw new Error(`${about}\nheaders ${JSON.stringify(headers)}\nafter\n${before}`, { cause: error });
    }
  });
  await fc.assert(property, {
    seed: SEED,
    numRuns: runs,
    endOnFailure: true,
  });
  for (const device of daemon.daemon.devices.values()) device.checkInvariants();
  return seen;
}

const NONE: Headers = {};
const STRANGER: Headers = { authorization: "Bearer torpor_unknown" };

test(`nothing that is sent breaks the daemon or its promises: seed ${SEED}`, async () => {
  const seen = await attack(open, Math.ceil(RUNS * 0.75), () => NONE);
  if (RUNS >= 400) expect([...seen.keys()]).toEqual(expect.arrayContaining(["OK", "INVALID_REQUEST"]));
  if (process.env.TORPOR_FUZZ_RUNS !== undefined) console.log(Object.fromEntries(seen));
}, 600_000);

test(`with tokens nothing does either, and strangers stay outside: seed ${SEED}`, async () => {
  const callers = [`Bearer ${admin.token}`, `Bearer ${viewer.token}`].map((authorization) => ({
    authorization,
  }));
  const all = [...callers, STRANGER];
  const seen = await attack(guarded, Math.ceil(RUNS * 0.25), (run) => all[run % all.length] ?? NONE);
  expect(seen.get("UNAUTHENTICATED")).toBeGreaterThan(0);
}, 600_000);

/** The path, query and body that say `json`. */
function restOf(binding: Binding, json: { [key: string]: FuzzJson }) {
  const { segments, verb, variable, body } = binding;
  const [outer = "", inner] = variable?.fieldPath ?? [];
  const camel = outer.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());
  const { [camel]: found, ...rest } = json;
  const resource = typeof found === "object" && found !== null && !Array.isArray(found) ? { ...found } : {};
  const name = inner === undefined ? found : resource[inner];
  const fixed = segments.map((part) => ("literal" in part ? part.literal : "x")).join("/");
  const path = variable === undefined ? fixed : String(name ?? "x");
  const suffix = path.endsWith("/content") || !fixed.endsWith("/content") ? "" : "/content";
  const traced = fixed.endsWith("/trace") ? "/trace" : suffix;
  const before = variable === undefined ? "" : "";
  const url = `/v1/${before}${path.replace(/^v1\//, "").split("/").map(encode).join("/")}${traced}${verb === "" ? "" : `:${verb}`}`;
  if (body === "*") return { path: url, query: "", json: rest };
  const query = Object.entries(rest).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value]).map((item) => `${encode(key)}=${encode(String(item))}`),
  );
  return { path: url, query: `?${query.join("&")}`, json: inner === undefined ? undefined : resource };
}

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** The message with the names of what there is. */
function filled(target: FuzzTarget, message: FuzzMessage): FuzzMessage {
  const fill = (value: unknown): unknown => {
    if (typeof value === "string") return target.fill(value);
    if (Array.isArray(value)) return value.map(fill);
    return isFuzzMessage(value) ? filled(target, value) : value;
  };
  return Object.fromEntries(Object.entries(message).map(([key, value]) => [key, fill(value)])) as FuzzMessage;
}

function show(message: FuzzMessage): string {
  const text =
    JSON.stringify(message, (_key, value) => (typeof value === "bigint" ? `${value}n` : value)) ?? "";
  assert(typeof text === "string");
  return text.slice(0, 1000);
}
