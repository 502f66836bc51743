/** The functions of a source file, as its syntax tree has them: for rules about their size. */
import { parseAst } from "vitest/node";

export interface SourceFunction {
  /** Where it begins. From 1. */
  readonly line: number;
  readonly lines: number;
  /** Undefined where somebody else dictates them: see `functionsOf`. */
  readonly parameters: number | undefined;
}

/**
 * Every function with a body: declarations, methods, constructors, and those without a name. Who takes a function
 * dictates its parameters. So they are not told of a function that is written where it is handed over (an argument of
 * a call), nor of a constant that is declared with the type of somebody's callback.
 */
export function functionsOf(text: string): SourceFunction[] {
  const lineStarts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const lineOf = (at: number): number => lineStarts.findLastIndex((start) => start <= at) + 1;
  const found: SourceFunction[] = [];
  const dictated = new Set<unknown>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const each of value) visit(each);
      return;
    }
    if (typeof value !== "object" || value === null) return;
    for (const taken of handedOver(value)) dictated.add(taken);
    if (isFunction(value)) {
      const line = lineOf(value.start);
      const parameters = dictated.has(value) ? undefined : value.params.length;
      found.push({ line, lines: lineOf(value.end) - line + 1, parameters });
    }
    for (const each of Object.values(value)) visit(each);
  };
  visit(parseAst(text, { lang: "ts" }).body);
  return found;
}

interface FunctionNode {
  readonly start: number;
  readonly end: number;
  readonly params: readonly unknown[];
}

const KINDS: readonly unknown[] = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];

function isFunction(node: object): node is FunctionNode {
  return "type" in node && KINDS.includes(node.type) && "params" in node && Array.isArray(node.params);
}

/** What a node hands to somebody who has a type for it. */
function handedOver(node: object): readonly unknown[] {
  if ("arguments" in node && Array.isArray(node.arguments)) return node.arguments;
  const isTyped = "id" in node && typeof node.id === "object" && node.id !== null && hasType(node.id);
  return isTyped && "init" in node ? [node.init] : [];
}

function hasType(id: object): boolean {
  return "typeAnnotation" in id && id.typeAnnotation !== null && id.typeAnnotation !== undefined;
}
