/** The process of one benchmark: runs it, and sends its rows to whoever forked this. */
import assert from "node:assert/strict";
import type { Benchmark } from "./benchmark.ts";

const [name] = process.argv.slice(2);
const module: unknown = await import(new URL(`../cases/${name}.ts`, import.meta.url).href);
assert(hasBenchmark(module), `bench/cases/${name}.ts exports a benchmark`);
await module.benchmark.run((row) => {
  process.send?.(row);
});
process.disconnect?.();

function hasBenchmark(module: unknown): module is { readonly benchmark: Benchmark } {
  return typeof module === "object" && module !== null && "benchmark" in module;
}
