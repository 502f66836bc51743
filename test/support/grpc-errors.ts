/** What comes with an error over gRPC, decoded. */
import assert from "node:assert/strict";
import type { ServiceError } from "@grpc/grpc-js";
import { ErrorInfo, RetryInfo } from "../../src/contract/gen/google/rpc/error_details.ts";
import { Status } from "../../src/contract/gen/google/rpc/status.ts";

const TYPE_PREFIX = "type.googleapis.com/google.rpc.";

export type Detail =
  | { readonly type: "ErrorInfo"; readonly value: ErrorInfo }
  | { readonly type: "RetryInfo"; readonly value: RetryInfo };

export interface DecodedStatus {
  readonly code: number;
  readonly message: string;
  readonly details: readonly Detail[];
}

/** The google.rpc.Status of an error. */
export function statusOf(error: ServiceError): DecodedStatus {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  assert(Buffer.isBuffer(bytes), `the error (${error.message}) has no details`);
  return decodeStatus(bytes);
}

/** What `grpc-status-details-bin` carries. */
export function decodeStatus(bytes: Uint8Array): DecodedStatus {
  const { code, message, details } = Status.decode(bytes);
  return { code, message, details: details.map(({ typeUrl, value }) => decode(typeUrl, value)) };
}

/** The error that a call fails with. */
export async function failureOf(call: Promise<unknown>): Promise<ServiceError> {
  try {
    await call;
  } catch (error) {
    assert(error instanceof Error && "metadata" in error, `not an error of gRPC: ${error}`);
    return error as ServiceError;
  }
  assert.fail("the call did not fail");
}

function decode(typeUrl: string, value: Uint8Array): Detail {
  switch (typeUrl.replace(TYPE_PREFIX, "")) {
    case "ErrorInfo":
      return { type: "ErrorInfo", value: ErrorInfo.decode(value) };
    case "RetryInfo":
      return { type: "RetryInfo", value: RetryInfo.decode(value) };
    default:
      assert.fail(`a detail of type ${typeUrl}`);
  }
}
