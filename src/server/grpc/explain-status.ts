/**
 * Adds an ErrorInfo when grpc-js itself ends a call (a message is too large, a deadline has passed), as every
 * other error has one.
 */
import { type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";
import { type Failure, toFailure, WireError, type WireReason } from "../messages/wire-error.ts";
import { toStatus } from "./status.ts";

type Status = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/**
 * The reason by code. Statuses with other codes pass unchanged: those of grpc.health.v1 follow its own
 * contract.
 */
const REASONS: ReadonlyMap<number, WireReason> = new Map([
  [status.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"],
  [status.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"],
  [status.UNIMPLEMENTED, "INVALID_REQUEST"],
  // A timeout that cannot be read. Failures of our own code already have an ErrorInfo.
  [status.INTERNAL, "INVALID_REQUEST"],
]);

/**
 * @param call the library's own object. Statuses go directly to it and pass no interceptor, so its method is
 * replaced.
 * @param onEnded gets the reason for which the library ended the call
 */
export function explainStatuses(
  call: ServerInterceptingCallInterface,
  onEnded: (failure: Failure) => void,
): void {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (status) => {
    const failure = explanationOf(status);
    if (failure !== undefined) onEnded(failure);
    send(failure === undefined ? status : toStatus(failure, status.code));
  };
}

function explanationOf(plain: Status): Failure | undefined {
  const reason = REASONS.get(plain.code);
  if (reason === undefined || plain.metadata?.get("grpc-status-details-bin").length) return undefined;
  return toFailure(new WireError(reason, `The call was ended: ${plain.details}.`, {}));
}
