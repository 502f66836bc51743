/** The error of every call: the daemon's own words, or the reason why there are none. */
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { Code } from "../contract/gen/google/rpc/code.ts";
import { ErrorInfo, RetryInfo } from "../contract/gen/google/rpc/error_details.ts";
import { Status } from "../contract/gen/google/rpc/status.ts";
import { toMs } from "./durations.ts";

/** Name of a google.rpc.Code, such as NOT_FOUND. */
export type StatusCode = Exclude<keyof typeof Code, "OK" | "UNRECOGNIZED">;

interface ErrorFacts {
  readonly code: StatusCode;
  readonly reason: string;
  readonly message: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly retryDelayMs?: number | undefined;
}

/** The details of a failed call. */
export class TorporError extends Error {
  override readonly name = "TorporError";
  readonly code: StatusCode;
  /**
   * One of docs/errors.md. UNREACHABLE if no daemon answered or the connection broke; the code if the daemon
   * gave no reason.
   */
  readonly reason: string;
  /** The values in the message, by key. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * How long to wait before the same call may be repeated; undefined if a blind retry is unsafe. Unit:
   * milliseconds.
   */
  readonly retryDelayMs: number | undefined;

  constructor({ code, reason, message, metadata = {}, retryDelayMs }: ErrorFacts, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.reason = reason;
    this.metadata = metadata;
    this.retryDelayMs = retryDelayMs;
  }
}

/** The reason of connection errors. It is not in docs/errors.md, because no daemon answered. */
export const UNREACHABLE = "UNREACHABLE";

/** The name of a code as in messages and statuses; UNKNOWN for 0 and for numbers without a code. */
export function codeName(code: number): StatusCode {
  return CODE_NAMES.get(code) ?? "UNKNOWN";
}

/** @param address the address of the call, for the message if nobody answers */
export function fromServiceError(error: ServiceError, address: string): TorporError {
  const code = codeName(error.code);
  const told = readDetails(error);
  if (told !== undefined) return new TorporError({ code, ...told }, { cause: error });
  const reason = error.code === status.UNAVAILABLE ? UNREACHABLE : code;
  const message =
    reason === UNREACHABLE
      ? `No daemon answers at ${address}: ${lastWords(error.details)}.`
      : `The call failed with ${code}: ${lastWords(error.details)}.`;
  return new TorporError({ code, reason, message }, { cause: error });
}

/**
 * Whether a call ended without an answer from the daemon: the connection broke, or something in between cut
 * the stream.
 */
export function isCutOff({ code, cause }: TorporError): boolean {
  if (!CUT_OFF_CODES.has(code) || !(cause instanceof Error && "metadata" in cause)) return false;
  return cause.metadata instanceof Metadata && cause.metadata.get(DETAILS_KEY).length === 0;
}

/** The name that grpc-js and proxies use. */
const CUT_OFF_CODES: ReadonlySet<StatusCode> = new Set(["UNAVAILABLE", "CANCELLED", "INTERNAL", "UNKNOWN"]);

const DETAILS_KEY = "grpc-status-details-bin";

const CODE_NAMES: ReadonlyMap<number, StatusCode> = new Map(
  Object.entries(Code).flatMap(([name, number]): [number, StatusCode][] =>
    isStatusCode(name) ? [[number, name]] : [],
  ),
);

function isStatusCode(name: string): name is StatusCode {
  return name in Code && name !== "OK" && name !== "UNRECOGNIZED";
}

/** The content of `grpc-status-details-bin`; undefined if it is missing or unreadable. */
function readDetails(error: ServiceError): Omit<ErrorFacts, "code"> | undefined {
  const [bytes] = error.metadata.get(DETAILS_KEY);
  if (!(bytes instanceof Uint8Array)) return undefined;
  try {
    const { message, details } = Status.decode(bytes);
    const find = (type: string) => details.find(({ typeUrl }) => typeUrl.endsWith(`/google.rpc.${type}`));
    const info = find("ErrorInfo");
    if (info === undefined) return undefined;
    const { reason, metadata } = ErrorInfo.decode(info.value);
    const retry = find("RetryInfo");
    const delay = retry === undefined ? undefined : RetryInfo.decode(retry.value).retryDelay;
    const retryDelayMs = delay === undefined ? undefined : toMs(delay);
    return { reason, message, metadata: Object.fromEntries(metadata), retryDelayMs };
  } catch {
    // A proxy may have put anything there. The status itself still says what happened.
    return undefined;
  }
}

/** The message of grpc-js without its notes on name resolution, times, line breaks and the full stop. */
function lastWords(details: string): string {
  const [, last = details] = /Last error: (?:Error: )?(.*?)\.?\s*Resolution note:/s.exec(details) ?? [];
  const plain = last.replace(/\(\d{4}-\d\d-\d\dT[\d:.]+Z\)/g, "").replace(/\s+/g, " ");
  const words = plain.replace(/[.\s]+$/, "");
  // The library says null between two attempts.
  if (words === "" || words === "null") return "it gave no reason";
  return MISUNDERSTANDINGS.find(([said]) => said.test(words))?.[1] ?? words;
}

/** The messages of the libraries when the client speaks to something in the wrong way, and what they mean. */
const MISUNDERSTANDINGS: readonly (readonly [said: RegExp, meaning: string])[] = [
  [/:wrong version number:/, "what listens there does not speak TLS"],
  [/^Failed to connect$/, "what listens there hung up, as it does when it wants TLS and gets none"],
  [/^Protocol error$/, "what listens there does not speak gRPC; REST has a port of its own"],
];
