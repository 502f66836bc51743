/** The tarballs of both packages, installed by each npm into an empty project on a bare machine, and used there. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BareMachine, type MachineParts } from "../support/fresh/bare-machine.ts";
import { newestNpm } from "../support/fresh/parts.ts";
import { pack, run } from "../support/npm-package.ts";

const PROJECT = "/srv/project";
/** As docs/ci.md has it. */
const INSTALL = "npm install --ignore-scripts --loglevel=error";
/** Asks the daemon with the client, and makes a container as far as that needs no engine. */
const PROGRAM = `
import { connect } from "torpor/client";
import { TorporContainer } from "@torpor/testcontainers";
using client = connect({ address: process.argv[2] });
const { powerState } = await client.getDevice({ name: "devices/card0" });
const { devices } = await client.listDevices({});
new TorporContainer("torpor:none").withDevice({ lmem: "128MiB" });
console.log(powerState > 0, devices.map(({ name }) => name).join());
`;
const MACHINES: readonly MachineParts[] = [
  { suite: "bookworm", packages: ["npm"] },
  { suite: "trixie", packages: ["npm"] },
  { suite: "bookworm", node: { node: "20.20.2", npm: "10.8.2" } },
  { suite: "bookworm", node: { node: "22.23.5", npm: "10.9.4" } },
  { suite: "bookworm", node: { node: "24.22.3", npm: "11.6.0" } },
  { suite: "bookworm", node: { node: "24.22.3", npm: await newestNpm() } },
];
const CASES = MACHINES.map((parts) => {
  const npm = parts.node === undefined ? "its own npm" : `Node ${parts.node.node} and npm ${parts.node.npm}`;
  return { title: `on ${parts.suite} with ${npm}`, parts };
});

let folder: string;
let tarballs: readonly string[];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "torpor-tarballs-"));
  tarballs = [".", "packages/testcontainers"].map((path) => {
    run(path, "npm", "run", "build");
    return pack(path, folder).filename;
  });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.concurrent("the daemon, the client and the module for testcontainers work", () => {
  test.each(CASES)("$title", async ({ parts }) => {
    await using machine = await BareMachine.make(parts);
    const inside = join(machine.root, PROJECT);
    mkdirSync(inside, { recursive: true });
    for (const name of tarballs) copyFileSync(join(folder, name), join(inside, name));
    writeFileSync(join(inside, "use.mjs"), PROGRAM);
    const files = tarballs.map((name) => `./${name}`).join(" ");
    const inProject = `cd ${PROJECT} && PATH="$PWD/node_modules/.bin:$PATH" &&`;
    await machine.succeed(`${inProject} npm init -y && ${INSTALL} ${files} testcontainers@12`);

    const start = `${inProject} exec torpord --http 127.0.0.1:0 --grpc 127.0.0.1:0`;
    await using daemon = machine.run(start, { terminal: true });
    const [, grpc = ""] = await daemon.says(/"grpc":"([^"]+)","msg":"ready"/);
    expect(await machine.succeed(`${inProject} torporctl --server ${grpc} device list`)).toContain("card0");
    // npx is a program of npm's Node, so npm's link to another Node must not come before it.
    const byNpx = `cd ${PROJECT} && npx torporctl --server ${grpc} device list`;
    expect(await machine.succeed(byNpx)).toContain("card0");
    const use = `${inProject} node_modules/torpor/bin/with-node node use.mjs ${grpc}`;
    expect(await machine.succeed(use)).toContain("true devices/card0");
    daemon.interrupt();
    expect((await daemon.ended).said).toMatch(/"msg":"stopped"\}\s*$/);
  });
});
