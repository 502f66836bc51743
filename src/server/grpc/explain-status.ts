/**
 * What grpc-js itself ends a call with (a message too large, a deadline) gets an ErrorInfo like everything
 * else.
 */
import { type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";
import { type Failure, toFailure, WireError, type WireReason } from "../messages/wire-error.ts";
import { toStatus } from "./status.ts";

type Status = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/**
 * Why, by the code. Statuses of other codes pass as they are: those of grpc.health.v1, which has a contract
 * of its own.
 */
const REASONS: ReadonlyMap<number, WireReason> = new Map([
  [status.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"],
  [status.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"],
  [status.UNIMPLEMENTED, "INVALID_REQUEST"],
  // A timeout that cannot be read. What fails inside us brings its ErrorInfo.
  [status.INTERNAL, "INVALID_REQUEST"],
]);

/**
 * @param call the library's own: its statuses go to this very object and pass no interceptor, so its method
 * is replaced.
 * @param onEnded told what the library ended it for
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
