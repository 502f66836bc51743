/** Configuration from a YAML file, with the line and column of everything that may be wrong in it. */
import { isMap, isNode, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import { ConfigError } from "./config-error.ts";
import { CONFIG_KEYS } from "./config-options.ts";
import type { FoundValue, FoundValues } from "./config-source.ts";

/**
 * Reads the settings in `text`.
 * @param file the file's name as the user wrote it, for messages.
 * @throws ConfigError with file, line and column.
 */
export function readConfigText(file: string, text: string): FoundValues {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [error] = document.errors;
  if (error !== undefined) throw new ConfigError(`${at(error.pos[0])}: ${sentence(error.message)}`);
  if (document.contents === null) return {};
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
    // A key without a value is what remains when somebody comments out the value: the default holds.
    if (pair.value === null || (isScalar(pair.value) && pair.value.value === null)) continue;
    found[key] = {
      value: isNode(pair.value) ? pair.value.toJS(document) : pair.value,
      place: (path) => {
        const node = path.length > 0 ? document.getIn([key, ...path], true) : undefined;
        if (isNode(node)) return at(start(node));
        return isNode(pair.value) ? at(start(pair.value)) : keyAt;
      },
    };
  }
  return found;
}

function start(node: Node): number {
  return node.range?.[0] ?? 0;
}

/** The parser's messages, as sentences. */
function sentence(message: string): string {
  const text = message.trim();
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
