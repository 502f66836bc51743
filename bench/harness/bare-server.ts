/** One of the bare servers of `bench/limits`, in a process of its own. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface BareServer extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
}

/** Starts `bench/limits/NAME.ts`, which prints its port. */
export async function startBareServer(name: string, args: readonly string[]): Promise<BareServer> {
  const file = new URL(`../limits/${name}.ts`, import.meta.url).pathname;
  const child = spawn(process.execPath, [file, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const [line]: unknown[] = await once(createInterface(child.stdout), "line");
  const port = Number(line);
  assert(Number.isInteger(port), `${name} prints its port, not ${String(line)}`);
  assert(child.pid !== undefined, `${name} has started`);
  return {
    port,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, "close");
    },
  };
}
