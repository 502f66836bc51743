/** Settings of traces: where they go, and how they describe their daemon. */
import type { Reader } from "./base-readers.ts";

/** The base URL of a collector that speaks OTLP over HTTP; empty for none. */
export function collector(): Reader<string> {
  return (value, refuse) => {
    if (typeof value !== "string") return refuse(NO_URL);
    const problem = collectorProblem(value);
    return problem === undefined ? value : refuse(problem);
  };
}

export interface ResourceAttribute {
  readonly name: string;
  readonly value: string;
  /** As the user wrote it. */
  readonly text: string;
}

/**
 * `deployment.environment.name=lab`. Characters that a list cannot contain are percent-encoded, as in
 * OTEL_RESOURCE_ATTRIBUTES.
 */
export function resourceAttribute(): Reader<ResourceAttribute> {
  return (value, refuse) => {
    const text = typeof value === "string" ? value : "";
    const [, name, encoded] = /^([^\s=,]{1,255})=([^,]{0,1024})$/.exec(text) ?? [];
    const decoded = encoded === undefined ? undefined : decode(encoded.trim());
    if (name !== undefined && decoded !== undefined) return { name, value: decoded, text };
    return refuse("is not an attribute, such as deployment.environment.name=lab.");
  };
}

const NO_URL = "is not the URL of a collector, such as http://127.0.0.1:4318.";

function collectorProblem(text: string): string | undefined {
  if (text === "") return undefined;
  if (!URL.canParse(text)) return NO_URL;
  const { protocol, username, password, search, hash } = new URL(text);
  if (protocol !== "http:" && protocol !== "https:") return NO_URL;
  // The configuration can be printed and appears in the log, so the URL must not contain a password.
  if (username !== "" || password !== "") return "names a password: give it in OTEL_EXPORTER_OTLP_HEADERS.";
  return search === "" && hash === "" ? undefined : "is more than a URL with a path.";
}

function decode(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
