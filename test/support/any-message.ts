/** Every message of the contract that has generated code, and arbitrary values of each, as ts-proto has them. */
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { join } from "node:path";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import fc from "fast-check";
import { REGISTRY } from "../../src/contract/registry.ts";

/** What ts-proto generates for a message. */
export interface Codec {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
}

const GENERATED = join(import.meta.dirname, "../../src/contract/gen");
/** Deeper there is nothing but what a type needs. */
const DEPTH_MAX = 3;
const INT32_MAX = 2 ** 31 - 1;

const TEXT = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 6 }),
  fc.constantFrom(
    'quote " backslash \\',
    "line\nend\u2028\u2029\u0000\u007f",
    "\ud83d",
    "x\udca9y",
    "__proto__",
    "💩",
  ),
);

/** Descriptor and codec of each message, by name. */
export async function messagesOfContract(): Promise<readonly (readonly [string, DescMessage, Codec])[]> {
  const found: (readonly [string, DescMessage, Codec])[] = [];
  for (const file of globSync("**/*.ts", { cwd: GENERATED })) {
    const desc = REGISTRY.getFile(file.replace(/ts$/, "proto"));
    // Well-known types are in the fields of the others, some of them in a form of their own.
    if (desc === undefined || desc.proto.package === "google.protobuf") continue;
    const module: Readonly<Record<string, unknown>> = await import(join(GENERATED, file));
    for (const message of desc.messages.flatMap(withNested)) {
      const name: string = message.typeName.slice(desc.proto.package.length + 1).replaceAll(".", "_");
      const codec: unknown = module[name];
      assert(isCodec(codec), `${file} has a codec for ${message.typeName}`);
      found.push([message.typeName, message, codec]);
    }
  }
  return found;
}

/** Maps are no messages of their own. */
function withNested(message: DescMessage): DescMessage[] {
  return [message, ...message.nestedMessages.filter((nested) => !isMapEntry(nested)).flatMap(withNested)];
}

function isMapEntry({ proto }: DescMessage): boolean {
  return proto.options?.mapEntry === true;
}

function isCodec(value: unknown): value is Codec {
  return typeof value === "object" && value !== null && "encode" in value && "decode" in value;
}

/**
 * Any message of a type: with and without what may be unset, each member of a oneof. One that is `legal` has no values that
 * a request in JSON is refused for: numbers that an enum does not know, half a pair of surrogates, NaN;
 * nor -0, which is 0 in JSON.
 */
export function anyMessage(desc: DescMessage, legal = false, depth = 0): fc.Arbitrary<object> {
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  for (const field of desc.fields) {
    if (field.oneof !== undefined || (field.message !== undefined && depth >= DEPTH_MAX)) continue;
    const value = anyField(field, legal, depth);
    const mayBeUnset = field.fieldKind === "message" || field.proto.proto3Optional;
    fields[field.localName] = mayBeUnset ? fc.option(value, { nil: undefined }) : value;
  }
  for (const oneof of desc.oneofs) {
    const members = oneof.fields
      .filter((field) => field.message === undefined || depth < DEPTH_MAX)
      .map((field) => anyField(field, legal, depth).map((value) => ({ $case: field.localName, value })));
    fields[oneof.localName] = fc.option(fc.oneof(...members), { nil: undefined });
  }
  // Lists and maps that were left out are there all the same.
  return fc.record(fields).map((message) => ({ ...emptyOf(desc), ...message }));
}

function emptyOf(desc: DescMessage): Record<string, unknown> {
  const many = desc.fields.filter(({ fieldKind }) => fieldKind === "list" || fieldKind === "map");
  return Object.fromEntries(
    many.map(({ localName, fieldKind }) => [localName, fieldKind === "list" ? [] : new Map()]),
  );
}

function anyWellKnown({ typeName }: DescMessage): fc.Arbitrary<unknown> | undefined {
  const nanos = fc.oneof(
    fc.constantFrom(0, 1, 1000, 120_000_000, 123_456_000, 999_999_999),
    fc.nat(999_999_999),
  );
  switch (typeName) {
    case "google.protobuf.Timestamp":
      return fc.record({ seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }), nanos });
    case "google.protobuf.Duration":
      return fc
        .record({ seconds: fc.bigInt({ min: 0n, max: 315_576_000_000n }), nanos, isNegative: fc.boolean() })
        .map(({ seconds, nanos: part, isNegative }) =>
          isNegative ? { seconds: -seconds, nanos: 0 - part } : { seconds, nanos: part },
        );
    case "google.protobuf.FieldMask":
      return fc.array(fc.constantFrom("enabled", "autosuspend_delay", "runtime_pm.enabled"), {
        maxLength: 3,
      });
    case "google.protobuf.Any":
      return fc.constant({
        typeUrl: "type.googleapis.com/google.rpc.RetryInfo",
        value: Buffer.from([0x0a, 0x02, 0x08, 0x07]),
      });
    default:
      return undefined;
  }
}

function anyField(field: DescField, legal: boolean, depth: number): fc.Arbitrary<unknown> {
  const one = anyItem(field, legal, depth);
  if (field.fieldKind === "list") return fc.array(one, { maxLength: 3 });
  // Objects have keys that look like integers first; a Map has them as they came.
  if (field.fieldKind === "map") {
    const key = TEXT.map((text) => `k${text.toWellFormed()}`);
    return fc.array(fc.tuple(key, one), { maxLength: 3 }).map((entries) => new Map(entries));
  }
  return one;
}

function anyItem(field: DescField, legal: boolean, depth: number): fc.Arbitrary<unknown> {
  if (field.message !== undefined)
    return anyWellKnown(field.message) ?? anyMessage(field.message, legal, depth + 1);
  if (field.enum !== undefined) {
    const known = field.enum.values.map(({ number }) => number);
    return fc.constantFrom(...known, ...(legal ? [] : [12_345, -7]));
  }
  if (legal && field.scalar === ScalarType.STRING) return TEXT.map((text) => text.toWellFormed());
  if (legal && field.scalar === ScalarType.DOUBLE)
    return fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
  return anyScalar(field.scalar);
}

function anyScalar(scalar: ScalarType | undefined): fc.Arbitrary<unknown> {
  switch (scalar) {
    case ScalarType.STRING:
      return TEXT;
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes));
    case ScalarType.DOUBLE:
      return fc.double();
    case ScalarType.INT32:
      return fc.oneof(fc.constant(0), fc.integer());
    case ScalarType.UINT32:
      return fc.nat(INT32_MAX * 2);
    case ScalarType.INT64:
      return fc.oneof(fc.constant(0n), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
    case ScalarType.UINT64:
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    default:
      throw new Error(`No field was a ${scalar} so far.`);
  }
}
