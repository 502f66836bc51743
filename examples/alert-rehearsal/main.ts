/** `node examples/alert-rehearsal/main.ts`: starts a daemon and a Prometheus, rehearses, and ends both. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rehearseAlert } from "./alert-rehearsal.ts";
import { Program } from "./program.ts";
import { writeConfiguration } from "./prometheus.ts";

const DAEMON = join(import.meta.dirname, "../../src/server/main.js");
const HOLD_FOR = "3s";

const folder = mkdtempSync(join(tmpdir(), "torpor-alert-rehearsal-"));
try {
  await rehearse();
} finally {
  rmSync(folder, { recursive: true });
}

async function rehearse(): Promise<void> {
  const device = ["--lmem", "64MiB", "--smem", "128MiB", "--engines", "rcs0,bcs0"];
  const wires = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
  await using daemon = new Program("torpord", process.execPath, [
    DAEMON,
    "--enable-faults",
    ...wires,
    ...device,
  ]);
  const [, http = ""] = await daemon.says(/"http":"([^"]+)".*"msg":"ready"/);

  const listen = `127.0.0.1:${await freePort()}`;
  await using prometheus = new Program("prometheus (Debian's package of that name)", "prometheus", [
    `--config.file=${writeConfiguration(folder, http, HOLD_FOR)}`,
    `--storage.tsdb.path=${join(folder, "data")}`,
    `--web.listen-address=${listen}`,
  ]);
  await prometheus.says(/Server is ready to receive web requests/);

  const tell = (sentence: string) => console.log(sentence);
  tell(`The rules are the shipped ones, but what waits for minutes waits for ${HOLD_FOR} here.`);
  await rehearseAlert({ torporUrl: `http://${http}`, prometheusUrl: `http://${listen}`, tell });
}

/** A port that nobody had a moment ago: Prometheus cannot say which one the system chose for it. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("The system gave no port.");
  return address.port;
}
