/** Aligned text: tables of items, and lists of one item's fields. */
import { printable } from "../contract/terminal-text.ts";

export interface Column<T> {
  readonly head: string;
  /** Numbers are aligned to the right. @default "left" */
  readonly align?: "left" | "right";
  cell(item: T): string | number;
}

/** A table with a header row. Ends with a line break. Without items it has only the header. */
export function formatTable<T>(columns: readonly Column<T>[], items: readonly T[]): string {
  const rows = [
    columns.map(({ head }) => head.toUpperCase()),
    ...items.map((item) => columns.map((column) => printable(String(column.cell(item))))),
  ];
  const widths = columns.map((_column, at) => Math.max(...rows.map((row) => lengthOf(row[at] ?? ""))));
  const lines = rows.map((row) =>
    row
      .map((text, at) => pad(text, widths[at] ?? 0, columns[at]?.align))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

/** One line for each field, with aligned values. Fields without a value are left out. */
export function formatFields(
  fields: readonly (readonly [name: string, value: string | number | boolean])[],
): string {
  const shown = fields.map(([name, value]) => [name, printable(wordOf(value))] as const);
  const given = shown.filter(([, text]) => text !== "");
  const width = Math.max(...given.map(([name]) => name.length));
  return given.map(([name, text]) => `${`${name}:`.padEnd(width + 1)}  ${text}\n`).join("");
}

function wordOf(value: string | number | boolean): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value);
}

function pad(text: string, width: number, align: "left" | "right" = "left"): string {
  const space = " ".repeat(Math.max(width - lengthOf(text), 0));
  return align === "right" ? space + text : text + space;
}

function lengthOf(text: string): number {
  return [...text].length;
}
