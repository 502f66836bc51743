/** The options that every command takes, and the connection that they describe. */
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import type { ConnectOptions, TlsOptions } from "../client/mod.ts";
import { parseDuration } from "./quantities.ts";
import { UsageError } from "./usage-error.ts";

export const OUTPUT_FORMATS = ["table", "json", "yaml", "name"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** The options in the form that commander stores. */
export interface GlobalOptions {
  readonly server: string;
  readonly device: string;
  readonly output: OutputFormat;
  readonly token?: string;
  readonly timeout?: number;
  readonly progress: boolean;
  readonly tls?: boolean;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsServerName?: string;
}

/** Adds the options to the program: commander accepts them before and after the name of a command. */
export function addGlobalOptions(program: Command): void {
  program
    .addOption(
      option("-s, --server <ADDRESS>", "address of the daemon: HOST:PORT or unix:PATH").default(
        "127.0.0.1:8586",
      ),
    )
    .addOption(option("-d, --device <NAME>", "the device").default("card0"))
    .addOption(option("-o, --output <FORMAT>", "output format").choices(OUTPUT_FORMATS).default("table"))
    .addOption(option("--timeout <TIME>", "longest time for a call, such as 10s").argParser(parseDuration))
    .addOption(option("--token <TOKEN>", "bearer token; better set in the environment"))
    .addOption(option("--tls", "use TLS and trust the system's CAs"))
    .addOption(option("--tls-ca <FILE>", "use TLS and trust this CA (PEM)"))
    .addOption(option("--tls-cert <FILE>", "client certificate (PEM), with --tls-key"))
    .addOption(option("--tls-key <FILE>", "key of the client certificate (PEM)"))
    .addOption(option("--tls-server-name <NAME>", "name in the daemon's certificate"))
    .addOption(new Option("--no-progress", "do not show progress, even on a terminal"));
}

/** @throws UsageError when a file cannot be read, or only one of certificate and key is given */
export function connectOptions(
  options: GlobalOptions,
  environment: Readonly<Record<string, string | undefined>>,
): ConnectOptions {
  return {
    address: options.server,
    // An empty variable counts as unset.
    token: options.token || environment.TORPOR_TOKEN || undefined,
    tls: readTls(options),
    timeoutMs: options.timeout,
    // So that a retried call has no further effect.
    requestIds: true,
  };
}

function option(flags: string, description: string): Option {
  const made = new Option(flags, description);
  return made.env(`TORPORCTL_${made.name().replaceAll("-", "_").toUpperCase()}`);
}

function readTls({ tls, tlsCa, tlsCert, tlsKey, tlsServerName }: GlobalOptions): TlsOptions | undefined {
  if (tls !== true && [tlsCa, tlsCert, tlsKey, tlsServerName].every((value) => value === undefined)) {
    return undefined;
  }
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError("A certificate needs its key: give both --tls-cert and --tls-key.");
  }
  const [ca, cert, key] = [tlsCa, tlsCert, tlsKey].map((path) => (path === undefined ? path : readPem(path)));
  return { ca, cert, key, serverName: tlsServerName };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`File ${path} cannot be read: ${why}.`, { cause: error });
  }
}
