/** The error that something ended with, shown in the resource itself and not as the failure of a call. */

import { Code } from "../../contract/gen/google/rpc/code.ts";
import type { ErrorReason } from "../../device/errors.ts";
import { KINDS, kindOf } from "./wire-error.ts";

interface EndedWith {
  readonly reason: ErrorReason;
  readonly message: string;
}

/** The error with the code that a call would answer; undefined when there is none. */
export function encodeError(error: EndedWith | undefined) {
  return error === undefined ? undefined : { ...error, code: Code[KINDS[kindOf(error.reason)].status] };
}
