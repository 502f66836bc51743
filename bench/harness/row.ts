/** One line of the report: a figure, the limit that was measured beside it, and what we aim for. */

/** What a ratio or a figure should be. */
export interface Aim {
  /** `ratio`: figure against limit. `figure`: by itself. */
  readonly of: "ratio" | "figure";
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
}

export interface Row {
  /** What was measured; together with the benchmark's name it is unique. */
  readonly name: string;
  /** Median over the rounds. */
  readonly figure: number;
  readonly unit: string;
  /** What the figure is held against, measured in the same rounds. */
  readonly limit?: { readonly name: string; readonly figure: number } | undefined;
  /** Median of the ratios of each round. */
  readonly ratio?: number | undefined;
  readonly aim?: Aim | undefined;
}

/** Whether the aim of a row is reached; undefined when it has none, or its limit could not be measured. */
export function isReached({ aim, figure, ratio }: Row): boolean | undefined {
  if (aim === undefined) return undefined;
  const value = aim.of === "ratio" ? ratio : figure;
  if (value === undefined) return undefined;
  return (
    value >= (aim.atLeast ?? Number.NEGATIVE_INFINITY) && value <= (aim.atMost ?? Number.POSITIVE_INFINITY)
  );
}

/** `>= 0.95`, `<= 10 ms`. */
export function aimText({ aim, unit }: Row): string {
  if (aim === undefined) return "";
  const sign = aim.atLeast === undefined ? "<=" : ">=";
  const value = (aim.atLeast ?? aim.atMost ?? 0).toLocaleString("en-US");
  return `${sign} ${value}${aim.of === "figure" ? ` ${unit}` : ""}`;
}
