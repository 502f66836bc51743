/** Paths in the three spellings that we need: fastify's, people's, and as a pattern for real paths. */
import type { Binding } from "./http-bindings.ts";

/**
 * A binding's path as find-my-way reads it. Wildcards take no colon: two bare `:device::verb` routes would
 * collide, and a verb that does not exist would be taken for a name.
 */
export function fastifyPath({ segments, verb }: Pick<Binding, "segments" | "verb">): string {
  const parts = segments.map((part) => ("literal" in part ? part.literal : `:${part.parameter}(^[^:/]+)`));
  return `/${parts.join("/")}${verb === "" ? "" : `::${verb}`}`;
}

/** As many as there are routes: they are asked for with every request. */
const labels = new Map<string, string>();

/**
 * `/v1/devices/{device}:suspend`, from the spelling that fastify has of one of its routes: what metrics and
 * people see.
 */
export function routeLabel(url: string): string {
  const known = labels.get(url);
  if (known !== undefined) return known;
  const label = pieces(url)
    .map((piece) => ("literal" in piece ? piece.literal : `{${piece.parameter}}`))
    .join("");
  labels.set(url, label);
  return label;
}

/** Matches the real paths of a route in fastify's spelling, at least all that it would serve. */
export function routePattern(url: string): RegExp {
  const source = pieces(url).map((piece) =>
    "literal" in piece ? piece.literal.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*") : "[^/:]+",
  );
  return new RegExp(`^${source.join("")}$`);
}

/** Cuts `/v1/devices/:device(^[^:/]+)::suspend` into literals (`::` is a colon) and parameters. */
function pieces(url: string): ({ readonly literal: string } | { readonly parameter: string })[] {
  const found = url.matchAll(/::|:(\w+)(?:\((?:[^()]|\([^()]*\))*\))?|[^:]+/g);
  return [...found].map(([text, parameter]) =>
    parameter === undefined ? { literal: text === "::" ? ":" : text } : { parameter },
  );
}
