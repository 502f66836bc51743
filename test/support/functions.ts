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
 * dictates its parameters. So they are not told of a function that is an argument of a call, written there or by its
 * name, nor of a constant that is declared with the type of somebody's callback.
 */
export function functionsOf(text: string): SourceFunction[] {
  const lineStarts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const lineOf = (at: number): number => lineStarts.findLastIndex((start) => start <= at) + 1;
  const found: SourceFunction[] = [];
  const { body } = parseAst(text, { lang: "ts" });
  const dictated = handedOverIn(body);
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const each of value) visit(each);
      return;
    }
    if (typeof value !== "object" || value === null) return;
    if (isFunction(value)) {
      const line = lineOf(value.start);
      const parameters = dictated.has(value) || dictated.has(nameOf(value)) ? undefined : value.params.length;
      found.push({ line, lines: lineOf(value.end) - line + 1, parameters });
    }
    for (const each of Object.values(value)) visit(each);
  };
  visit(body);
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

/** The functions in a tree, or their names, that are handed to somebody who has a type for them. */
function handedOverIn(tree: unknown): ReadonlySet<unknown> {
  const found = new Set<unknown>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const taken of Array.isArray(value) ? [] : handedOver(value)) {
      found.add(taken);
      const name = nameOf(taken);
      if (name !== undefined) found.add(name);
    }
    for (const each of Object.values(value)) visit(each);
  };
  visit(tree);
  return found;
}

function handedOver(node: object): readonly object[] {
  if ("arguments" in node && Array.isArray(node.arguments)) return node.arguments;
  if (!("id" in node && isObject(node.id) && "init" in node && isObject(node.init))) return [];
  return "typeAnnotation" in node.id && isObject(node.id.typeAnnotation) ? [node.init] : [];
}

/** Of a declaration, or of what an argument names. */
function nameOf(node: object): string | undefined {
  const named = "id" in node && isObject(node.id) ? node.id : node;
  return "name" in named && typeof named.name === "string" ? named.name : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
