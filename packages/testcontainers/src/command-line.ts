/** What a container is asked to be, as the flags and the files of torpord. */
import { createHash } from "node:crypto";

/** A device; what is left out is as torpord has it. */
export interface DeviceSettings {
  /** Its name; the daemon's own default, `card0`, if none is given. */
  readonly name?: string;
  /** Size of its local memory, such as `256MiB`; one of several regions each. */
  readonly lmem?: string | readonly string[];
  /** The most system memory that it takes, such as `1GiB`. */
  readonly smem?: string;
  /** Its engines, such as `["rcs0", "bcs0"]`; one of them must copy (`bcs0`). */
  readonly engines?: readonly string[];
}

/** What a token lets its bearer do; each role may do all that the one before it may. */
export type TokenRole = "viewer" | "operator" | "admin";

export interface TokenSettings {
  /** The token; a random one if none is given. */
  readonly token?: string;
  /** `admin` if none is given: `reset()` and `failpoint()` need it. */
  readonly role?: TokenRole;
}

/** PEM texts, not names of files. */
export interface TlsSettings {
  /** The certificate. The module's own calls compare it; other clients look for the name that `getHost()` says in it. */
  readonly certificate: string;
  readonly key: string;
  /** Who signed it; the certificate itself if it is signed by nobody else. */
  readonly ca?: string;
}

export interface DaemonSettings {
  readonly device: DeviceSettings;
  readonly faults: boolean;
  readonly token: Required<TokenSettings> | undefined;
  readonly tls: TlsSettings | undefined;
  /** Whether there is a volume for hibernation images. */
  readonly imageStore: boolean;
  /** Names other than localhost by which the daemon will be called. */
  readonly hosts: readonly string[];
}

/** The image makes it, for its user. */
export const DATA_DIRECTORY = "/var/lib/torpor";
const TOKENS_FILE = "/etc/torpor/tokens.json";
const CERTIFICATE_FILE = "/etc/torpor/server.pem";
const KEY_FILE = "/etc/torpor/server.key";
/** The files belong to root, and the daemon is another user. */
const READABLE_BY_ALL = 0o444;

/** Flags of torpord. Without tokens it has to be told that it may listen for all, as it must in a container. */
export function commandLine(settings: DaemonSettings): string[] {
  const { device, token, tls } = settings;
  return [
    ...(token === undefined ? ["--insecure-listen"] : ["--tokens", TOKENS_FILE]),
    ...(tls === undefined ? [] : ["--tls-cert", CERTIFICATE_FILE, "--tls-key", KEY_FILE]),
    ...settings.hosts.flatMap((host) => ["--allowed-hosts", host]),
    ...(device.name === undefined ? [] : ["--device", device.name]),
    ...[device.lmem ?? []].flat().flatMap((size) => ["--lmem", size]),
    ...(device.smem === undefined ? [] : ["--smem", device.smem]),
    ...(device.engines === undefined ? [] : ["--engines", device.engines.join(",")]),
    ...(settings.faults ? ["--enable-faults"] : []),
    ...(settings.imageStore ? ["--data-dir", DATA_DIRECTORY, "--restore", "wake"] : []),
  ];
}

/** A file that has to be in the container before it starts. */
export interface DaemonFile {
  readonly content: string;
  readonly target: string;
  readonly mode: number;
}

/** The files that the flags name. Of a token only the SHA-256 is written, as torpord wants it. */
export function daemonFiles({ token, tls }: Pick<DaemonSettings, "token" | "tls">): DaemonFile[] {
  const files: DaemonFile[] = [];
  const add = (content: string, target: string) => files.push({ content, target, mode: READABLE_BY_ALL });
  if (token !== undefined) {
    const sha256 = createHash("sha256").update(token.token).digest("hex");
    add(JSON.stringify({ tokens: [{ name: "testcontainers", role: token.role, sha256 }] }), TOKENS_FILE);
  }
  if (tls !== undefined) {
    add(tls.certificate, CERTIFICATE_FILE);
    add(tls.key, KEY_FILE);
  }
  return files;
}
