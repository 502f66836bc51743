/**
 * Paths in the three spellings that we need: fastify's, the reader's, and a pattern that matches real paths.
 */
import type { Binding } from "./http-bindings.ts";

/**
 * A binding's path in find-my-way's spelling. Wildcards match no colon. Otherwise two bare `:device::verb`
 * routes would collide, and an unknown verb would be read as part of a name.
 */
export function fastifyPath({ segments, verb }: Pick<Binding, "segments" | "verb">): string {
  const parts = segments.map((part) => ("literal" in part ? part.literal : `:${part.parameter}(^[^:/]+)`));
  return `/${parts.join("/")}${verb === "" ? "" : `::${verb}`}`;
}

/** One entry for each route, since every request asks for one. */
const labels = new Map<string, string>();

/** Turns fastify's spelling of a route into `/v1/devices/{device}:suspend`, which metrics and people see. */
export function routeLabel(url: string): string {
  const known = labels.get(url);
  if (known !== undefined) return known;
  const label = pieces(url)
    .map((piece) => ("literal" in piece ? piece.literal : `{${piece.parameter}}`))
    .join("");
  labels.set(url, label);
  return label;
}

/** A pattern that matches every real path that the route would serve, and perhaps more. */
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
