/** One scrape of a registry, in the format that the scraper asks for. */
import { type MetricObject, Registry, type RegistryContentType } from "prom-client";

export interface Scrape {
  readonly contentType: RegistryContentType;
  readonly body: string;
}

/**
 * Serves scrapes one at a time. prom-client stores the format in the registry, and in OpenMetrics it renames
 * the counters permanently. So two simultaneous scrapes, or one format after the other, would spoil each
 * other.
 */
export class Exposition {
  readonly #registry: Registry<RegistryContentType>;
  readonly #refresh: () => Promise<void>;
  #last: Promise<unknown> = Promise.resolve();
  /** Scrapes that have not begun, at most one per format. Callers that ask meanwhile share the answer. */
  readonly #waiting = new Map<RegistryContentType, Promise<Scrape>>();

  /** @param refresh fills the gauges before each scrape. */
  constructor(registry: Registry<RegistryContentType>, refresh: () => Promise<void>) {
    this.#registry = registry;
    this.#refresh = refresh;
  }

  /** @param accept the Accept header of the request. */
  scrape(accept: string | undefined): Promise<Scrape> {
    const contentType = negotiate(accept);
    const waiting = this.#waiting.get(contentType);
    if (waiting !== undefined) return waiting;
    const scrape = this.#last.then(() => {
      this.#waiting.delete(contentType);
      return this.#render(contentType);
    });
    this.#waiting.set(contentType, scrape);
    this.#last = scrape.catch(() => undefined);
    return scrape;
  }

  async #render(contentType: RegistryContentType): Promise<Scrape> {
    await this.#refresh();
    const names = this.#registry.getMetricsAsArray().map((metric) => [metric, metric.name] as const);
    try {
      this.#registry.setContentType(contentType);
      return { contentType, body: await this.#registry.metrics() };
    } finally {
      restoreNames(names);
    }
  }
}

function restoreNames(names: readonly (readonly [MetricObject, string])[]): void {
  for (const [metric, name] of names) metric.name = name;
}

/** OpenMetrics 1.0 if the scraper prefers it to plain text, else the text format, which everything reads. */
function negotiate(accept: string | undefined): RegistryContentType {
  let openMetrics = 0;
  let text = 0;
  for (const range of (accept ?? "").toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const quality = qualityOf(parameters);
    const version = parameters.find((parameter) => parameter.startsWith("version="));
    if (type === "application/openmetrics-text" && (version ?? "version=1.0.0") === "version=1.0.0") {
      openMetrics = Math.max(openMetrics, quality);
    } else if (type === "text/plain") text = Math.max(text, quality);
  }
  const prefersOpenMetrics = openMetrics > 0 && openMetrics >= text;
  return prefersOpenMetrics ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
}

function qualityOf(parameters: readonly string[]): number {
  const parameter = parameters.find((candidate) => candidate.startsWith("q="));
  if (parameter === undefined) return 1;
  const quality = Number(parameter.slice("q=".length));
  return quality >= 0 && quality <= 1 ? quality : 0;
}
