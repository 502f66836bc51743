/**
 * `bin/with-node`, which finds the Node that runs Torpor: in made-up installations on made-up machines, whose PATH has
 * nothing but what the launcher may take for granted.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { arch, platform, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const BIN = join(import.meta.dirname, "../../bin");
const PACKAGED = `node_modules/node-linux-${arch()}/bin/node`;
/** All that the launcher calls besides what is built into a shell. */
const TOOLS = ["sh", "dirname", "readlink", "id", "uname"];
const LACKS_LIBATOMIC = `echo "$0: error while loading shared libraries: libatomic.so.1: cannot open" >&2; exit 127`;

/** A folder with a blank, an umlaut and what a shell would take for a pattern. */
let home: string;
let machine: string;
let clone: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "torpor jäh [a-z]* "));
  machine = join(home, "machine");
  clone = join(home, "clone");
  mkdirSync(machine);
  for (const tool of TOOLS) symlinkSync(pathOf(tool), join(machine, tool));
  cpSync(BIN, join(clone, "bin"), { recursive: true });
});

afterEach(() => rmSync(home, { recursive: true }));

describe.runIf(platform() === "linux")("on Linux", () => {
  test("takes the Node of the package, whether npm left its link or not", () => {
    program(join(machine, "node"), says("v18.20.4"));
    program(join(clone, PACKAGED), says("v26.10.0"));
    expect(launch()).toEqual({ status: 0, said: "v26.10.0" });
    program(join(clone, "node_modules/.bin/node"), LACKS_LIBATOMIC);
    expect(launch()).toEqual({ status: 0, said: "v26.10.0" });
  });

  test("hands it on to the programs that the command starts", () => {
    program(join(clone, PACKAGED), says("v26.10.0"));
    program(join(clone, "node_modules/.bin/tool"), "exec node --version");
    expect(launch({ command: ["tool"] })).toEqual({ status: 0, said: "v26.10.0" });
    expect(launch({ command: ["sh", "-c", "tool; exit 7"] })).toEqual({ status: 7, said: "v26.10.0" });
  });

  test("finds the package beside the one that it is in, and through links", () => {
    const installed = join(clone, "node_modules/torpor");
    cpSync(BIN, join(installed, "bin"), { recursive: true });
    program(join(clone, PACKAGED), says("v26.10.0"));
    mkdirSync(join(clone, "node_modules/.bin"));
    symlinkSync("../torpor/bin/torporctl", join(clone, "node_modules/.bin/torporctl"));
    symlinkSync(join(clone, "node_modules/.bin/torporctl"), join(home, "link to it"));
    for (const path of [join(clone, "node_modules/.bin/torporctl"), join(home, "link to it")]) {
      expect(run(path, [])).toEqual({ status: 0, said: "v26.10.0" });
    }
  });

  test("takes the machine's Node where it is new enough and the package's does not start", () => {
    program(join(machine, "node"), says("v24.1.0"));
    expect(launch()).toEqual({ status: 0, said: "v24.1.0" });
    program(join(clone, PACKAGED), LACKS_LIBATOMIC);
    program(join(clone, "node_modules/.bin/node"), LACKS_LIBATOMIC);
    expect(launch()).toEqual({ status: 0, said: "v24.1.0" });
    // A tool of that machine must not take the place of the one that npm installed.
    program(join(machine, "tool"), "echo the machine's");
    program(join(clone, "node_modules/.bin/tool"), "echo ours; node --version");
    expect(launch({ command: ["tool"] })).toEqual({ status: 0, said: "ours\nv24.1.0" });
  });

  test("takes the machine's Node past the link of the project that it is installed in", () => {
    const links = join(clone, "node_modules/.bin");
    cpSync(BIN, join(clone, "node_modules/torpor/bin"), { recursive: true });
    program(join(machine, "node"), says("v24.1.0"));
    program(join(clone, PACKAGED), LACKS_LIBATOMIC);
    program(join(links, "node"), LACKS_LIBATOMIC);
    const path = join(clone, "node_modules/torpor/bin/with-node");
    expect(run(path, ["node", "--version"], `${links}:${machine}`)).toEqual({ status: 0, said: "v24.1.0" });
  });

  test("installs libatomic1 for root where there is apt-get, after an update if need be", () => {
    const installed = join(home, "installed");
    const updated = join(home, "updated");
    program(join(clone, PACKAGED), `[ -e '${installed}' ] || { ${LACKS_LIBATOMIC}; }; ${says("v26.10.0")}`);
    program(join(machine, "id"), "echo 0");
    program(
      join(machine, "apt-get"),
      `case $1 in update) : >'${updated}' ;; *) [ -e '${updated}' ] && : >'${installed}' ;; esac`,
    );
    expect(launch()).toEqual({
      status: 0,
      said: "torpor: installing libatomic1, a library that the Node which npm brought needs and this machine lacks.\nv26.10.0",
    });
    expect(existsSync(installed)).toBe(true);
  });

  test("says why apt-get could not, and what to do", () => {
    program(join(clone, PACKAGED), LACKS_LIBATOMIC);
    program(join(machine, "id"), "echo 0");
    program(join(machine, "apt-get"), "echo 'E: no network'; exit 100");
    const { status, said } = launch();
    expect(status).toBe(1);
    expect(said).toContain("torpor: apt-get could not install it: E: no network");
    expect(said).toContain("Run this as root, then try again: apt-get install libatomic1");
  });

  test.each([
    ["apt-get", "apt-get install libatomic1"],
    ["dnf", "dnf install libatomic"],
    ["zypper", "zypper install libatomic1"],
    ["pacman", "pacman -S gcc-libs"],
  ])("tells a user who is not root the one command to run, where there is %s", (manager, command) => {
    program(join(machine, "node"), says("v20.1.0"));
    program(join(clone, PACKAGED), LACKS_LIBATOMIC);
    program(join(machine, "id"), "echo 1000");
    program(join(machine, manager), "echo called; exit 1");
    expect(launch()).toEqual({
      status: 1,
      said: `torpor: the Node that npm brought needs libatomic1, which this machine lacks, and ${machine}/node is v20.1.0. Run this as root, then try again: ${command}`,
    });
  });

  test("says that nothing is installed yet", () => {
    program(join(machine, "node"), says("v20.1.0"));
    expect(launch()).toMatchObject({ status: 1, said: expect.stringContaining("run npm ci") });
  });

  test("repeats what the loader says where it is something else", () => {
    program(join(clone, PACKAGED), "echo \"$0: version 'GLIBC_2.28' not found\" >&2; exit 1");
    expect(launch()).toMatchObject({ status: 1, said: expect.stringContaining("'GLIBC_2.28' not found") });
  });
});

describe("elsewhere", () => {
  test.each([
    ["Darwin", "arm64"],
    ["FreeBSD", "amd64"],
    ["Linux", "riscv64"],
  ])("on %s %s takes the machine's Node, or says that it needs one", (system, processor) => {
    program(join(machine, "uname"), `[ "$1" = -s ] && echo ${system} || echo ${processor}`);
    expect(launch()).toEqual({
      status: 1,
      said: `torpor: Torpor needs Node 24 or newer. npm brings none for ${system} on ${processor}: install it.`,
    });
    program(join(machine, "node"), says("v22.1.0"));
    expect(launch()).toMatchObject({ status: 1, said: expect.stringContaining("is v22.1.0") });
    program(join(machine, "node"), says("v25.0.0-nightly2025"));
    expect(launch()).toEqual({ status: 0, said: "v25.0.0-nightly2025" });
  });
});

function launch({ command = ["node", "--version"] }: { readonly command?: readonly string[] } = {}) {
  return run(join(clone, "bin/with-node"), command);
}

function run(
  path: string,
  words: readonly string[],
  searched = machine,
): { readonly status: number | null; readonly said: string } {
  const done = spawnSync(path, words, { encoding: "utf8", env: { PATH: searched }, cwd: home });
  return { status: done.status, said: `${done.stderr}${done.stdout}`.trim() };
}

function says(version: string): string {
  return `echo ${version}`;
}

function program(path: string, script: string): void {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

function pathOf(tool: string): string {
  const folder = ["/bin", "/usr/bin"].find((candidate) => existsSync(join(candidate, tool)));
  if (folder === undefined) throw new Error(`There is no ${tool} in /bin or /usr/bin.`);
  return join(folder, tool);
}
