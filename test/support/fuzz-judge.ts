/** What any answer of the daemon must be, however senseless the request: the rules of docs/errors.md. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metadata } from "@grpc/grpc-js";
import { status as grpcStatus } from "@grpc/grpc-js";
import { kindOf, type WireReason } from "../../src/server/messages/wire-error.ts";
import { decodeStatus } from "./grpc-errors.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/errors.md"), "utf8");
const REASONS = new Set([...PAGE.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, reason = ""]) => reason));

/** States of a device that requests bring about, and that a reset ends; all other internal errors are bugs. */
const STATES_OF_A_DEVICE = ["DEVICE_WEDGED", "ENGINE_HUNG"];
/** 503 and 504 are answers like others; 500 must be a loss of data, or one of the states. */
const SERVER_ERRORS_ALLOWED = [503, 504];

/** How a call ended, as far as the rules go. */
export interface Verdict {
  readonly ok: boolean;
  /** OK, or the reason of the error; the bare code where there may be none. */
  readonly reason: string;
}

/** @throws AssertionError when the ending breaks a rule */
export function judgeGrpc(code: number, details: string, trailers: Metadata): Verdict {
  if (code === grpcStatus.OK) return { ok: true, reason: "OK" };
  const [bytes] = trailers.get("grpc-status-details-bin");
  // The library answers for methods that do not exist, before any code of ours runs.
  if (bytes === undefined && code === grpcStatus.UNIMPLEMENTED) return { ok: false, reason: "UNIMPLEMENTED" };
  assert(Buffer.isBuffer(bytes), `status ${grpcStatus[code]} (${details}) comes without details`);
  const infos = decodeStatus(bytes).details.filter(({ type }) => type === "ErrorInfo");
  const reasons = infos.map(({ value }) => ("reason" in value ? value.reason : ""));
  const reason = judgeReasons(reasons, `${grpcStatus[code]} ${details}`);
  const isOurs = code === grpcStatus.INTERNAL && STATES_OF_A_DEVICE.includes(reason);
  // What the library could not read as a message at all: docs/errors.md says so at INVALID_REQUEST.
  const isUnreadable = code === grpcStatus.INTERNAL && reason === "INVALID_REQUEST";
  if (code === grpcStatus.INTERNAL || code === grpcStatus.UNKNOWN) {
    assert(isOurs || isUnreadable, `status ${grpcStatus[code]} ${reason}: ${details}`);
  }
  return { ok: false, reason };
}

/** @throws AssertionError when the answer breaks a rule */
export function judgeRest(httpStatus: number, body: string, hasBody = true): Verdict {
  if (httpStatus < 400) return { ok: true, reason: "OK" };
  if (!hasBody) {
    assert(httpStatus < 500 || SERVER_ERRORS_ALLOWED.includes(httpStatus), `status ${httpStatus}`);
    return { ok: false, reason: String(httpStatus) };
  }
  const error: unknown = JSON.parse(body).error;
  assert(typeof error === "object" && error !== null && "details" in error && "code" in error, body);
  assert.equal(error.code, httpStatus, body);
  assert(Array.isArray(error.details), body);
  const infos = error.details.filter((detail) => String(detail["@type"]).endsWith(".ErrorInfo"));
  const reason = judgeReasons(
    infos.map((info) => String(info.reason)),
    body,
  );
  if (httpStatus >= 500 && !SERVER_ERRORS_ALLOWED.includes(httpStatus)) {
    const isOurs = STATES_OF_A_DEVICE.includes(reason) || kindOf(reason as WireReason) === "data-loss";
    assert(httpStatus === 500 && isOurs, `status ${httpStatus}: ${body}`);
  }
  return { ok: false, reason };
}

function judgeReasons(reasons: readonly string[], said: string): string {
  const [reason = ""] = reasons;
  assert.equal(reasons.length, 1, `one ErrorInfo: ${said}`);
  assert(REASONS.has(reason), `reason ${reason} is in docs/errors.md: ${said}`);
  return reason;
}
