#!/usr/bin/env node
/** torporctl: the only file here that knows the process. */
import { readFileSync } from "node:fs";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { run } from "./run.ts";

/** What package.json says under engines. */
const NODE_MAJOR_MIN = 24;

// A reader such as `head` that has seen enough is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(EXIT.OK);
});

process.exitCode = await main();

async function main(): Promise<ExitCode> {
  const { stdin, stdout, stderr, env: environment, versions } = process;
  if (Number.parseInt(versions.node, 10) < NODE_MAJOR_MIN) {
    stderr.write(
      `torporctl: Node ${versions.node} is too old; torporctl needs Node ${NODE_MAJOR_MIN} or newer.\n`,
    );
    return EXIT.FAILED;
  }
  return run(process.argv.slice(2), { stdin, stdout, stderr, environment, takeInterrupts }, readVersion());
}

function takeInterrupts(): AbortSignal {
  const interrupted = new AbortController();
  const abort = () => interrupted.abort();
  process.on("SIGINT", abort).on("SIGTERM", abort);
  return interrupted.signal;
}

/** From package.json, which is two levels up from the sources and from what is built of them. */
function readVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version }: { version?: unknown } = JSON.parse(text);
  return String(version);
}
