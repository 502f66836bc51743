/** Reads the text that a scrape answers, strictly: what does not parse is an error. */
import assert from "node:assert/strict";

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricsText {
  readonly samples: readonly Sample[];
  /** Kind by family, as the TYPE lines say. */
  readonly types: ReadonlyMap<string, string>;
  /** The one sample with this name and these labels, or more labels; asserts that there is one. */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
  /** The sum of all samples with this name and these labels. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*",?)*)\})? (\S+)(?: # \{.*\} .*)?$/;

export function parseMetrics(text: string): MetricsText {
  const samples: Sample[] = [];
  const types = new Map<string, string>();
  for (const line of text.split("\n")) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type !== null) {
      assert(!types.has(type[1] ?? ""), `${type[1]} has one TYPE line`);
      types.set(type[1] ?? "", type[2] ?? "");
    } else if (line !== "" && !line.startsWith("# HELP ") && line !== "# EOF")
      samples.push(parseSample(line));
  }
  const find = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    samples.filter((sample) => sample.name === name && hasLabels(sample, labels));
  return {
    samples,
    types,
    value: (name, labels) => {
      const found = find(name, labels);
      assert.equal(found.length, 1, `one sample of ${name} has labels ${JSON.stringify(labels ?? {})}`);
      return found[0]?.value ?? Number.NaN;
    },
    sum: (name, labels) => find(name, labels).reduce((total, sample) => total + sample.value, 0),
  };
}

function parseSample(line: string): Sample {
  const match = SAMPLE.exec(line);
  assert(match !== null, `the line ${line} is a sample`);
  const labels: Record<string, string> = {};
  for (const [, label = "", value = ""] of (match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    labels[label] = value;
  }
  // prom-client writes Nan, which Prometheus reads as it does NaN.
  const value = match[3] === "Nan" ? Number.NaN : Number(match[3]?.replace("Inf", "Infinity"));
  return { name: match[1] ?? "", labels, value };
}

function hasLabels(sample: Sample, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
}
