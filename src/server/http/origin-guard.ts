/**
 * Keeps web pages away from an open loopback port. Bodies are parsed whatever their content type, so a page could send
 * them without asking (a "simple request"), and a page that rebinds its name to 127.0.0.1 could read the answers too.
 * There are no CORS headers anywhere.
 */
import type { FastifyRequest } from "fastify";
import { WireError } from "../messages/wire-error.ts";
import type { RequestCheck } from "./check-requests.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Answers whatever the Host: for what carries no data, and is asked by machines that know no name of ours. */
    readonly anyHost?: boolean;
  }
}

/** For Node's server, whose own check answers without a body. */
export const HOST_IS_CHECKED = { requireHostHeader: false } as const;

const LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "::1"];

/** @param allowedHosts names under which this daemon may be called besides loopback and the bound address. */
export function guardOrigin(allowedHosts: readonly string[]): RequestCheck {
  const allowed = new Set([...LOOPBACK_HOSTS, ...allowedHosts.map((host) => hostnameOf(host) ?? host)]);

  function isOurs(host: string | undefined, request: FastifyRequest): boolean {
    return host !== undefined && (allowed.has(host) || host === localAddress(request));
  }

  return (request, _reply, { config: { anyHost = false } }) => {
    const { host, origin } = request.headers;
    if (host === undefined && request.raw.httpVersion !== "1.0")
      throw new WireError("INVALID_REQUEST", "The request has no header Host, which HTTP/1.1 needs.");
    // HTTP/1.0 has no Host; a browser always sends one.
    if (host !== undefined && !anyHost && !isOurs(hostnameOf(host), request)) {
      throw new WireError(
        "PERMISSION_DENIED",
        `Host "${host}" is not a name of this daemon; --allowed-hosts adds names.`,
        { host },
        { httpStatus: 421 },
      );
    }
    if (origin !== undefined && !isOurs(originHostname(origin), request)) {
      throw new WireError("PERMISSION_DENIED", `Requests from the web origin ${origin} are refused.`, {
        origin,
      });
    }
    if (request.headers["sec-fetch-site"] === "cross-site") {
      throw new WireError("PERMISSION_DENIED", "Requests from pages of other sites are refused.");
    }
  };
}

/** The host name in `name:port`, `[::1]:port` or `name`, in lower case; undefined when it is none of those. */
export function hostnameOf(host: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^:[\]/@\s]+))(?::\d+)?$/.exec(host.toLowerCase());
  return match?.[1] ?? match?.[2]?.replace(/\.$/, "");
}

function originHostname(origin: string): string | undefined {
  const match = /^https?:\/\/(.+)$/.exec(origin.toLowerCase());
  return match?.[1] === undefined ? undefined : hostnameOf(match[1]);
}

/** The address that the connection came in on: the bound one, or the one of many when bound to 0.0.0.0 or ::. */
function localAddress(request: FastifyRequest): string | undefined {
  return request.raw.socket.localAddress?.replace(/^::ffff:/, "");
}
