/**
 * Random messages of any type of the contract, from its descriptor alone: mostly legal values, some hostile ones. A message
 * is a tree of plain values, which `fuzz-encode.ts` writes as protobuf or as JSON. Names of what exists are placeholders,
 * such as `{object3}`, because nothing is known of the daemon yet.
 */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import fc from "fast-check";
import type { Binding } from "../../src/contract/http-bindings.ts";

export type FuzzValue = string | number | bigint | boolean | Uint8Array | FuzzValue[] | FuzzMessage;
/** By the names of the proto. Fields of a oneof may be there together. */
export interface FuzzMessage {
  [field: string]: FuzzValue | undefined;
}

/** A request has lists of messages, of messages: no type of the contract goes deeper. */
const DEPTH_MAX = 4;
const LIST_LENGTH_MAX = 4;
/** They end when the heartbeat has found them, seconds later. Hangs have tests of their own. */
const SLOW_FIELDS = ["hang", "wait_semaphore"];

export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom("", "..", "../..", ".", "/", "%2e%2e", "*", "-1", "00", "1e3", "__proto__", "constructor"),
  fc.constantFrom("\u0000", "a\u0000b", "\u202e", "\ud83d\udca9", "é\u0301", "a\r\nb: c", "'; --", "\ufeff1"),
  fc.constantFrom("x".repeat(257), "x".repeat(10_000), "\u{1f4a9}".repeat(2500), "a/".repeat(300)),
  fc.string({ unit: "binary", maxLength: 40 }),
);

/** `{object3}` and the like: `fuzz-target.ts` puts in what there is. */
function existing(kind: string): fc.Arbitrary<string> {
  return fc.integer({ min: 0, max: 7 }).map((index) => `{${kind}${index}}`);
}

/** Ids of each collection: what exists, what does not, what is no id. */
function idsOf(collection: string): fc.Arbitrary<string> {
  const known: Readonly<Record<string, fc.Arbitrary<string>>> = {
    devices: fc.constant("card0"),
    regions: fc.constantFrom("lmem0", "smem", "stolen"),
    engines: fc.constantFrom("rcs0", "bcs0"),
    objects: fc.oneof({ weight: 8, arbitrary: existing("object") }, fc.constantFrom("k1", "k2", "999999")),
    contexts: existing("context"),
    fences: existing("fence"),
    transitions: existing("transition"),
  };
  const right = known[collection] ?? fc.constantFrom("x", "1");
  return fc.oneof({ weight: 20, arbitrary: right }, hostileText);
}

/** Names of the form that a path has, with ids for its stars. */
function namesLike(pattern: readonly string[]): fc.Arbitrary<string> {
  const parts = pattern.map((part, index) =>
    part === "*" ? idsOf(pattern[index - 1] ?? "") : fc.constant(part),
  );
  return fc.oneof(
    { weight: 20, arbitrary: fc.tuple(...parts).map((found) => found.join("/")) },
    hostileText,
    existing("object").map((id) => `devices/card0/objects/${id}`),
  );
}

const objectName = fc.oneof(
  { weight: 3, arbitrary: idsOf("objects") },
  { weight: 3, arbitrary: namesLike(["devices", "*", "objects", "*"]) },
);
const UUIDS = ["7f0c1de2-3c57-4b5a-9d7a-2f6d7c1a0001", "7f0c1de2-3c57-4b5a-9d7a-2f6d7c1a0002"];

/** Texts that a field of this name may well have. */
const TEXTS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  device: idsOf("devices"),
  region: idsOf("regions"),
  regions: idsOf("regions"),
  engine: fc.oneof(idsOf("engines"), namesLike(["devices", "*", "engines", "*"])),
  object: objectName,
  source: objectName,
  destination: objectName,
  names: namesLike(["devices", "*", "objects", "*"]),
  wait_fences: namesLike(["devices", "*", "fences", "*"]),
  image: fc.constant(""),
  request_id: fc.oneof({ weight: 5, arbitrary: fc.uuid() }, fc.constantFrom(...UUIDS)),
  etag: fc.constant(""),
  label: fc.constantFrom("", "a", "weights"),
  filter: fc.constantFrom("", 'region="lmem0"', "state=RESIDENT"),
  page_token: fc.constant(""),
  paths: fc.constantFrom("enabled", "autosuspend_delay", "d3cold_threshold", "verify"),
};

/** Texts of which the daemon may think that it knows them. */
const WILD_TEXTS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  image: fc.constantFrom("images/x", "images/../x", "x"),
  etag: fc.constantFrom('"1"', "*", "x"),
  filter: fc.constantFrom('label="a" AND', "((((", "x".repeat(2000), 'region="..', "state=X"),
  page_token: fc.base64String({ maxLength: 60 }),
  paths: fc.constantFrom("name", "*", "x.y", "", "runtime_pm"),
};

const usualSizes = fc.constantFrom(0n, 4n, 4096n, 65_536n, 1_048_576n);
const wildSizes = fc.oneof(
  { weight: 2, arbitrary: fc.bigInt({ min: -8n, max: 200_000n }) },
  fc.constantFrom(-1n, 2n ** 26n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)),
);
const counts = fc.integer({ min: 0, max: 4 });
const wildInt32s = fc.constantFrom(-1, 1000, 10_001, 2 ** 31 - 1, -(2 ** 31));
const wildUint32s = fc.constantFrom(20, 2 ** 31, 2 ** 32 - 1);
const wildDoubles = fc.constantFrom(-1, 2, Number.NaN, Number.POSITIVE_INFINITY, -0, 1e308);

/** Short: a wait that was asked for is no hang. */
const usualDurations: fc.Arbitrary<FuzzMessage> = fc
  .integer({ min: 0, max: 50_000_000 })
  .map((nanos) => ({ seconds: 0n, nanos }));
const wildDurations = fc.constantFrom<FuzzMessage>(
  { seconds: -1n, nanos: 0 },
  { seconds: 0n, nanos: -1 },
  { seconds: 86_401n, nanos: 0 },
  { seconds: 315_576_000_001n, nanos: 0 },
  { seconds: 2n ** 63n - 1n, nanos: 999_999_999 },
  { seconds: 0n, nanos: 2 ** 31 - 1 },
  { seconds: -1n, nanos: 1 },
);

/** The request of a method: its names fit its path more often than not. */
export function requestsOf({ method, variable }: Binding): fc.Arbitrary<FuzzMessage> {
  // With a hostile value in some field of every request, nothing would get as far as the device.
  const fields = fc.oneof(
    { weight: 2, arbitrary: messagesOf(method.input, { depth: DEPTH_MAX, wild: false }) },
    messagesOf(method.input, { depth: DEPTH_MAX, wild: true }),
  );
  if (variable === undefined) return fields;
  const pattern = variable.segments.map((part) => ("literal" in part ? part.literal : "*"));
  const names = fc.option(namesLike(pattern), { freq: 30 });
  return fc.tuple(fields, names).map(([message, name]) => {
    if (name === null) return message;
    const [field = "", inner] = variable.fieldPath;
    if (inner === undefined) return { ...message, [field]: name };
    const nested = message[field];
    const resource = isFuzzMessage(nested) ? nested : {};
    return { ...message, [field]: { ...resource, [inner]: name } };
  });
}

export function isFuzzMessage(value: unknown): value is FuzzMessage {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

interface Taste {
  /** How deep messages may still lie in messages. */
  readonly depth: number;
  readonly wild: boolean;
}

function messagesOf(desc: DescMessage, taste: Taste): fc.Arbitrary<FuzzMessage> {
  if (desc.typeName === "google.protobuf.Duration") return choose(taste, usualDurations, wildDurations);
  const fields = desc.fields
    .filter(({ name }) => !SLOW_FIELDS.includes(name))
    .map((field) => [field.name, valuesOf(field, taste)] as const);
  const all = fc.record(Object.fromEntries(fields), { requiredKeys: [] });
  const [oneof] = desc.oneofs.filter(({ fields: members }) => members.length > 1);
  if (oneof === undefined) return all;
  const single = fields.map(([name, values]) => values.map((value): FuzzMessage => ({ [name]: value })));
  return choose(taste, fc.oneof(...single), all);
}

function valuesOf(field: DescField, taste: Taste): fc.Arbitrary<FuzzValue> {
  const one = oneOf(field, taste);
  return field.fieldKind === "list" ? fc.array(one, { maxLength: LIST_LENGTH_MAX }) : one;
}

function oneOf(field: DescField, taste: Taste): fc.Arbitrary<FuzzValue> {
  if (field.message !== undefined) {
    const { depth } = taste;
    return depth === 0 ? fc.constant({}) : messagesOf(field.message, { ...taste, depth: depth - 1 });
  }
  if (field.enum !== undefined) {
    const numbers = field.enum.values.map(({ number }) => number);
    return choose(taste, fc.constantFrom(...numbers), fc.constantFrom(-1, 99, 2 ** 31 - 1));
  }
  switch (field.scalar) {
    case ScalarType.STRING:
      return choose(
        taste,
        TEXTS[field.name] ?? fc.constantFrom("", "a"),
        WILD_TEXTS[field.name] ?? hostileText,
      );
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 5000 });
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.DOUBLE:
      return choose(taste, fc.constantFrom(0, 1, 0.5), wildDoubles);
    case ScalarType.INT32:
      return choose(taste, counts, wildInt32s);
    case ScalarType.UINT32:
      return choose(taste, counts, wildUint32s);
    default:
      return choose(taste, usualSizes, wildSizes);
  }
}

function choose<T>({ wild }: Taste, usual: fc.Arbitrary<T>, hostile: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return wild ? fc.oneof({ weight: 3, arbitrary: usual }, hostile) : usual;
}
