/**
 * JSON and YAML that programs can read and terminals can show. Nothing is lost, and nothing controls the
 * terminal.
 */
import { Document, visit } from "yaml";
import { escapeSteering, steersTerminals } from "../contract/terminal-text.ts";

/** @param indent 0 for one line. Ends with a line break. */
export function formatJson(value: unknown, indent = 2): string {
  return `${escapeSteering(JSON.stringify(value, undefined, indent))}\n`;
}

/** Ends with a line break. */
export function formatYaml(value: unknown): string {
  const document = new Document(value);
  visit(document, {
    Scalar(_key, scalar) {
      // Double quotes are the only YAML style with escapes.
      if (typeof scalar.value === "string" && steersTerminals(scalar.value)) scalar.type = "QUOTE_DOUBLE";
    },
  });
  return escapeSteering(document.toString());
}
