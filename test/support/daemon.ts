/** A daemon inside the test's process, on ports that the system chose. */
import assert from "node:assert/strict";
import { type Config, loadConfig } from "../../src/server/config/config.ts";
import { type DaemonOptions, type RunningDaemon, startDaemon } from "../../src/server/daemon/daemon.ts";

export interface TestDaemon extends AsyncDisposable {
  readonly daemon: RunningDaemon;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** `127.0.0.1:PORT` */
  readonly grpc: string;
}

/** The default configuration, but with small memories and any ports. */
export function testConfig(changes: Partial<Config> = {}): Config {
  const { config } = loadConfig({ configFile: undefined, flags: {} }, {});
  const { lmemSizesBytes = [64 * 2 ** 20] } = changes;
  const localBytes = lmemSizesBytes.reduce((sum, sizeBytes) => sum + sizeBytes, 0);
  const d3coldThresholdBytes = Math.min(config.runtimePm.d3coldThresholdBytes, localBytes);
  return {
    ...config,
    runtimePm: { ...config.runtimePm, d3coldThresholdBytes },
    http: { kind: "tcp", host: "127.0.0.1", port: 0 },
    grpc: { kind: "tcp", host: "127.0.0.1", port: 0 },
    lmemSizesBytes,
    smemBytes: 256 * 2 ** 20,
    ...changes,
  };
}

/** Starts it; `await using` stops it. */
export async function startTestDaemon(
  changes: Partial<Config> = {},
  options: DaemonOptions = {},
): Promise<TestDaemon> {
  const daemon = await startDaemon(testConfig(changes), options);
  const { http, grpc } = daemon.addresses;
  assert(http.kind === "tcp" && grpc.kind === "tcp", "the test daemon listens on ports");
  return {
    daemon,
    url: `http://127.0.0.1:${http.port}`,
    grpc: `127.0.0.1:${grpc.port}`,
    async [Symbol.asyncDispose]() {
      await daemon.stop();
    },
  };
}
