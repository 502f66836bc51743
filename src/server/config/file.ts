/** Configuration from a YAML file, with the line and column of every possible fault. */
import type { Document, Node } from "yaml";
import { CONFIG_DEPTH_MAX } from "../daemon-limits.ts";
import { ConfigError } from "./config-error.ts";
import { CONFIG_KEYS } from "./schema.ts";
import type { FoundValue, FoundValues } from "./source.ts";
import { yaml } from "./yaml.ts";

const TOO_DEEP = "Lists and maps stand in each other too deeply.";

/**
 * Reads the settings in `text`.
 * @param file the file's name as the user wrote it, for messages.
 * @throws ConfigError with file, line and column.
 */
export function readConfigText(file: string, text: string): FoundValues {
  const { isMap, isNode, isScalar, LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [error] = document.errors;
  if (error !== undefined) throw new ConfigError(`${at(error.pos[0])}: ${sentence(error.message)}`);
  if (document.contents === null) return {};
  requireReadable(document, at);
  if (!isMap(document.contents)) {
    throw new ConfigError(`${at(start(document.contents))}: The file is not a map of settings.`);
  }
  const found: Record<string, FoundValue> = {};
  for (const pair of document.contents.items) {
    const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
    const keyAt = at(isNode(pair.key) ? start(pair.key) : 0);
    if (!CONFIG_KEYS.some((known) => known === key)) {
      throw new ConfigError(`${keyAt}: There is no setting ${key}. There are ${CONFIG_KEYS.join(", ")}.`);
    }
    // A key without a value remains when somebody comments out the value, so the default applies.
    if (pair.value === null || (isScalar(pair.value) && pair.value.value === null)) continue;
    found[key] = {
      value: isNode(pair.value) ? readValue(pair.value, document, at) : pair.value,
      place: (path) => {
        const node = path.length > 0 ? document.getIn([key, ...path], true) : undefined;
        if (isNode(node)) return at(start(node));
        return isNode(pair.value) ? at(start(pair.value)) : keyAt;
      },
    };
  }
  return found;
}

/**
 * Refuses files that the parser accepts but that would crash their reader: aliases that lead nowhere or in a
 * circle, and lists nested too deeply.
 */
function requireReadable(document: Document, at: (offset: number) => string): void {
  const { isAlias, visit } = yaml();
  visit(document, {
    Node(_, node, path) {
      if (path.length > CONFIG_DEPTH_MAX) throw new ConfigError(`${at(start(node))}: ${TOO_DEEP}`);
      if (!isAlias(node)) return;
      const source = node.resolve(document);
      if (source === undefined)
        throw new ConfigError(`${at(start(node))}: Alias *${node.source} has no anchor before it.`);
      if (path.includes(source))
        throw new ConfigError(
          `${at(start(node))}: Alias *${node.source} stands inside of what it stands for.`,
        );
    },
  });
}

/** @throws ConfigError for nested aliases that would expand a small file enormously. */
function readValue(node: Node, document: Document, at: (offset: number) => string): unknown {
  try {
    return node.toJS(document);
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw new ConfigError(`${at(start(node))}: ${sentence(error.message)}`, { cause: error });
  }
}

function start(node: Node): number {
  return node.range?.[0] ?? 0;
}

/** Turns the parser's messages into sentences. One of them reports a stack overflow. */
function sentence(message: string): string {
  const text = message.includes("call stack") ? TOO_DEEP : message.trim();
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
