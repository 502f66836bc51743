/** A real Prometheus with the shipped configuration, pointed at a daemon of the test's. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const SHIPPED = fileURLToPath(new URL("../../docker/prometheus", import.meta.url));
/** Longest wait for it to be ready, and for it to know something. Unit: milliseconds. */
const PATIENCE_MS = 20_000;

const answer = z.object({ status: z.literal("success"), data: z.unknown() });
const vector = z.object({
  resultType: z.literal("vector"),
  result: z.array(
    z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }),
  ),
});
const matrix = z.object({
  resultType: z.literal("matrix"),
  result: z.array(
    z.object({
      metric: z.record(z.string(), z.string()),
      values: z.array(z.tuple([z.number(), z.string()])),
    }),
  ),
});
const ruleList = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({ name: z.string(), health: z.string(), type: z.string(), state: z.string().optional() }),
      ),
    }),
  ),
});

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class PrometheusProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #url: string;
  #output = "";

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
      });
    }
  }

  /**
   * Starts it and waits until it is ready. Of the configuration only the target and the intervals are others: a test has no
   * minutes.
   * @param folder for configuration and data; removed by the caller.
   * @param targets `HOST:PORT` of each daemon.
   */
  static async start(folder: string, ...targets: readonly string[]): Promise<PrometheusProcess> {
    cpSync(SHIPPED, folder, { recursive: true });
    const path = join(folder, "prometheus.yml");
    const shipped = readFileSync(path, "utf8");
    const changed = shipped
      .replace("- localhost:8585", targets.map((target) => `- ${target}`).join(`\n${" ".repeat(10)}`))
      .replace("scrape_interval: 5s", "scrape_interval: 1s")
      .replace("evaluation_interval: 15s", "evaluation_interval: 1s");
    assert(
      targets.every((target) => changed.includes(target)) && !changed.includes("15s"),
      "target and intervals are in the configuration",
    );
    writeFileSync(path, changed);
    for (const name of readdirSync(join(folder, "rules"))) {
      const rules = join(folder, "rules", name);
      writeFileSync(
        rules,
        readFileSync(rules, "utf8").replaceAll(/^ {4}interval: \w+$/gm, "    interval: 1s"),
      );
    }
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      "prometheus",
      [
        `--config.file=${path}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=${address}`,
        "--enable-feature=exemplar-storage",
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const prometheus = new PrometheusProcess(child, `http://${address}`);
    await prometheus.until("it is ready", async () => {
      const response = await fetch(`${prometheus.#url}/-/ready`).catch(() => undefined);
      return response?.status === 200;
    });
    return prometheus;
  }

  /** The series that an expression has now. Asserts that Prometheus understands it. */
  async query(expression: string): Promise<readonly Series[]> {
    const data = await this.#get("query", { query: expression });
    return vector
      .parse(data)
      .result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  }

  /** The series that an expression has in the last five minutes, each with its newest value. */
  async range(expression: string): Promise<readonly Series[]> {
    const end = Date.now() / 1000;
    const span = { start: String(end - 300), end: String(end), step: "2" };
    const data = await this.#get("query_range", { query: expression, ...span });
    return matrix
      .parse(data)
      .result.map(({ metric, values }) => ({ labels: metric, value: Number(values.at(-1)?.[1]) }));
  }

  /** The values that a label has in the series of a selector. */
  async labelValues(selector: string, label: string): Promise<readonly string[]> {
    return z.array(z.string()).parse(await this.#get(`label/${label}/values`, { "match[]": selector }));
  }

  /** The one value that an expression has. */
  async value(expression: string): Promise<number> {
    const series = await this.query(expression);
    assert.equal(series.length, 1, `${expression} is one series`);
    return series[0]?.value ?? Number.NaN;
  }

  async rules() {
    const data = await this.#get("rules", {});
    return ruleList.parse(data).groups.flatMap((group) => group.rules);
  }

  /** Exemplars of a histogram, as label sets. */
  async exemplars(selector: string): Promise<readonly Readonly<Record<string, string>>[]> {
    const now = Date.now() / 1000;
    const data = await this.#get("query_exemplars", {
      query: selector,
      start: String(now - 600),
      end: String(now + 1),
    });
    const each = z.array(
      z.object({ exemplars: z.array(z.object({ labels: z.record(z.string(), z.string()) })) }),
    );
    return each.parse(data).flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels));
  }

  /** Waits until something holds. @param what as in "until WHAT". */
  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      if (this.#child.exitCode !== null) break;
      if (await holds()) return;
      await sleep(100);
    }
    assert.fail(`waited in vain until ${what}; Prometheus said:\n${this.#output}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
  }

  async #get(path: string, parameters: Readonly<Record<string, string>>): Promise<unknown> {
    const body = new URLSearchParams(parameters);
    const post = path.startsWith("query");
    const url = `${this.#url}/api/v1/${path}`;
    const response = await (post ? fetch(url, { method: "POST", body }) : fetch(`${url}?${body}`));
    const text = await response.text();
    assert.equal(response.status, 200, `${parameters.query ?? path} is understood: ${text}`);
    return answer.parse(JSON.parse(text)).data;
  }
}

/** A port that nobody had a moment ago: Prometheus does not say which it chose. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert(address !== null && typeof address === "object", "a TCP server has a port");
  server.close();
  await once(server, "close");
  return address.port;
}
