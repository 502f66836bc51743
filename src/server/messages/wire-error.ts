/**
 * Errors on the wires: the reasons that only a wire gives, and the names of each kind of failure in gRPC and
 * HTTP (google.rpc.Code and AIP-193). The device's own reasons are in `src/device/errors.ts`.
 */

import { Code } from "../../contract/gen/google/rpc/code.ts";
import { type ErrorKind, type ErrorReason, REASONS, toDeviceError } from "../../device/errors.ts";
import { ERROR_METADATA_BYTES_MAX, ERROR_METADATA_ENTRIES_MAX, ERROR_TEXT_BYTES_MAX } from "../limits.ts";

/** Kinds of failure that devices do not have. */
export type WireKind = ErrorKind | "denied" | "out-of-range" | "unauthenticated";

/** Reasons that only a wire gives. docs/errors.md lists them beside the device's. */
export const WIRE_REASONS = {
  INVALID_PAGE_TOKEN: "invalid",
  REQUEST_ID_REUSED: "invalid",
  EVENTS_EXPIRED: "out-of-range",
  SLOW_CONSUMER: "exhausted",
  ROUTE_NOT_FOUND: "not-found",
  FAILPOINT_NOT_FOUND: "not-found",
  FAULTS_DISABLED: "denied",
  PERMISSION_DENIED: "denied",
  UNAUTHENTICATED: "unauthenticated",
  OVERLOADED: "unavailable",
} as const satisfies Record<string, WireKind>;

export type WireReason = ErrorReason | keyof typeof WIRE_REASONS;

/** The domain of every ErrorInfo. */
export const ERROR_DOMAIN = "torpor";

/** Code and HTTP status of each kind. The names are those of google.rpc.Code. */
export const KINDS = {
  invalid: { status: "INVALID_ARGUMENT", httpStatus: 400 },
  "out-of-range": { status: "OUT_OF_RANGE", httpStatus: 400 },
  "not-found": { status: "NOT_FOUND", httpStatus: 404 },
  "wrong-state": { status: "FAILED_PRECONDITION", httpStatus: 400 },
  exhausted: { status: "RESOURCE_EXHAUSTED", httpStatus: 429 },
  conflict: { status: "ABORTED", httpStatus: 409 },
  unavailable: { status: "UNAVAILABLE", httpStatus: 503 },
  cancelled: { status: "CANCELLED", httpStatus: 499 },
  deadline: { status: "DEADLINE_EXCEEDED", httpStatus: 504 },
  unauthenticated: { status: "UNAUTHENTICATED", httpStatus: 401 },
  denied: { status: "PERMISSION_DENIED", httpStatus: 403 },
  "data-loss": { status: "DATA_LOSS", httpStatus: 500 },
  internal: { status: "INTERNAL", httpStatus: 500 },
} as const satisfies Record<WireKind, { status: keyof typeof Code; httpStatus: number }>;

type StatusName = (typeof KINDS)[WireKind]["status"];

/** A failure that the wire found, or a device's failure with more details. */
export class WireError extends Error {
  override readonly name = "WireError";
  readonly reason: WireReason;
  readonly metadata: Readonly<Record<string, string>>;
  /** HTTP statuses that are more precise than AIP-193: 405, 413, 416, 421. */
  httpStatus: number | undefined;

  constructor(reason: WireReason, message: string, metadata: Readonly<Record<string, string>> = {}) {
    super(message);
    this.reason = reason;
    this.metadata = metadata;
  }

  /** Adds the cause, for the log. */
  because(cause: unknown): this {
    this.cause = cause;
    return this;
  }

  /** Makes HTTP answer with this status instead of that of its kind. */
  withHttpStatus(status: number | undefined): this {
    this.httpStatus = status;
    return this;
  }
}

/** A failure as both wires send it. Its texts are cut to what a trailer can carry. */
export interface Failure {
  readonly reason: WireReason;
  readonly kind: WireKind;
  /** Name of the google.rpc.Code. */
  readonly status: StatusName;
  /** Number of the google.rpc.Code. */
  readonly code: (typeof Code)[StatusName];
  readonly httpStatus: number;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const ELLIPSIS = "…";
const ELLIPSIS_BYTES = Buffer.byteLength(ELLIPSIS);

/** Turns anything thrown into a Failure. Errors that are neither the device's nor ours become INTERNAL. */
export function toFailure(error: unknown): Failure {
  const known = error instanceof WireError ? error : toDeviceError(error);
  const kind = kindOf(known.reason);
  const { status, httpStatus } = KINDS[kind];
  return {
    reason: known.reason,
    kind,
    status,
    code: Code[status],
    httpStatus: (known instanceof WireError ? known.httpStatus : undefined) ?? httpStatus,
    message: clip(known.message, ERROR_TEXT_BYTES_MAX),
    metadata: clipMetadata(known.metadata),
  };
}

/** The kind of any reason. */
export function kindOf(reason: WireReason): WireKind {
  return { ...REASONS, ...WIRE_REASONS }[reason];
}

function clipMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(metadata).slice(0, ERROR_METADATA_ENTRIES_MAX);
  return Object.fromEntries(entries.map(([key, value]) => [key, clip(value, ERROR_METADATA_BYTES_MAX)]));
}

/**
 * Cuts by bytes, between two characters. The result is well-formed even if a caller's text was not: gRPC
 * throws on half a surrogate pair.
 */
function clip(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.byteLength <= bytesMax) return bytes.toString();
  // A streaming decoder keeps back an incomplete character.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const beginning = bytes.subarray(0, bytesMax - ELLIPSIS_BYTES);
  return `${decoder.decode(beginning, { stream: true })}${ELLIPSIS}`;
}
