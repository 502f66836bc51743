/** A real daemon in a process of its own, for what is measured through a wire. */
import { DaemonProcess } from "../../test/support/daemon-process.ts";

export interface BenchDaemon extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** `127.0.0.1:PORT` */
  readonly grpc: string;
  readonly pid: number;
}

/** Starts it on free ports and waits until it is ready. */
export async function startBenchDaemon(words: readonly string[] = []): Promise<BenchDaemon> {
  const daemon = new DaemonProcess([
    ...["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--log-level", "info"],
    ...words,
  ]);
  const { http, grpc } = await daemon.ready();
  return {
    url: http.startsWith("http") ? http : `http://${http}`,
    grpc,
    pid: daemon.pid,
    async [Symbol.asyncDispose]() {
      daemon.kill("SIGTERM");
      await daemon.exit();
    },
  };
}
