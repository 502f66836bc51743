/** The options that every command takes, and what they make of a connection. */
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import type { ConnectOptions, TlsOptions } from "../client/mod.ts";
import { parseDuration } from "./quantities.ts";
import { UsageError } from "./usage-error.ts";

export const OUTPUT_FORMATS = ["table", "json", "yaml", "name"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** The options as commander keeps them. */
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

/** Adds the options to the program, from where commander takes them before and behind the name of a command. */
export function addGlobalOptions(program: Command): void {
  program
    .addOption(
      option("-s, --server <ADDRESS>", "where the daemon is: HOST:PORT or unix:PATH").default(
        "127.0.0.1:8586",
      ),
    )
    .addOption(option("-d, --device <NAME>", "the device").default("card0"))
    .addOption(option("-o, --output <FORMAT>", "how to print").choices(OUTPUT_FORMATS).default("table"))
    .addOption(option("--timeout <TIME>", "longest time for a call, such as 10s").argParser(parseDuration))
    .addOption(option("--token <TOKEN>", "who calls; better kept in the environment"))
    .addOption(option("--tls", "encrypt, trusting the usual authorities"))
    .addOption(option("--tls-ca <FILE>", "encrypt, trusting this authority (PEM)"))
    .addOption(option("--tls-cert <FILE>", "the certificate to show (PEM), with --tls-key"))
    .addOption(option("--tls-key <FILE>", "its key (PEM)"))
    .addOption(option("--tls-server-name <NAME>", "the name in the daemon's certificate"))
    .addOption(new Option("--no-progress", "show no progress, even on a terminal"));
}

/** @throws UsageError when a file cannot be read, or only one of certificate and key is given */
export function connectOptions(
  options: GlobalOptions,
  environment: Readonly<Record<string, string | undefined>>,
): ConnectOptions {
  return {
    address: options.server,
    // A variable that is set to nothing says nothing.
    token: options.token || environment.TORPOR_TOKEN || undefined,
    tls: readTls(options),
    timeoutMs: options.timeout,
    // So that a call that is made again does no more than the first.
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
