/** The process of torporctl: its arguments, streams, signals and exit code. */
import { readFileSync } from "node:fs";
import { getSystemErrorMessage } from "node:util";
import { EXIT } from "./exit-codes.ts";
import { dropUnset } from "./option-variables.ts";
import { run } from "./run.ts";

process.stdout.on("error", ({ code, errno, message }: NodeJS.ErrnoException) => {
  // A reader such as `head` closes the pipe early. That is no failure.
  if (code === "EPIPE") process.exit(EXIT.OK);
  const why = errno === undefined ? message : getSystemErrorMessage(errno);
  process.stderr.write(`torporctl: The output cannot be written: ${why}. (${code})\n`);
  process.exit(EXIT.FAILED);
});
// There is nobody left to tell.
process.stderr.on("error", () => {});

const { stdin, stdout, stderr, env: environment } = process;
dropUnset(environment);
process.exitCode = await run(
  process.argv.slice(2),
  { stdin, stdout, stderr, environment, takeInterrupts },
  readVersion(),
);

function takeInterrupts(): AbortSignal {
  const interrupted = new AbortController();
  const abort = () => interrupted.abort();
  process.on("SIGINT", abort).on("SIGTERM", abort);
  return interrupted.signal;
}

/** The version in package.json, two levels above both the sources and the build. */
function readVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version }: { version?: unknown } = JSON.parse(text);
  return String(version);
}
