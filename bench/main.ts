/**
 * `npm run bench [-- NAME…] [--compare FILE] [--json FILE] [--markdown] [--list]`: runs the benchmarks whose names begin
 * with one of these, or all, each in a process of its own; prints one table, and writes JSON.
 *
 * A ratio is worth more than a figure: the limit is measured in the same rounds, so what the machine does besides
 * disturbs both. Run it on a machine that does nothing else.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { formatMarkdown, formatRow, type Results, readResults } from "./harness/report.ts";
import { isReached, type Row } from "./harness/row.ts";

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    compare: { type: "string" },
    json: { type: "string", default: "bench-results.json" },
    markdown: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

const files = await readdir(new URL("cases/", import.meta.url));
const names = files
  .map((file) => file.replace(/\.ts$/, ""))
  .filter((name) => wanted.length === 0 || wanted.some((prefix) => name.startsWith(prefix)))
  .sort();
if (options.list) {
  console.log(names.join("\n"));
} else {
  if (names.length === 0)
    throw new Error(`No benchmark begins with ${wanted.join(" or ")}; --list shows them.`);
  await runAll(names);
}

async function runAll(benchmarks: readonly string[]): Promise<void> {
  const before = options.compare === undefined ? undefined : await readResults(options.compare);
  const results: Results = { machine: machine(), benchmarks: {} };
  for (const name of benchmarks) {
    const rows: Row[] = [];
    results.benchmarks[name] = rows;
    if (!options.markdown) console.log(`\n${name}`);
    await runOne(name, (row) => {
      rows.push(row);
      const earlier = before?.benchmarks[name]?.find((each) => each.name === row.name);
      console.log(options.markdown ? formatMarkdown(row) : `  ${formatRow(row, earlier)}`);
    });
  }
  await writeFile(options.json, `${JSON.stringify(results, undefined, 2)}\n`);
  const all = Object.values(results.benchmarks).flat();
  const judged = all.filter((row) => isReached(row) !== undefined);
  const reached = judged.filter((row) => isReached(row) === true).length;
  console.log(`\n${reached} of ${judged.length} aims reached. ${options.json} has every figure.`);
}

/** Runs one benchmark in a process of its own, so that none inherits the heap or the pages of another. */
async function runOne(name: string, report: (row: Row) => void): Promise<void> {
  const child = fork(new URL("harness/case-process.ts", import.meta.url), [name], {
    execArgv: ["--expose-gc"],
  });
  child.on("message", (row) => report(row as Row));
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`Benchmark ${name} ended with exit code ${code}.`);
}

function machine(): Results["machine"] {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.version,
  };
}
