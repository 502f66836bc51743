/** The command line: its flags and its commands. */
import { Command, CommanderError, Option } from "commander";
import { NAME_LENGTH_MAX } from "../limits.ts";
import { ConfigError } from "./config-error.ts";
import { defaultSettings } from "./read-settings.ts";
import { ROLES, type Role } from "./role.ts";
import { CONFIG_KEYS, type ConfigKey, SETTINGS, type Settings } from "./schema.ts";
import { SWITCH } from "./setting.ts";
import { flagName, printSetting } from "./setting-names.ts";
import type { FoundValue, FoundValues } from "./source.ts";

export interface CommandLine {
  /**
   * What to do: run the daemon, ask a running one whether it is ready, or print the configuration in force.
   */
  readonly action: "run" | "healthcheck" | "print-config";
  readonly configFile: string | undefined;
  readonly flags: FoundValues;
}

/** For --help and --version: print the text, and do nothing else. */
export interface Answer {
  readonly action: "answer";
  readonly text: string;
}

/** `token NAME ROLE`: the token to make. */
export interface TokenOrder {
  readonly action: "token";
  readonly name: string;
  readonly role: Role;
}

/** @throws ConfigError if the command line makes no sense. */
export function parseCommandLine(
  words: readonly string[],
  version: string,
): CommandLine | Answer | TokenOrder {
  let text = "";
  const program = buildProgram(version).configureOutput({
    writeOut: (part) => {
      text += part;
    },
    // Commander's error has the same message, and is thrown as a ConfigError below.
    writeErr: () => {},
  });
  try {
    program.parse(withValues(words), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { action: "answer", text };
    throw new ConfigError(sentence(error.message), { cause: error });
  }
  const values: Readonly<Record<string, unknown>> = program.opts();
  const [command, ...rest] = program.args;
  if (command === "token") return readTokenOrder(rest);
  if (command !== undefined && command !== "healthcheck") {
    throw new ConfigError(`There is no command ${command}; there are healthcheck and token.`);
  }
  if (rest.length > 0) throw new ConfigError(`Command ${command} takes no words, and got ${rest.join(" ")}.`);
  const printConfig = values.printConfig === true;
  return {
    action: printConfig ? "print-config" : command === "healthcheck" ? "healthcheck" : "run",
    configFile: typeof values.config === "string" ? values.config : undefined,
    flags: readFlags(values),
  };
}

/** A switch alone means true, so a command after it is not its value. */
function withValues(words: readonly string[]): string[] {
  const switches = new Set(CONFIG_KEYS.filter((key) => SETTINGS[key].value === SWITCH).map(flagName));
  return words.map((word, index) => {
    const next = words[index + 1];
    return switches.has(word) && next !== "true" && next !== "false" ? `${word}=true` : word;
  });
}

function readTokenOrder(words: readonly string[]): TokenOrder {
  const [name = "", roleName, ...rest] = words;
  const role = ROLES.find((known) => known === roleName);
  const isNamed = name !== "" && name.length <= NAME_LENGTH_MAX;
  if (isNamed && role !== undefined && rest.length === 0) return { action: "token", name, role };
  throw new ConfigError(
    `Command token takes a name of at most ${NAME_LENGTH_MAX} characters and a role, ${ROLES.join(", ")}, ` +
      `and got "${words.join(" ")}".`,
  );
}

function readFlags(values: Readonly<Record<string, unknown>>): FoundValues {
  const found: Record<string, FoundValue> = {};
  for (const key of CONFIG_KEYS) {
    const value = values[key];
    if (value !== undefined) found[key] = { value, place: () => flagName(key) };
  }
  return found;
}

function buildProgram(version: string): Command {
  const program = new Command("torpord")
    .description("Serves virtual GPUs; or asks a daemon if it is ready; or makes a token.")
    .usage("[OPTIONS] [healthcheck | token NAME ROLE]")
    .argument("[words...]")
    // Hidden, because users of the help already know it and a screen has 24 lines.
    .addHelpOption(new Option("--help").hideHelp())
    .version(version, "--version", "show the version")
    .configureHelp({ helpWidth: 80, visibleArguments: () => [] })
    .exitOverride()
    .addOption(new Option("--config <FILE>", "YAML file; flags and TORPOR_… variables win"));
  const defaults = defaultSettings();
  for (const key of CONFIG_KEYS) program.addOption(buildOption(key, defaults));
  return program.addOption(new Option("--print-config", "show all settings; see docs/configuration.md"));
}

function buildOption(key: ConfigKey, defaults: Settings): Option {
  const { value, repeatable = false, help, rare = false } = SETTINGS[key];
  const flag = `${flagName(key)} ${value === SWITCH ? `[${value}]` : `<${value}>`}`;
  const option = new Option(flag, `${help}${describeDefault(key, defaults)}`).hideHelp(rare);
  if (repeatable) {
    option.argParser<string[]>((word, before = []) => [
      ...before,
      ...word.split(",").map((part) => part.trim()),
    ]);
  }
  return option;
}

/** The default shown in the help. Commander must not know it, so that it can tell a flag from its absence. */
function describeDefault(key: ConfigKey, defaults: Settings): string {
  const value = printSetting(key, defaults);
  const text = Array.isArray(value) ? value.join(",") : String(value);
  return text === "" || value === false ? "" : ` (${text})`;
}

/** Turns commander's messages ("error: unknown option '--x'") into sentences. */
function sentence(message: string): string {
  const text = message
    .replace(/^error: /, "")
    .replaceAll("\n", " ")
    .trim();
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
