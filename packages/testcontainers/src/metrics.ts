/** The metrics of the daemon, as far as a test asks: values by name and labels. */

export interface Metrics {
  /** The text as Prometheus reads it. */
  readonly text: string;
  /** The sum of all samples of this name that have these labels, and maybe others; 0 when there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Reads the text format of Prometheus. */
export function metricsOf(text: string): Metrics {
  const samples = text.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(LABEL)].map(
      ([, key = "", said = ""]) => [key, unescaped(said)] as const,
    );
    return [{ name, labels: new Map(pairs), value: Number(value) }];
  });
  return {
    text,
    sum: (name, labels = {}) =>
      samples
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels.get(key) === value))
        .reduce((sum, sample) => sum + sample.value, 0),
  };
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter));
}
