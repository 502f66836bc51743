/** One scrape of the daemon's metrics, which only REST has. */
import { type RequestOptions, request } from "node:http";
import { request as requestTls } from "node:https";
import { text } from "node:stream/consumers";
import { certificateName } from "./certificate-name.ts";

/** How to reach the daemon, and as whom. */
export interface Access {
  readonly token: string | undefined;
  /** The daemon's own certificate and who signed it, as PEM; undefined is no TLS. */
  readonly tls: { readonly certificate: string; readonly ca: string } | undefined;
}

/** Longer than a scrape of many devices on a busy machine takes. Unit: milliseconds. */
const SCRAPE_TIMEOUT_MS = 30_000;

/**
 * The text of /metrics as Prometheus reads it.
 * @throws Error when the daemon refuses or cannot be reached
 */
export async function scrape(restUrl: string, { token, tls }: Access): Promise<string> {
  const url = `${restUrl}/metrics`;
  const trust = tls && { ca: tls.ca, servername: certificateName(tls.certificate) };
  const options: RequestOptions = {
    agent: false,
    signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS),
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...trust,
  };
  return new Promise((resolve, reject) => {
    const call = (tls === undefined ? request : requestTls)(url, options, (response) => {
      text(response).then((said) => {
        if (response.statusCode === 200) resolve(said);
        else reject(new Error(`GET ${url} answered ${response.statusCode}: ${said}`));
      }, reject);
    });
    call.on("error", reject).end();
  });
}
