/**
 * torpord: does what its command line asks for. Only this file knows the process: its arguments, signals and
 * exit.
 */
import { constants, totalmem } from "node:os";
import { type Logger, pino, stdTimeFunctions } from "pino";
import { newToken } from "./auth/new-token.ts";
import { type Config, type LoadedConfig, loadConfig } from "./config/config.ts";
import { ConfigError } from "./config/config-error.ts";
import { parseCommandLine } from "./config/flags.ts";
import { formatListenAddress, type ListenAddress } from "./config/listen.ts";
import type { LogLevel } from "./config/schema.ts";
import { formatSize } from "./config/size.ts";
import type { RunningDaemon } from "./daemon/daemon.ts";
import { giveBackMemory } from "./daemon/give-back.ts";
import { checkMemoryLimit } from "./daemon/memory-limit.ts";
import { SIGNAL_REPEAT_MS } from "./daemon-limits.ts";
import { type BuildInfo, readBuildInfo } from "./machine/build-info.ts";
import { deviceMemoryBytes } from "./machine/host-memory.ts";
import { LogWriter } from "./machine/log-writer.ts";
import { readMemoryRoom } from "./machine/memory-limits.ts";
import { StartError } from "./machine/start-error.ts";

const STDOUT = 1;
const EXIT_FAILED = 1;
const EXIT_BAD_CONFIG = 2;
/** Only the owner may read what the daemon writes, or connect to its sockets. */
const PRIVATE_UMASK = 0o077;
/** The exit code of a process that a signal ended, as in shells. */
const EXIT_SIGNAL_BASE = 128;

try {
  await main(readBuildInfo(process.env));
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(error.message.replaceAll(/^/gm, "torpord: ").concat("\n"));
  process.exitCode = EXIT_BAD_CONFIG;
}

async function main(build: BuildInfo): Promise<void> {
  const commandLine = parseCommandLine(process.argv.slice(2), build.version);
  if (commandLine.action === "answer") {
    process.stdout.write(commandLine.text);
    return;
  }
  if (commandLine.action === "token") {
    const { token, line } = newToken(commandLine.name, commandLine.role);
    process.stdout.write(`The token, shown only now:\n${token}\n`);
    process.stdout.write(`Its line for the list "tokens" of the file:\n${line}\n`);
    return;
  }
  const limitBytes = readMemoryRoom().limitBytes;
  const loaded = loadConfig(commandLine, process.env, deviceMemoryBytes(limitBytes));
  const { action } = commandLine;
  switch (action) {
    case "print-config":
      // A misspelt variable matters to whoever looks at the configuration, but the output must stay a
      // configuration file.
      for (const warning of loaded.warnings) process.stderr.write(`torpord: ${warning}\n`);
      process.stdout.write(loaded.printed);
      return;
    case "healthcheck": {
      const { askHealth } = await import("./daemon/healthcheck.ts");
      const health = await askHealth(loaded.config.http, loaded.config.tls);
      if (health.ready) return;
      process.stderr.write(`torpord: ${health.why}\n`);
      process.exitCode = EXIT_FAILED;
      return;
    }
    case "run":
      return run(loaded, build, limitBytes);
    default:
      action satisfies never;
  }
}

/** Runs the daemon until a signal comes. Ends the process. */
async function run(loaded: LoadedConfig, build: BuildInfo, limitBytes: number): Promise<void> {
  const { config, warnings } = loaded;
  const writer = openLog();
  const log = buildLog(config.logLevel, writer);
  exitOnBug(log);
  const tooLarge = checkMemoryLimit(loaded, limitBytes < totalmem() ? limitBytes : 0, totalmem());
  for (const warning of [...warnings, tooLarge ?? []].flat()) log.warn(warning);
  if (loaded.fitted !== undefined) log.info(fittedSizes(loaded), "sizes that nobody chose fit the memory");
  let unsaved: () => readonly string[] = () => [];
  const firstSignal = waitForSignal(log, () => unsaved());
  // Loaded here, because health checks and --help are frequent and need none of it.
  const { startDaemon } = await import("./daemon/daemon.ts");
  // Sockets get the mode that this umask leaves them.
  process.umask(PRIVATE_UMASK);
  const daemon = await startOrExit(
    () => startDaemon(config, { log, build, logLinesLost: () => writer.linesDropped }),
    log,
  );
  ({ unsaved } = daemon);
  if (config.tokensFile !== undefined || config.tls !== undefined) reloadOnSighup(daemon, log);
  announce(log, daemon, config);
  giveBackMemory();
  log.info({ signal: await firstSignal }, "stopping");
  const { drained, hibernated, lost } = await daemon.stop();
  if (lost.length > 0)
    log.error({ devices: lost }, "the state of these devices could not be saved and is lost");
  log.info({ drained, hibernated }, "stopped");
  process.exit(hibernated === false ? EXIT_FAILED : undefined);
}

/** What the log says of sizes that were made to fit. */
function fittedSizes({ config, fitted = 0 }: LoadedConfig): Record<string, unknown> {
  return {
    memory: formatSize(fitted),
    lmem: config.lmemSizesBytes.map(formatSize),
    smem: formatSize(config.smemBytes),
  };
}

async function startOrExit(start: () => Promise<RunningDaemon>, log: Logger): Promise<RunningDaemon> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const details = error instanceof StartError ? {} : { err: error };
    log.fatal(details, error instanceof Error ? error.message : String(error));
    return process.exit(EXIT_FAILED);
  }
}

/** Prints the line that says where the daemon listens, at any log level, because programs wait for it. */
function announce(log: Logger, { addresses }: RunningDaemon, { tls }: Config): void {
  const http = formatListenAddress(addresses.http);
  const grpc = formatListenAddress(addresses.grpc);
  const shown = tls === undefined ? { http, grpc } : { http: secure(addresses.http), grpc, tls: true };
  log.child({}, { level: "info" }).info(shown, "ready");
}

/** A unix socket has no URL that people would recognize. */
function secure(address: ListenAddress): string {
  const text = formatListenAddress(address);
  return address.kind === "tcp" ? `https://${text}` : text;
}

/** If nothing can be reloaded, SIGHUP ends the daemon, like any program whose terminal closes. */
function reloadOnSighup(daemon: RunningDaemon, log: Logger): void {
  process.on("SIGHUP", () => {
    log.info("looking for changed tokens and certificates");
    void daemon.reload();
  });
}

/**
 * Resolves to the first signal that asks the process to end. The same signal within SIGNAL_REPEAT_MS counts
 * as a repetition, because npm forwards a Ctrl-C that its child also got. A later one, or another signal,
 * ends the process at once.
 */
function waitForSignal(log: Logger, unsaved: () => readonly string[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let first: { readonly signal: NodeJS.Signals; readonly atMs: number } | undefined;
    const onSignal = (signal: NodeJS.Signals) => {
      if (first === undefined) {
        first = { signal, atMs: performance.now() };
        return resolve(signal);
      }
      if (signal === first.signal && performance.now() - first.atMs < SIGNAL_REPEAT_MS) return;
      const lost = unsaved();
      if (lost.length === 0) log.warn({ signal }, "stopped at once");
      else log.error({ signal, devices: lost }, "stopped at once: the state of these devices is lost");
      process.exit(EXIT_SIGNAL_BASE + constants.signals[signal]);
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}

/** An unhandled error is a bug of ours. The state of the devices can no longer be trusted. */
function exitOnBug(log: Logger): void {
  const onBug = (error: unknown) => {
    log.fatal({ err: error }, "an error was not handled");
    process.exit(EXIT_FAILED);
  };
  process.on("uncaughtException", onBug);
  process.on("unhandledRejection", onBug);
}

/** The destination of the log. Nobody waits for its reader, except for a moment at the end of the process. */
function openLog(): LogWriter {
  const writer = new LogWriter(STDOUT, { lostLine: lineOfLoss });
  process.on("exit", () => writer.flushSync());
  return writer;
}

function lineOfLoss(linesLost: number): string {
  const msg = "lines of the log were lost, because its reader did not take them";
  return `${JSON.stringify({ level: "warn", time: new Date().toISOString(), linesLost, msg })}\n`;
}

function buildLog(level: LogLevel, writer: LogWriter): Logger {
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, writer);
}
