/** Calls of the REST wire. Not by fetch, which cannot be told whom to trust for one connection only. */
import { X509Certificate } from "node:crypto";
import { type RequestOptions, request } from "node:http";
import { request as requestTls } from "node:https";
import { text } from "node:stream/consumers";
import type { ConnectionOptions } from "node:tls";
import { errorOf } from "./error.ts";

/** How to reach the daemon, and as whom. */
export interface Access {
  readonly token: string | undefined;
  /** The daemon's own certificate and who signed it, as PEM; undefined is no TLS. */
  readonly tls: { readonly certificate: string; readonly ca: string } | undefined;
}

type TlsOptions = Pick<ConnectionOptions, "ca" | "checkServerIdentity">;

/** More than a suspend with all its waits may take. Unit: milliseconds. */
const CALL_TIMEOUT_MS = 300_000;

export class Rest {
  readonly #url: () => string;
  readonly #access: Access;

  /** @param url asked at each call, because a container that is started again has other ports. */
  constructor(url: () => string, access: Access) {
    this.#url = url;
    this.#access = access;
  }

  /** The JSON of the answer. @throws TorporError when the daemon refuses. */
  async json(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await this.text(method, path, body);
    return answer === "" ? {} : JSON.parse(answer);
  }

  /** The body of the answer. @throws TorporError when the daemon refuses, Error when it cannot be reached. */
  text(method: string, path: string, body?: object): Promise<string> {
    const { token, tls } = this.#access;
    const options: RequestOptions & TlsOptions = {
      method,
      agent: false,
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(tls === undefined ? {} : trustIn(tls)),
    };
    return new Promise((resolve, reject) => {
      const call = (tls === undefined ? request : requestTls)(
        `${this.#url()}${path}`,
        options,
        (response) => {
          const status = response.statusCode ?? 0;
          text(response).then((said) => {
            if (status >= 200 && status < 300) resolve(said);
            else reject(errorOf(`${method} ${path}`, status, said));
          }, reject);
        },
      );
      call.on("error", reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/**
 * Whom to believe: who shows the very certificate that the container was given. Its name says nothing, because where tests
 * run in a container themselves, the engine and so the daemon has another name than localhost.
 */
function trustIn({ certificate, ca }: NonNullable<Access["tls"]>): TlsOptions {
  const { fingerprint256 } = new X509Certificate(certificate);
  return {
    ca,
    checkServerIdentity: (_, shown) =>
      shown.fingerprint256 === fingerprint256
        ? undefined
        : new Error("The daemon shows another certificate than the container was given."),
  };
}
