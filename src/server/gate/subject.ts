/** The resource that a message concerns, for the audit log. */

/**
 * The `name` or `parent` of a request, or the name of the resource inside it if the request changes that
 * (AIP-134). Undefined if none is set.
 */
export function subjectOf(request: object): string | undefined {
  if ("name" in request) return nameIn(request);
  if ("parent" in request) return textOf(request.parent);
  const [resource] = Object.values(request);
  return typeof resource === "object" && resource !== null ? nameIn(resource) : undefined;
}

/** The `name` in a message; undefined if its type has none or it is not set. */
export function nameIn(message: object): string | undefined {
  return "name" in message ? textOf(message.name) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
