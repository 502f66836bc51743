/**
 * Reads the `google.api.http` annotations: which REST route serves each method.
 *
 * This is pure and works on any registry, so the server, the OpenAPI generator and the parity test all follow
 * the same rules.
 */
import assert from "node:assert/strict";
import { type DescMethod, type FileRegistry, getOption } from "@bufbuild/protobuf";

type HttpMethod = "GET" | "PUT" | "POST" | "PATCH" | "DELETE";

/** `{name=devices/*}` in a path: the request field, and the literals and wildcards of its pattern. */
interface PathVariable {
  /**
   * Proto field names, outermost first. There are two where the field is inside the resource
   * (`runtime_pm.name`).
   */
  readonly fieldPath: readonly string[];
  readonly segments: readonly PathSegment[];
}

/** A literal, or a wildcard with the name that routers and readers use for it. */
export type PathSegment = { readonly literal: string } | { readonly parameter: string };

export interface Binding {
  readonly method: DescMethod;
  /** `torpor.v1.PowerService/Suspend`. */
  readonly rpc: string;
  readonly httpMethod: HttpMethod;
  /** The path exactly as the annotation writes it. */
  readonly template: string;
  readonly segments: readonly PathSegment[];
  /** `suspend` in `/v1/devices/{device}:suspend`; empty if the path has no verb. */
  readonly verb: string;
  readonly variable: PathVariable | undefined;
  /** `*` if the body is the whole request, empty if there is no body, else the field that the body fills. */
  readonly body: string;
}

const HTTP_METHODS = {
  get: "GET",
  put: "PUT",
  post: "POST",
  patch: "PATCH",
  delete: "DELETE",
} as const satisfies Record<string, HttpMethod>;

/** Read once for each registry, because several parts of the server start with them. */
const read = new WeakMap<FileRegistry, readonly Binding[]>();

/**
 * The bindings of every method of our package, in the order of the proto. Asserts that each method has one.
 */
export function readBindings(registry: FileRegistry): readonly Binding[] {
  const known = read.get(registry);
  if (known !== undefined) return known;
  const bindings: Binding[] = [];
  for (const file of registry.files) {
    if (file.proto.package !== "torpor.v1") continue;
    for (const service of file.services) {
      for (const method of service.methods) bindings.push(readBinding(registry, method));
    }
  }
  read.set(registry, bindings);
  return bindings;
}

function readBinding(registry: FileRegistry, method: DescMethod): Binding {
  const rpc = `${method.parent.typeName}/${method.name}`;
  const extension = registry.getExtension("google.api.http");
  const rule = readRule(extension === undefined ? undefined : getOption(method, extension));
  assert(rule !== undefined, `${rpc} has no google.api.http annotation`);
  const path = parseTemplate(rule.template);
  return { method, rpc, ...rule, ...path };
}

function readRule(option: unknown): Pick<Binding, "httpMethod" | "template" | "body"> | undefined {
  // Only the registry knows the option's type, so its fields are read one by one.
  if (typeof option !== "object" || option === null || !("pattern" in option)) return undefined;
  const { pattern } = option;
  if (typeof pattern !== "object" || pattern === null || !("case" in pattern)) return undefined;
  const httpMethod = Object.entries(HTTP_METHODS).find(([name]) => name === pattern.case)?.[1];
  if (httpMethod === undefined || !("value" in pattern) || typeof pattern.value !== "string")
    return undefined;
  const body = "body" in option && typeof option.body === "string" ? option.body : "";
  return { httpMethod, template: pattern.value, body };
}

/** The text before the variable, the variable's field and pattern, the text after it, and the verb. */
const TEMPLATE = new RegExp(
  [
    String.raw`^\/(?<before>[^{}:]*)`,
    String.raw`(?:\{(?<field>[\w.]+)=(?<pattern>[^{}]+)\})?`,
    String.raw`(?<after>[^{}:]*)(?::(?<verb>\w+))?$`,
  ].join(""),
);

/** Reads `/v1/{name=devices/…}:pin`. All our paths have at most one variable. */
function parseTemplate(template: string): Pick<Binding, "segments" | "verb" | "variable"> {
  const match = TEMPLATE.exec(template);
  assert(match?.groups !== undefined, `path template ${template} has a form that is not served`);
  const { before = "", field, pattern = "", after = "", verb = "" } = match.groups;
  const inner = parseSegments(pattern);
  return {
    segments: [...parseSegments(before), ...inner, ...parseSegments(after)],
    verb,
    variable: field === undefined ? undefined : { fieldPath: field.split("."), segments: inner },
  };
}

/** Turns `devices/*` into the literal `devices` and the parameter `device`. */
function parseSegments(text: string): PathSegment[] {
  const parts = text.split("/").filter((part) => part !== "");
  return parts.map((part, index) => {
    if (part !== "*") return { literal: part };
    const collection = parts[index - 1];
    assert(collection !== undefined, "a wildcard follows the name of its collection");
    return { parameter: collection.replace(/s$/, "") };
  });
}
