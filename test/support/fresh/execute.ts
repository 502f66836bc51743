/** Programs that prepare a bare system: each has to succeed. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
/** debootstrap over a slow line. Unit: milliseconds. */
const TIMEOUT_MS = 600_000;
/** apt is talkative. Unit: bytes. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** What it says on stdout. @throws Error with all that it said when it fails. */
export async function execute(
  program: string,
  words: readonly string[],
  folder: string = process.cwd(),
): Promise<string> {
  const { stdout } = await run(program, words, {
    cwd: folder,
    timeout: TIMEOUT_MS,
    maxBuffer: OUTPUT_BYTES_MAX,
    encoding: "utf8",
  });
  return stdout;
}
