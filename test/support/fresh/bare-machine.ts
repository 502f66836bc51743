/** A machine where nothing is installed but what the test says, and a clone of the present tree on it. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Ended, type EnterOptions, enter, type Running } from "./enter.ts";
import { execute } from "./execute.ts";
import { cacheFolder } from "./made-once.ts";
import { addNode, copySystem, type Suite, systemWith } from "./parts.ts";
import { connectToRegistries } from "./registries.ts";

const ROOT = join(import.meta.dirname, "../../..");

export interface MachineParts {
  readonly suite: Suite;
  /** Packages of Debian besides what a bare system has. */
  readonly packages?: readonly string[];
  /** Debian's own with the package npm; else these versions. */
  readonly node?: { readonly node: string; readonly npm: string };
}

export interface CloneOptions {
  readonly user?: "someone";
  /** By git, which the machine must have; else what `git archive` would make. */
  readonly byGit?: boolean;
}

export class BareMachine implements AsyncDisposable {
  readonly root: string;
  readonly #running: Running[] = [];

  private constructor(root: string) {
    this.root = root;
  }

  static async make({ suite, packages = [], node }: MachineParts): Promise<BareMachine> {
    const system = await systemWith(suite, packages);
    const machine = new BareMachine(mkdtempSync(join(cacheFolder(), "machine-")));
    try {
      await copySystem(system, machine.root);
      if (node !== undefined) await addNode(machine.root, node.node, node.npm);
      await connectToRegistries(machine.root);
      chmodSync(machine.root, 0o755);
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
    return machine;
  }

  /** The present tree, changes that are not committed included, in a folder that its user owns. */
  async clone(folder: string, { user, byGit = false }: CloneOptions = {}): Promise<void> {
    const inside = join(this.root, folder);
    mkdirSync(inside, { recursive: true });
    if (byGit) {
      await execute("git", ["bundle", "create", "--quiet", join(this.root, "torpor.bundle"), "HEAD"], ROOT);
      const { status, said } = await this.run(`git clone --quiet /torpor.bundle '${folder}'`).ended;
      if (status !== 0) throw new Error(`git clone ended with ${status}: ${said}`);
    }
    const list = "git ls-files -z --cached --others --exclude-standard --deduplicate";
    const present = 'xargs -0 sh -c \'for file; do [ -e "$file" ] && printf "%s\\\\0" "$file"; done; :\' sh';
    const tar = `${list} | ${present} | tar --null --files-from=- -c`;
    await execute("sh", ["-c", `${tar} | tar -x --no-same-owner -C "$0"`, inside], ROOT);
    if (user !== undefined) await execute("chroot", [this.root, "chown", "-R", `${user}:${user}`, folder]);
  }

  /** Starts a command of the shell; whatever still runs at the end is killed. */
  run(script: string, options: EnterOptions = {}): Running {
    const running = enter(this.root, script, options);
    this.#running.push(running);
    return running;
  }

  /** Runs a command that has to succeed. @returns what it said. */
  async succeed(script: string, options: EnterOptions = {}): Promise<string> {
    const { status, said }: Ended = await this.run(script, options).ended;
    if (status !== 0) throw new Error(`${script} ended with ${status}:\n${said}`);
    return said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running) await running[Symbol.asyncDispose]();
    // Never through a mount, should one be left.
    await execute("rm", ["-rf", "--one-file-system", this.root]);
    rmSync(this.root, { recursive: true, force: true });
  }
}
