/**
 * Errors for callers: one closed table of reasons, each with its kind.
 *
 * A DeviceError reports a fault of a caller or of the world. A bug of ours is an assertion and never becomes
 * a DeviceError. Wires map kinds, never reasons, to their own codes.
 */

import assert from "node:assert/strict";

/**
 * How a wire should classify a failure. There are few kinds, because each wire maps these and nothing finer.
 */
export type ErrorKind =
  | "invalid" // the request can never succeed as it stands (EINVAL, E2BIG)
  | "not-found" // the named thing does not exist (ENOENT)
  | "wrong-state" // legal later, in another state (EBUSY, EFAULT)
  | "exhausted" // no room (ENOMEM, ENOSPC)
  | "conflict" // another operation has the right of way
  | "unavailable" // passing: safe to retry as it stands
  | "cancelled" // the caller asked for the end
  | "deadline" // a bounded wait ran out (ETIME)
  | "data-loss" // content is gone or cannot be vouched for (EIO)
  | "internal"; // the device failed (EIO)

/** Every reason the device gives, with its kind. A test compares `docs/errors.md` with this list. */
export const REASONS = {
  INVALID_REQUEST: "invalid",
  INVALID_SIZE: "invalid",
  INVALID_REGION: "invalid",
  INVALID_FLAGS: "invalid",
  INVALID_RANGE: "invalid",
  DEVICE_NOT_FOUND: "not-found",
  REGION_NOT_FOUND: "not-found",
  OBJECT_NOT_FOUND: "not-found",
  TRANSITION_NOT_FOUND: "not-found",
  ENGINE_NOT_FOUND: "not-found",
  CONTEXT_NOT_FOUND: "not-found",
  FENCE_NOT_FOUND: "not-found",
  IMAGE_NOT_FOUND: "not-found",
  SNAPSHOT_NOT_FOUND: "not-found",
  REGION_FULL: "exhausted",
  SYSTEM_MEMORY_EXHAUSTED: "exhausted",
  MACHINE_MEMORY_EXHAUSTED: "exhausted",
  LIMIT_EXCEEDED: "exhausted",
  IMAGE_STORE_FULL: "exhausted",
  SNAPSHOT_MEMORY_EXHAUSTED: "exhausted",
  OBJECT_PINNED: "wrong-state",
  OBJECT_NOT_PINNED: "wrong-state",
  OBJECT_PURGED: "wrong-state",
  OBJECT_ACTIVE: "wrong-state",
  CONTEXT_ACTIVE: "wrong-state",
  CONTEXT_BANNED: "wrong-state",
  NOT_CPU_VISIBLE: "wrong-state",
  DEVICE_SUSPENDED: "wrong-state",
  DEVICE_FAILED: "wrong-state",
  DEVICE_LOST: "wrong-state",
  DEVICE_NOT_EMPTY: "wrong-state",
  POWER_NOT_MODELLED: "wrong-state",
  IMAGE_INCOMPATIBLE: "wrong-state",
  IMAGE_IN_USE: "wrong-state",
  IMAGE_STORE_MISSING: "wrong-state",
  IMAGE_CLAIMED: "wrong-state",
  IMAGE_CONSUMED: "wrong-state",
  OWNERSHIP_LOST: "wrong-state",
  SNAPSHOT_IN_USE: "wrong-state",
  SNAPSHOT_INCOMPATIBLE: "wrong-state",
  SNAPSHOT_STORE_MISSING: "wrong-state",
  TRANSITION_NOT_CANCELLABLE: "wrong-state",
  DEVICE_TRANSITION: "unavailable",
  SHUTTING_DOWN: "unavailable",
  OWNERSHIP_IN_DOUBT: "unavailable",
  TRANSITION_IN_PROGRESS: "conflict",
  ETAG_MISMATCH: "conflict",
  SNAPSHOT_EXISTS: "conflict",
  TRANSITION_CANCELLED: "cancelled",
  CALL_CANCELLED: "cancelled",
  IDLE_TIMEOUT: "deadline",
  DEADLINE_EXCEEDED: "deadline",
  CONTENT_UNKNOWN: "data-loss",
  CHECKSUM_MISMATCH: "data-loss",
  IMAGE_CORRUPT: "data-loss",
  COPY_FAILED: "internal",
  DEVICE_WEDGED: "internal",
  FIRMWARE_LOAD_FAILED: "internal",
  ENGINE_HUNG: "internal",
  INTERNAL: "internal",
} as const satisfies Record<string, ErrorKind>;

export type ErrorReason = keyof typeof REASONS;

/** A failure that a caller can act on. `message` is a whole sentence with the values in it. */
export class DeviceError extends Error {
  override readonly name = "DeviceError";
  readonly reason: ErrorReason;
  readonly kind: ErrorKind;
  /** The values in the sentence by key, for programs. */
  readonly metadata: Readonly<Record<string, string>>;

  constructor(reason: ErrorReason, message: string, metadata: Readonly<Record<string, string>> = {}) {
    super(message);
    this.reason = reason;
    this.kind = REASONS[reason];
    this.metadata = metadata;
  }

  /** Adds the cause, if there is one, for the log. */
  because(cause: unknown): this {
    if (cause !== undefined) this.cause = cause;
    return this;
  }
}

/**
 * Turns anything thrown into a DeviceError. An error that is not one becomes INTERNAL, with the original as
 * its cause. An assertion is a bug of ours and is thrown again, because nothing may continue after it.
 */
export function toDeviceError(error: unknown): DeviceError {
  if (error instanceof DeviceError) return error;
  if (error instanceof assert.AssertionError) throw error;
  const text = (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
  return new DeviceError("INTERNAL", `The device failed in a way it should not: ${text}.`, {}).because(error);
}
