/** The report: a table for people, JSON for the next run to compare with. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { aimText, isReached, type Row } from "./row.ts";

const ROW = z.object({
  name: z.string(),
  figure: z.number(),
  unit: z.string(),
  limit: z.object({ name: z.string(), figure: z.number() }).optional(),
  ratio: z.number().optional(),
  aim: z
    .object({
      of: z.enum(["ratio", "figure"]),
      atLeast: z.number().optional(),
      atMost: z.number().optional(),
    })
    .optional(),
});

const RESULTS = z.object({
  machine: z.object({ cpu: z.string(), cores: z.number(), memoryBytes: z.number(), node: z.string() }),
  benchmarks: z.record(z.string(), z.array(ROW)),
});

/** What a run writes: rows by benchmark, and on what machine. */
export type Results = z.infer<typeof RESULTS>;

/** @throws Error when the file is not what `npm run bench` writes. */
export async function readResults(path: string): Promise<Results> {
  const parsed = RESULTS.safeParse(JSON.parse(await readFile(path, "utf8")));
  if (parsed.success) return parsed.data;
  throw new Error(`${path} is not a result of npm run bench: ${z.prettifyError(parsed.error)}`);
}

/** One line of the table; with `before`, how much the ratio (or the figure, where there is none) has changed. */
export function formatRow(row: Row, before?: Row): string {
  const columns = [
    row.name.padEnd(58),
    `${formatNumber(row.figure)} ${row.unit}`.padStart(20),
    (row.limit === undefined ? "" : `${formatNumber(row.limit.figure)} ${row.limit.name}`).padEnd(36),
    (row.ratio === undefined ? "" : row.ratio.toFixed(2)).padStart(7),
    aimText(row).padEnd(16),
    verdict(row).padEnd(8),
    change(row, before),
  ];
  return columns.join("  ").trimEnd();
}

/** The same columns for a document: a row of a Markdown table. */
export function formatMarkdown(row: Row): string {
  const limit = row.limit === undefined ? "" : `${formatNumber(row.limit.figure)} ${row.limit.name}`;
  const cells = [row.name, `${formatNumber(row.figure)} ${row.unit}`, limit, row.ratio?.toFixed(2) ?? ""];
  return `| ${[...cells, aimText(row), verdict(row)].join(" | ")} |`;
}

function verdict(row: Row): string {
  const reached = isReached(row);
  return reached === undefined ? "" : reached ? "reached" : "MISSED";
}

function change(row: Row, before: Row | undefined): string {
  if (before === undefined) return "";
  const [now, then] =
    row.ratio !== undefined && before.ratio !== undefined
      ? [row.ratio, before.ratio]
      : [row.figure, before.figure];
  const percent = (now / then - 1) * 100;
  return `${percent < 0 ? "" : "+"}${percent.toFixed(0)} %`;
}

/** Three digits that count, as `11.2`, `0.034`, `262,144`. */
function formatNumber(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return Number(value.toPrecision(3)).toString();
}
