/** Where the daemon listens, and the loopback rule: without authentication it answers only this machine. */
import { BlockList, isIP } from "node:net";

/** An address to listen on. Port 0 lets the system choose. */
export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

const PORT_MAX = 65_535;

/** Longest path of a unix socket that every system takes: `sun_path` holds 104 bytes on BSD, 108 on Linux. */
const UNIX_PATH_BYTES_MAX = 103;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/**
 * Reads `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.
 * @returns the address, or the rest of a sentence that starts with the text and says what is wrong with it.
 */
export function parseListenAddress(text: string): ListenAddress | { readonly problem: string } {
  if (text.startsWith("unix:")) return parseUnixPath(text.slice("unix:".length));
  const match = /^(?:\[([^\]]*)\]|([^:]*)):([^:]*)$/.exec(text);
  if (match === null) return { problem: "is not an address: write HOST:PORT, [IPV6]:PORT or unix:PATH." };
  const [, bracketed, plain, portText = ""] = match;
  if (bracketed !== undefined && isIP(bracketed) !== 6) {
    return { problem: "has something else than an IPv6 address in its brackets." };
  }
  const host = bracketed ?? plain ?? "";
  if (host === "") return { problem: "has no host: write 127.0.0.1 for this machine only." };
  if (!/^[A-Za-z0-9._:%-]+$/.test(host))
    return { problem: "has a host with characters that no host name has." };
  const port = Number(portText);
  if (!/^\d+$/.test(portText) || port > PORT_MAX) {
    return { problem: `has a port that is not a number from 0 to ${PORT_MAX}.` };
  }
  return { kind: "tcp", host, port };
}

/** Writes an address in the form that `parseListenAddress` reads. */
export function formatListenAddress(address: ListenAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/**
 * Whether only this machine can reach the address. Names other than localhost count as open, because we do
 * not control what they resolve to.
 */
export function isLoopback(address: ListenAddress): boolean {
  if (address.kind === "unix") return true;
  const host = address.host.toLowerCase();
  if (host === "localhost") return true;
  const version = isIP(host);
  if (version === 0) return false;
  return LOOPBACK.check(host, version === 6 ? "ipv6" : "ipv4");
}

/** Why the daemon refuses to start on `address` without authentication; undefined if it may. */
export function loopbackRefusal(key: "http" | "grpc", address: ListenAddress): string | undefined {
  if (isLoopback(address)) return undefined;
  return (
    `Address ${formatListenAddress(address)} of ${key} is not a loopback address, and callers are ` +
    `not authenticated: ` +
    "everyone who can reach it could drive the devices. Name a file with --tokens or --tls-client-ca, " +
    "listen on 127.0.0.1, [::1] or unix:PATH, or say --insecure-listen (TORPOR_INSECURE_LISTEN=true) " +
    "to allow it."
  );
}

function parseUnixPath(path: string): ListenAddress | { readonly problem: string } {
  if (path === "") return { problem: "has no path after unix:." };
  if (path.includes("\0")) return { problem: "has a zero byte in its path." };
  if (Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX) {
    return {
      problem: `has a path longer than ${UNIX_PATH_BYTES_MAX} bytes, which a unix socket cannot have.`,
    };
  }
  return { kind: "unix", path };
}
