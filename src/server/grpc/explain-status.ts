/**
 * What grpc-js itself ends a call with (a message too large, a compression that it does not know, a deadline) gets an
 * ErrorInfo like everything else. A call to a method that does not exist is out of reach: no interceptor sees it.
 */
import { type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";
import { toFailure, WireError, type WireReason } from "../messages/wire-error.ts";
import { toStatus } from "./status.ts";

type Status = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/** Why, by the code. Statuses of other codes pass as they are: those of grpc.health.v1, which has a contract of its own. */
const REASONS: ReadonlyMap<number, WireReason> = new Map([
  [status.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"],
  [status.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"],
  [status.UNIMPLEMENTED, "INVALID_REQUEST"],
  // A timeout or a compressed message that cannot be read. What fails inside us brings its ErrorInfo.
  [status.INTERNAL, "INVALID_REQUEST"],
]);

/** @param call the library's own: its statuses go to this very object and pass no interceptor, so its method is replaced. */
export function explainStatuses(call: ServerInterceptingCallInterface): void {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (status) => send(withErrorInfo(status));
}

function withErrorInfo(plain: Status): Status {
  const reason = REASONS.get(plain.code);
  if (reason === undefined || plain.metadata?.get("grpc-status-details-bin").length) return plain;
  const failure = toFailure(new WireError(reason, `The call was ended: ${plain.details}.`, {}));
  return toStatus(failure, plain.code);
}
