/** The functions of a source file, as its syntax tree has them: for rules about their size. */
import { parseAst } from "vitest/node";

export interface SourceFunction {
  /** Where it begins. From 1. */
  readonly line: number;
  readonly lines: number;
  readonly parameters: number;
}

/** Every function with a body: declarations, methods, constructors, and those without a name. */
export function functionsOf(text: string): SourceFunction[] {
  const lineStarts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const lineOf = (at: number): number => lineStarts.findLastIndex((start) => start <= at) + 1;
  const found: SourceFunction[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const each of value) visit(each);
      return;
    }
    if (typeof value !== "object" || value === null) return;
    if (isFunction(value)) {
      const line = lineOf(value.start);
      found.push({ line, lines: lineOf(value.end) - line + 1, parameters: value.params.length });
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
