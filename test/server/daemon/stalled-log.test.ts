/** A real daemon whose log nobody reads: it answers, counts what it loses, and ends when it is told to. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../../../src/server/main.js", import.meta.url));

it("does not wait for the reader of its log", async () => {
  const words = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--lmem", "32MiB", "--smem", "32MiB"];
  const child = spawn(process.execPath, [MAIN, ...words, "--log-level", "debug"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  try {
    let read = "";
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      read += String(chunk);
      if (read.includes('"msg":"ready"')) break;
    }
    const ready = read.split("\n").find((line) => line.includes('"msg":"ready"')) ?? "";
    const url = `http://${Object(JSON.parse(ready)).http}`;
    // From here on nobody reads. Each call leaves a line, and so has each change.
    child.stdout.pause();
    for (let count = 0; count < 6_000; count += 100) {
      const calls = Array.from({ length: 100 }, (_, at) =>
        fetch(`${url}/v1/devices/card0/objects/${at}:pin`, {
          method: "POST",
          headers: { "x-request-id": "r".repeat(128) },
        }),
      );
      const answers = await Promise.all(calls);
      expect(answers.every(({ status }) => status === 404)).toBe(true);
      await Promise.all(answers.map((answer) => answer.arrayBuffer()));
    }
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const lost = /^torpor_log_lines_dropped_total\{why="reader"\} (\d+)$/m.exec(metrics)?.[1];
    expect(Number(lost)).toBeGreaterThan(100);
    child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
  }
});
