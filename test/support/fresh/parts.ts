/** What bare machines are put together from, each made once: systems, a Node, an npm. */
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { enter, USER_ID } from "./enter.ts";
import { execute } from "./execute.ts";
import { madeOnce } from "./made-once.ts";
import { aptSettings, connectToRegistries, mirror } from "./registries.ts";

export type Suite = "bookworm" | "trixie";

/** A system with nothing but what Debian calls required, and apt. */
export async function bareSystem(suite: Suite): Promise<string> {
  return await madeOnce(suite, async (folder) => {
    const where = await mirror();
    const log = join(folder, "../log");
    const quietly = 'debootstrap --variant=minbase "$@" >"$0" 2>&1 || { tail -n 5 "$0" >&2; exit 1; }';
    const words = [suite, folder, ...(where === undefined ? [] : [where])];
    await execute("sh", ["-c", quietly, log, ...words]);
    writeFileSync(join(folder, "etc/apt/apt.conf.d/90of-the-test"), `${await aptSettings()}\n`);
    writeFileSync(join(folder, "etc/dpkg/dpkg.cfg.d/of-the-test"), "force-unsafe-io\n");
    await execute("chroot", [folder, "useradd", "--uid", String(USER_ID), "--create-home", "someone"]);
  });
}

/** The same with packages of Debian, for example npm and the Node that comes with it. */
export async function systemWith(suite: Suite, packages: readonly string[]): Promise<string> {
  if (packages.length === 0) return await bareSystem(suite);
  return await madeOnce(`${suite}+${packages.join("+")}`, async (folder) => {
    await copySystem(await bareSystem(suite), folder);
    await connectToRegistries(folder);
    const script = `export DEBIAN_FRONTEND=noninteractive
      apt-get update -qq && apt-get install -y -qq --no-install-recommends ${packages.join(" ")} && apt-get clean`;
    const { status, said } = await enter(folder, script).ended;
    if (status !== 0) throw new Error(`apt-get ended with ${status}: ${said}`);
  });
}

/** Fills a folder with a copy of a system. */
export async function copySystem(from: string, to: string): Promise<void> {
  await execute("cp", ["--archive", "--reflink=auto", `${from}/.`, to]);
}

/** Puts a Node and an npm into a system, as the archives of nodejs.org lay them out. */
export async function addNode(root: string, nodeVersion: string, npmVersion: string): Promise<void> {
  const node = await unpacked(`node-linux-${arch()}`, nodeVersion);
  const npm = await unpacked("npm", npmVersion);
  const bin = join(root, "usr/local/bin");
  const modules = join(root, "usr/local/lib/node_modules");
  mkdirSync(modules, { recursive: true });
  cpSync(join(node, "bin/node"), join(bin, "node"));
  cpSync(npm, join(modules, "npm"), { recursive: true, verbatimSymlinks: true });
  for (const name of ["npm", "npx"]) {
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(bin, name));
  }
}

/** The newest version of npm that there is. */
export async function newestNpm(): Promise<string> {
  return (await execute("npm", ["view", "npm", "version"])).trim();
}

async function unpacked(name: string, version: string): Promise<string> {
  return await madeOnce(`${name}-${version}`, async (folder) => {
    await execute("npm", ["pack", "--silent", "--pack-destination", folder, `${name}@${version}`], folder);
    await execute("sh", ["-c", "tar -xzf *.tgz --strip-components=1 && rm ./*.tgz"], folder);
    if (name === "npm") await execute("chmod", ["-R", "a+rX", "."], folder);
    await execute("sh", ["-c", "chmod a+x bin/*"], folder);
  });
}
