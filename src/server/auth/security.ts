/** Authentication and TLS of one daemon, from the files that its configuration names. */
import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/config-error.ts";
import { isLoopback, loopbackRefusal } from "../config/listen.ts";
import { parseTlsFiles, type ServerTls, tlsFiles } from "../machine/tls-material.ts";
import { WatchedFiles } from "../machine/watched-files.ts";
import { writableByOthers } from "../machine/writable-by-others.ts";
import { Authenticator } from "./authenticator.ts";

type SecurityConfig = Pick<Config, "tokensFile" | "tls" | "http" | "grpc" | "insecureListen">;

export interface Security {
  readonly authenticator: Authenticator;
  /** Undefined for plain HTTP and gRPC. */
  readonly tls: ServerTls | undefined;
  /** Checks the files now. Never rejects. */
  reload(): Promise<void>;
  close(): void;
}

/** @throws ConfigError if the daemon would be open to other machines. Reads no file. */
export function refuseOpenAddresses(config: SecurityConfig): void {
  if (config.insecureListen || config.tokensFile !== undefined || config.tls?.clientCa !== undefined) return;
  for (const key of ["http", "grpc"] as const) {
    const refusal = loopbackRefusal(key, config[key]);
    if (refusal !== undefined) throw new ConfigError(refusal);
  }
}

/** @throws ConfigError when a file cannot be used. */
export async function openSecurity(config: SecurityConfig, log: Logger): Promise<Security> {
  const files: Pick<WatchedFiles<unknown>, "check" | "close">[] = [];
  const open = async <T>(
    what: string,
    paths: readonly string[],
    parse: (contents: readonly Buffer[]) => T,
  ) => {
    try {
      const opened = await WatchedFiles.open({ what, paths, parse, log });
      files.push(opened);
      return opened;
    } catch (error) {
      for (const file of files) file.close();
      throw new ConfigError(error instanceof Error ? error.message : String(error), { cause: error });
    }
  };
  const openTokens = async (file: string) => {
    // Loaded here, because it needs libraries that nothing else needs at start.
    const { readTokenText } = await import("./token-file.ts");
    return open("tokens file", [file], ([content]) => readTokenText(file, String(content)));
  };
  const { tokensFile, tls } = config;
  const table = tokensFile === undefined ? undefined : await openTokens(tokensFile);
  const context =
    tls === undefined
      ? undefined
      : await open("TLS certificate", tlsFiles(tls), (contents) => parseTlsFiles(tls, contents));
  const certificates = tls?.clientCa !== undefined;
  const authenticator = new Authenticator({ certificates, ...(table && { table: () => table.value }) });
  warnOfOpenLines(config, authenticator, log);
  if (tokensFile !== undefined) {
    const danger = await writableByOthers("tokens file", tokensFile).catch(() => undefined);
    if (danger !== undefined) log.warn(danger);
  }
  return {
    authenticator,
    tls: context && { context, certificates },
    async reload() {
      await Promise.all(files.map((file) => file.check()));
    },
    close() {
      for (const file of files) file.close();
    },
  };
}

/** Settings that are allowed but deserve a warning. */
function warnOfOpenLines(config: SecurityConfig, { required }: Authenticator, log: Logger): void {
  for (const key of ["http", "grpc"] as const) {
    const address = config[key];
    if (isLoopback(address)) continue;
    if (!required) log.warn({ [key]: address }, "everyone who reaches this address may do everything");
    else if (config.tls === undefined) {
      log.warn({ [key]: address }, "tokens travel over this address unencrypted, for want of --tls-cert");
    }
  }
}
