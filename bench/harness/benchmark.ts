/** What a file of `bench/cases` exports, and what it may use of the harness. */
import type { Row } from "./row.ts";

export interface Benchmark {
  /** What it measures, in one sentence. */
  readonly title: string;
  /** Measures, and reports each row as soon as it is known. */
  run(report: (row: Row) => void): Promise<void>;
}
