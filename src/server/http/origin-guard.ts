/**
 * Keeps pages of other origins away from the daemon. Bodies are parsed whatever their content type, so a page
 * could send them without a preflight (a "simple request"), and a page that rebinds its name to 127.0.0.1
 * could read the answers too. An origin is scheme, host and port: a page on another port of this machine is
 * as foreign as a page of another site.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { WireError } from "../messages/wire-error.ts";
import type { RequestCheck } from "./check-requests.ts";
import { answerPreflight, isPreflight, letRead } from "./cors.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route answers any Host. It carries no data, and probes that know none of our names ask for it. */
    readonly anyHost?: boolean;
  }
}

/** Turns off the check of Node's server, which answers without a body. */
export const HOST_IS_CHECKED = { requireHostHeader: false } as const;

const LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "::1"];

export interface OriginRules {
  /** Names of this daemon besides loopback and the address on which a request arrived. */
  readonly allowedHosts: readonly string[];
  /**
   * Other origins whose pages may call the daemon and read its answers, such as `https://dash.example:3000`.
   */
  readonly corsOrigins: readonly string[];
  readonly scheme: "http" | "https";
}

/**
 * @throws WireError INVALID_REQUEST, PERMISSION_DENIED with HTTP status 421 for a foreign Host, 403 for a
 * foreign page
 */
export function guardOrigin({ allowedHosts, corsOrigins, scheme }: OriginRules): RequestCheck {
  const names = new Set([...LOOPBACK_HOSTS, ...allowedHosts.map((host) => hostnameOf(host) ?? host)]);
  const cors = new Set(corsOrigins);

  function isOurs(host: string | undefined, request: FastifyRequest): boolean {
    return host !== undefined && (names.has(host) || host === localAddress(request));
  }

  function checkHost(request: FastifyRequest, anyHost: boolean): void {
    const { host } = request.headers;
    if (host === undefined && request.raw.httpVersion !== "1.0")
      throw new WireError("INVALID_REQUEST", "The request has no header Host, which HTTP/1.1 needs.");
    // HTTP/1.0 requests may have no Host. Browsers always send one.
    if (host === undefined || anyHost || isOurs(hostnameOf(host), request)) return;
    throw new WireError(
      "PERMISSION_DENIED",
      `Host "${host}" is not a name of this daemon; --allowed-hosts adds names.`,
      { host },
    ).withHttpStatus(421);
  }

  /**
   * Whether the page has one of our names. A page with another name is foreign, even on routes that answer
   * any Host.
   */
  function isOwnPage(origin: string, request: FastifyRequest): boolean {
    const { host = "" } = request.headers;
    return isOurs(hostnameOf(host), request) && isSameOrigin(origin, `${scheme}://${host}`);
  }

  function checkPage(request: FastifyRequest, reply: FastifyReply): "answered" | undefined {
    const { origin } = request.headers;
    if (origin === undefined) {
      if (!isOfForeignPage(request)) return;
      throw new WireError("PERMISSION_DENIED", "Requests from pages of other origins are refused.");
    }
    if (cors.has(origin)) {
      letRead(origin, reply);
      return isPreflight(request) ? answerPreflight(request, reply) : undefined;
    }
    if (isOwnPage(origin, request)) return;
    throw new WireError(
      "PERMISSION_DENIED",
      `Requests from the web origin ${origin} are refused; --cors-origin allows an origin.`,
      { origin },
    );
  }

  return (request, reply, { config: { anyHost = false } }) => {
    checkHost(request, anyHost);
    return checkPage(request, reply);
  };
}

/** The host name in `name:port`, `[::1]:port` or `name`, in lower case; undefined if it has another form. */
export function hostnameOf(host: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^:[\]/@\s]+))(?::\d+)?$/.exec(host.toLowerCase());
  return match?.[1] ?? match?.[2]?.replace(/\.$/, "");
}

/**
 * Whether two texts name the same origin: scheme, host and port. A missing port is the default of the scheme.
 */
function isSameOrigin(origin: string, own: string): boolean {
  const theirs = URL.parse(origin)?.origin;
  return theirs !== undefined && theirs !== "null" && theirs === URL.parse(own)?.origin;
}

/**
 * Browsers send no Origin with a page's GET without CORS, but they say where the page is from. A person who
 * follows a link is allowed: that changes nothing, and only that person sees the answer.
 */
function isOfForeignPage({ method, headers }: FastifyRequest): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== "cross-site" && site !== "same-site") return false;
  const isLink = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
  return !(isLink && method === "GET");
}

/** The address on which the connection arrived, which matters if the daemon is bound to 0.0.0.0 or ::. */
function localAddress(request: FastifyRequest): string | undefined {
  return request.raw.socket.localAddress?.replace(/^::ffff:/, "");
}
