/** Completion and help: made of the tree of commands, so that they know all of it. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { buildProgram } from "../../src/cli/program.ts";
import { runCli } from "../support/cli.ts";

const quiet = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: {},
  takeInterrupts: () => AbortSignal.abort(),
};
const program = buildProgram(quiet, "0.0.0-test");

/** The words of every command that does something. */
function leaves(command: Command, path: readonly string[] = []): string[][] {
  if (command.commands.length === 0) return [[...path]];
  return command.commands.flatMap((child) => leaves(child, [...path, child.name()]));
}

/** What bash offers for a line whose last word is being typed. */
async function offered(...words: string[]): Promise<string[]> {
  const { stdout: script } = await runCli(["completion", "bash"]);
  const line = ["torporctl", ...words].map((word) => `'${word}'`).join(" ");
  const ask = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _torporctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", `${script}\n${ask}`], { encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((word) => word !== "");
}

describe("completion", () => {
  it.each(["bash", "zsh"])("for %s is a script that bash can parse", async (shell) => {
    const { code, stdout } = await runCli(["completion", shell]);
    expect(code).toBe(0);
    const { status, stderr } = spawnSync("bash", ["-n"], { input: stdout, encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("offers commands, those of a group, and the choices of an argument", async () => {
    expect(await offered("")).toEqual(program.commands.map((command) => command.name()));
    expect(await offered("obj")).toEqual(["object"]);
    expect(await offered("object", "ch")).toEqual(["checksum"]);
    expect(await offered("-d", "card1", "object", "p")).toEqual(["pin"]);
    expect(await offered("suspend", "")).toEqual(["s2idle", "s3", "s4"]);
  });

  it("offers options and the choices of their values", async () => {
    expect(await offered("object", "create", "--al")).toEqual(["--alignment"]);
    expect(await offered("object", "create", "--ser")).toEqual(["--server"]);
    expect(await offered("device", "reset", "--scope", "")).toEqual(["gt", "factory"]);
    expect(await offered("device", "list", "-o", "j")).toEqual(["json"]);
  });

  it("for fish has a line for every command", async () => {
    const { stdout } = await runCli(["completion", "fish"]);
    for (const words of leaves(program)) expect(stdout).toContain(`-a '${words.at(-1)}'`);
    expect(stdout.split("\n").filter((line) => !/^(#.*|complete -c torporctl .*|)$/.test(line))).toEqual([]);
  });
});

describe("the page docs/torporctl.md", () => {
  const page = readFileSync(new URL("../../docs/torporctl.md", import.meta.url), "utf8");

  it("names every command", () => {
    const lines = leaves(program).map((words) => words.join(" "));
    expect(lines.filter((line) => !page.includes(`\`${line}`))).toEqual([]);
  });

  it("names every option of all commands, with its variable", () => {
    const names = program.options
      .filter(({ long }) => long !== "--version")
      .flatMap(({ long, envVar }) => [long ?? "", envVar ?? ""]);
    expect(names.filter((name) => !page.includes(name))).toEqual([]);
  });
});

describe("help", () => {
  it.each(leaves(program).map((words) => [words.join(" ")]))(
    "of %s says what it does and takes",
    async (line) => {
      const { code, stdout, stderr } = await runCli([...line.split(" "), "--help"]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(new RegExp(`^Usage: torporctl ${line}[^\n]*\n\n\\w`));
      for (const row of stdout.split("\n")) expect(row.length).toBeLessThanOrEqual(100);
    },
  );

  it("and the version go to stdout", async () => {
    expect(await runCli(["--version"])).toEqual({ code: 0, stdout: "0.0.0-test\n", stderr: "" });
    expect((await runCli(["--help"])).stdout).toContain("Commands:");
  });
});
