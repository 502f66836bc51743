/** docs/other-languages.md: its program without packages, run against a daemon, prints what stands under it. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { DaemonProcess } from "../../support/daemon-process.ts";

const PAGE = readFileSync(new URL("../../../docs/other-languages.md", import.meta.url), "utf8");
const [, program = "", shown = ""] = /```python\n(.*?)```\n\n```text\n(.*?)```/s.exec(PAGE) ?? [];
const hasPython = spawnSync("python3", ["--version"]).status === 0;

it.skipIf(!hasPython)("the Python program prints what the page says", async () => {
  // A process of its own, because the test waits for Python without looking after anything else.
  await using daemon = new DaemonProcess([
    ...["--lmem", "64MiB", "--smem", "256MiB", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"],
  ]);
  const { http } = await daemon.ready();
  const { stdout, stderr } = spawnSync("python3", ["-"], {
    input: program.replace("127.0.0.1:8585", http),
    encoding: "utf8",
  });
  expect({ stdout, stderr }).toEqual({ stdout: shown, stderr: "" });
});
