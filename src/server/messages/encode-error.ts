/** Encodes the error that ended something. It is shown in the resource itself and does not fail the call. */

import { Code } from "../../contract/gen/google/rpc/code.ts";
import type { ErrorReason } from "../../device/errors.ts";
import { KINDS, kindOf } from "./wire-error.ts";

interface EndedWith {
  readonly reason: ErrorReason;
  readonly message: string;
}

/** The error with the code that a call would return; undefined if there is none. */
export function encodeError(error: EndedWith | undefined) {
  return error === undefined ? undefined : { ...error, code: Code[KINDS[kindOf(error.reason)].status] };
}
