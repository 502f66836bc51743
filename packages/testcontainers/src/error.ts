/** What the daemon refuses, as an error. */
import { field, isRecord, textField } from "./json.ts";

/** An answer of the daemon that is no success. The message is the daemon's own sentence. */
export class TorporError extends Error {
  override readonly name = "TorporError";
  readonly httpStatus: number;
  /** One of Torpor's documented reasons, such as `DEVICE_SUSPENDED`; empty when the answer is not from torpord. */
  readonly reason: string;

  constructor(message: string, httpStatus: number, reason: string) {
    super(message);
    this.httpStatus = httpStatus;
    this.reason = reason;
  }
}

/** The error in the body of an answer; what is not in the form of torpord is shown as it is. */
export function errorOf(call: string, httpStatus: number, body: string): TorporError {
  const error = field(parseOrNothing(body), "error");
  if (!isRecord(error)) return new TorporError(`${call} answered ${httpStatus}: ${body}`, httpStatus, "");
  const details = Array.isArray(error.details) ? error.details : [];
  const reason = details.map((detail) => field(detail, "reason")).find((found) => typeof found === "string");
  return new TorporError(textField(error, "message"), httpStatus, reason ?? "");
}

function parseOrNothing(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
