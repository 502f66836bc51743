/**
 * The record of who owns a state: one small JSON object for each uid, changed by conditional writes only and
 * never deleted. No record means that the device that made the uid has never written one, and owns it.
 *
 * SLEEPING: the image has the state, and anybody may claim it. RESTORING: a device has claimed the image and
 * reads it. OWNED: a device has the state in its memory. DELETED: the state was given up.
 */
import { randomBytes } from "node:crypto";
import type { ImageHolder } from "../../device/mod.ts";
import type { Writer } from "./image-keys.ts";

export const RECORD_STATES = ["SLEEPING", "RESTORING", "OWNED", "DELETED"] as const;
export type RecordState = (typeof RECORD_STATES)[number];

export interface RecordHolder extends Writer {
  /** Name of the device. */
  readonly device: string;
  readonly timeMs: number;
}

export interface RecordImage {
  readonly id: string;
  readonly key: string;
  readonly generation: number;
  /** How often it was claimed. */
  readonly claims: number;
  /** The number of the device's next transition. */
  readonly nextTransitionId: number;
}

/** An image that was consumed. */
export interface PastImage {
  readonly id: string;
  readonly key: string;
  readonly by: RecordHolder;
}

export interface OwnerRecord {
  readonly state: RecordState;
  /** Never decreases, and increases with each claim. */
  readonly generation: number;
  /** Who wrote the record. */
  readonly by: RecordHolder;
  /** Undefined unless the state is SLEEPING or RESTORING. */
  readonly image: RecordImage | undefined;
  /** Oldest first. */
  readonly past: readonly PastImage[];
  /** Differs in each record, because a version may follow from the content alone. */
  readonly nonce: string;
}

export function newNonce(): string {
  return randomBytes(8).toString("hex");
}

export function holderOf({ incarnation, device, timeMs }: RecordHolder): ImageHolder {
  return { incarnation, device, timeNs: BigInt(timeMs) * 1_000_000n };
}

export function encodeRecord(record: OwnerRecord): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ version: 1, ...record })}\n`);
}

/** @throws Error, the rest of a sentence about the record, if it is not what `encodeRecord` writes. */
export function decodeRecord(bytes: Uint8Array): OwnerRecord {
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
  const { version, state, generation, by, image, past, nonce } = fieldsOf(json);
  if (version !== 1) throw new Error(`has version ${String(version)}, and only 1 is read`);
  const known = RECORD_STATES.find((each) => each === state);
  if (known === undefined || !Array.isArray(past)) throw new Error("is incomplete");
  return {
    state: known,
    generation: numberOf(generation),
    by: decodeHolder(by),
    image: image === undefined ? undefined : decodeImage(image),
    past: past.map((each: unknown) => {
      const fields = fieldsOf(each);
      return { id: textOf(fields.id), key: textOf(fields.key), by: decodeHolder(fields.by) };
    }),
    nonce: textOf(nonce),
  };
}

function decodeHolder(value: unknown): RecordHolder {
  const { host, incarnation, device, timeMs } = fieldsOf(value);
  return {
    host: textOf(host),
    incarnation: textOf(incarnation),
    device: textOf(device),
    timeMs: numberOf(timeMs),
  };
}

function decodeImage(value: unknown): RecordImage {
  const { id, key, generation, claims, nextTransitionId } = fieldsOf(value);
  return {
    id: textOf(id),
    key: textOf(key),
    generation: numberOf(generation),
    claims: numberOf(claims),
    nextTransitionId: numberOf(nextTransitionId),
  };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Error("is incomplete");
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  throw new Error("is incomplete");
}

function numberOf(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error("is incomplete");
}
