/** Asks a running daemon whether it is ready, for container engines without curl. */
import { request } from "node:http";
import { HEALTH_ANSWER_TIMEOUT_MS } from "./daemon-limits.ts";
import { formatListenAddress, type ListenAddress } from "./listen.ts";

/** What the daemon said: `ready`, or why it counts as not ready, as a whole sentence. */
export type Health = { readonly ready: true } | { readonly ready: false; readonly why: string };

/** Asks `/readyz` of the daemon whose configured HTTP address is `address`. Never rejects. */
export function askHealth(address: ListenAddress): Promise<Health> {
  const shown = formatListenAddress(address);
  if (address.kind === "tcp" && address.port === 0) {
    const why = "The port of http is 0, so the daemon's port is known only to its ready line.";
    return Promise.resolve({ ready: false, why });
  }
  return new Promise((resolve) => {
    const no = (why: string) => resolve({ ready: false, why });
    // The guard of the daemon knows localhost by name, wherever it listens.
    const headers = { host: "localhost" };
    const call = request({ ...target(address), path: "/readyz", headers, agent: false }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve({ ready: true });
      else no(`The daemon at ${shown} answers /readyz with status ${response.statusCode}.`);
    });
    call.setTimeout(HEALTH_ANSWER_TIMEOUT_MS, () => {
      no(`The daemon at ${shown} did not answer within ${HEALTH_ANSWER_TIMEOUT_MS} ms.`);
      call.destroy();
    });
    call.on("error", (error) => no(`The daemon at ${shown} cannot be asked: ${error.message}.`));
    call.end();
  });
}

/** Where to connect: a daemon that listens on every address is asked on loopback. */
function target(address: ListenAddress) {
  if (address.kind === "unix") return { socketPath: address.path };
  const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[address.host] ?? address.host;
  return { host, port: address.port };
}
