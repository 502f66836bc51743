/** Asks a running daemon whether it is ready, for container engines without curl. */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from "node:http";
import { request as requestTls } from "node:https";
import { TLSSocket } from "node:tls";
import { formatListenAddress, type ListenAddress } from "../config/listen.ts";
import { HEALTH_ANSWER_TIMEOUT_MS } from "../daemon-limits.ts";
import type { TlsPaths } from "../machine/tls-material.ts";

/** The daemon's answer: `ready`, or a whole sentence with the reason why it counts as not ready. */
export type Health = { readonly ready: true } | { readonly ready: false; readonly why: string };

/**
 * Asks `/readyz` of the daemon whose configured HTTP address is `address`.
 * @param tls its configured certificate. Never rejects.
 */
export async function askHealth(address: ListenAddress, tls?: TlsPaths): Promise<Health> {
  const shown = formatListenAddress(address);
  const no = (why: string): Health => ({ ready: false, why });
  if (address.kind === "tcp" && address.port === 0) {
    return no("The port of http is 0, so the daemon's port is known only to its ready line.");
  }
  try {
    const certificate = tls === undefined ? undefined : new X509Certificate(await readFile(tls.certificate));
    const status = await askStatus(address, certificate);
    if (status === 200) return { ready: true };
    return no(`The daemon at ${shown} answers /readyz with status ${status}.`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return no(`The daemon at ${shown} cannot be asked: ${why}.`);
  }
}

function askStatus(address: ListenAddress, certificate: X509Certificate | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = send(address, certificate, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.setTimeout(HEALTH_ANSWER_TIMEOUT_MS, () => {
      call.destroy(new Error(`there was no answer within ${HEALTH_ANSWER_TIMEOUT_MS} ms`));
    });
    call.on("error", reject);
    call.end();
  });
}

function send(
  address: ListenAddress,
  certificate: X509Certificate | undefined,
  onResponse: (response: IncomingMessage) => void,
): ClientRequest {
  // The daemon accepts localhost as a host name, wherever it listens.
  const headers = { host: "localhost" };
  const options: RequestOptions = { ...target(address), path: "/readyz", headers, agent: false };
  if (certificate === undefined) return request(options, onResponse);
  // Compares with the daemon's own certificate file, which identifies it better than any name or CA.
  const call = requestTls({ ...options, rejectUnauthorized: false }, onResponse);
  call.on("socket", (socket) => {
    socket.once("secureConnect", () => {
      const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
      if (shown?.fingerprint256 === certificate.fingerprint256) return;
      call.destroy(new Error("it shows another certificate than the configured one"));
    });
  });
  return call;
}

/** The address to connect to: loopback, if the daemon listens on every address. */
function target(address: ListenAddress) {
  if (address.kind === "unix") return { socketPath: address.path };
  const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[address.host] ?? address.host;
  return { host, port: address.port };
}
