/** Completion scripts for shells, made from the tree of commands. */
import type { Command, Option } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

interface Word {
  readonly name: string;
  readonly description: string;
}

/** A command from the shell's point of view. */
interface Node {
  /** The words that lead to the command, without the program's name; empty for the program itself. */
  readonly path: readonly string[];
  /** The words that may come next: commands, or the choices of the first argument. */
  readonly words: readonly Word[];
  readonly options: readonly Option[];
}

/** The script for a shell. */
export function completionScript(program: Command, shell: Shell): string {
  const nodes = collect(program, []);
  const make = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell];
  return make(program.name(), nodes);
}

function collect(command: Command, path: readonly string[]): Node[] {
  const choices = command.registeredArguments[0]?.argChoices ?? [];
  const words = [
    ...command.commands.map((child) => ({ name: child.name(), description: child.description() })),
    ...choices.map((name) => ({ name, description: "" })),
  ];
  const node = { path, words, options: command.options };
  return [node, ...command.commands.flatMap((child) => collect(child, [...path, child.name()]))];
}

/** The program's options may stand anywhere, so the script looks for the words of the path among them. */
function bashScript(program: string, nodes: readonly Node[]): string {
  const shared = nodes[0]?.options ?? [];
  const optionsOf = ({ path, options }: Node) => (path.length === 0 ? options : [...options, ...shared]);
  const flagsOf = (node: Node) => [...optionsOf(node).flatMap(namesOf), "--help"];
  const rows = (of: (node: Node) => readonly string[]) =>
    nodes.map((node) => `      ${quote(node.path.join(" "))}) words=${quote(of(node).join(" "))} ;;`);
  const choices = nodes.flatMap((node) =>
    node.options.flatMap((option) =>
      option.argChoices === undefined
        ? []
        : namesOf(option).map((name) => {
            const before = node.path.length === 0 ? "*" : quote(node.path.join(" "));
            return `    ${before}" ${name}") words=${quote(option.argChoices?.join(" ") ?? "")} ;;`;
          }),
    ),
  );
  return `# bash completion of ${program}: source <(${program} completion bash)
_${program}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path="" words="" longer i
  for ((i = 1; i < COMP_CWORD; i++)); do
    longer="\${path:+$path }\${COMP_WORDS[i]}"
    case "$longer" in
      ${nodes
        .slice(1)
        .map(({ path }) => quote(path.join(" ")))
        .join("|")}) path="$longer" ;;
    esac
  done
  case "$path $prev" in
${choices.join("\n")}
  esac
  if [[ -n "$words" ]]; then
    :
  elif [[ "$cur" == -* ]]; then
    case "$path" in
${rows(flagsOf).join("\n")}
    esac
  else
    case "$path" in
${rows(({ words }) => words.map(({ name }) => name)).join("\n")}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _${program} ${program}
`;
}

/** The bash function. zsh runs it unchanged once bashcompinit is loaded. */
function zshScript(program: string, nodes: readonly Node[]): string {
  return `#compdef ${program}
# zsh completion of ${program}: source <(${program} completion zsh)
autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
${bashScript(program, nodes)}`;
}

function fishScript(program: string, nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, words, options }) => {
    const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
    const names = words.map(({ name }) => name).join(" ");
    const next = [...seen, `not __fish_seen_subcommand_from ${names}`].join("; and ");
    const where = path.length === 0 ? "" : ` -n ${quote(seen.join("; and "))}`;
    return [
      ...words.map(
        ({ name, description }) =>
          `complete -c ${program} -f -n ${quote(next)} -a ${quote(name)}${fishDescription(description)}`,
      ),
      ...options.map((option) => `complete -c ${program}${where}${fishOption(option)}`),
    ];
  });
  return `# fish completion of ${program}: ${program} completion fish | source\n${lines.join("\n")}\n`;
}

function fishOption(option: Option): string {
  const { long, short, argChoices, description } = option;
  const name = [
    short === undefined ? "" : ` -s ${short.replace(/^-/, "")}`,
    long === undefined ? "" : ` -l ${long.replace(/^--/, "")}`,
  ].join("");
  const value = option.required ? " -r" : "";
  const choices = argChoices === undefined ? "" : ` -f -a ${quote(argChoices.join(" "))}`;
  return `${name}${value}${choices}${fishDescription(description)}`;
}

function fishDescription(description: string): string {
  return description === "" ? "" : ` -d ${quote(description)}`;
}

function namesOf({ short, long }: Option): string[] {
  return [short, long].filter((name) => name !== undefined);
}

/** Quotes a word for all three shells. Only prose contains single quotes. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "’")}'`;
}
