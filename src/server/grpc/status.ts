/** Errors over gRPC: google.rpc.Status in `grpc-status-details-bin`, with exactly one ErrorInfo. */
import { Metadata, type StatusObject } from "@grpc/grpc-js";
import type { Any } from "../../contract/gen/google/protobuf/any.ts";
import { ErrorInfo, RetryInfo } from "../../contract/gen/google/rpc/error_details.ts";
import { Status } from "../../contract/gen/google/rpc/status.ts";
import { RETRY_DELAY_MS } from "../limits.ts";
import { ERROR_DOMAIN, type Failure } from "../messages/wire-error.ts";

const NS_PER_MS = 1_000_000;

/**
 * What grpc-js sends for `failure`. @param code set if gRPC has a more precise code than the kind of failure.
 */
export function toStatus(failure: Failure, code: StatusObject["code"] = failure.code): StatusObject {
  const { message } = failure;
  const status = Status.encode({ code, message, details: detailsOf(failure) }).finish();
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(status));
  return { code, details: message, metadata };
}

function detailsOf({ reason, metadata, kind }: Failure): Any[] {
  const info = ErrorInfo.encode({
    reason,
    domain: ERROR_DOMAIN,
    metadata: new Map(Object.entries(metadata)),
  });
  const details = [pack("ErrorInfo", info.finish())];
  if (kind === "unavailable") {
    const retry = RetryInfo.encode({ retryDelay: { seconds: 0n, nanos: RETRY_DELAY_MS * NS_PER_MS } });
    details.push(pack("RetryInfo", retry.finish()));
  }
  return details;
}

function pack(type: string, value: Uint8Array): Any {
  return { typeUrl: `type.googleapis.com/google.rpc.${type}`, value };
}
