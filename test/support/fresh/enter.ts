/** Commands inside a bare system: a change of root, and mounts that nobody else sees and that end with the command. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { cacheFolder } from "./made-once.ts";
import { registryVariables } from "./registries.ts";

/** Longest time for a command: all tests on a slow machine. Unit: milliseconds. */
const TIMEOUT_MS = 1_800_000;
/** How often what was said is looked at. Unit: milliseconds. */
const LOOK_MS = 50;
/** Kept of what was said; more than any command here says. Unit: characters. */
const SAID_MAX = 16 * 1024 * 1024;
/** Of the user `someone`, whom the parts bring. */
export const USER_ID = 1000;
/** The key Ctrl-C, as a terminal sends it. */
const CTRL_C = "\u0003";

/** Where machines see what npm has fetched for others before. */
const NPM_CACHE = "/var/cache/npm-of-the-test";

/** Mounts what a booted machine has, does what the caller asks, and becomes the command. $0 is the root. */
const ENTER = `root=$0 user=$1 prepare=$2 npm_cache=$3; shift 3
mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" && mount -t sysfs sysfs "$root/sys" || exit 125
mkdir -p "$root${NPM_CACHE}" && mount --bind "$npm_cache" "$root${NPM_CACHE}" || exit 125
eval "$prepare" || exit 125
exec chroot --userspec="$user" "$root" "$@"`;

export interface EnterOptions {
  /** Root unless it is said. */
  readonly user?: "someone";
  readonly env?: Readonly<Record<string, string>>;
  /** Shell commands before the change of root, which is at "$root": mounts, for example. */
  readonly prepare?: string;
  /** A program that starts it all: `ip netns exec NAME`, for example. */
  readonly under?: readonly string[];
  /** Whether it has a terminal, and Ctrl-C. */
  readonly terminal?: boolean;
}

export interface Ended {
  readonly status: number | null;
  readonly said: string;
}

/** A command that runs. */
export class Running implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #root: string;
  readonly ended: Promise<Ended>;
  #said = "";
  #hasEnded = false;

  constructor(
    root: string,
    [program = "", ...words]: readonly string[],
    env: Readonly<Record<string, string>>,
  ) {
    // A process group of its own, so that no signal to it reaches the tests.
    const child = spawn(program, words, { env, detached: true, stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    this.#root = root;
    const hear = (text: string) => {
      this.#said = `${this.#said}${text}`.slice(-SAID_MAX);
    };
    child.stdout.setEncoding("utf8").on("data", hear);
    child.stderr.setEncoding("utf8").on("data", hear);
    child.stdin.on("error", () => {});
    const timer = setTimeout(() => this.#kill(), TIMEOUT_MS);
    this.ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status) => {
        clearTimeout(timer);
        this.#hasEnded = true;
        resolve({ status, said: this.said });
      });
    });
  }

  /** What it has said so far, without what a terminal does with it. */
  get said(): string {
    return stripVTControlCharacters(this.#said).replaceAll("\r", "");
  }

  /** What `pattern` finds in what it says. @throws Error when it ends before. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const hasEnded = this.#hasEnded;
      const found = pattern.exec(this.said);
      if (found !== null) return found;
      if (hasEnded) throw new Error(`It ended without saying ${pattern}:\n${this.said}`);
      await sleep(LOOK_MS);
    }
  }

  /** Ctrl-C at its terminal. */
  interrupt(): void {
    this.#child.stdin.write(CTRL_C);
  }

  #kill(): void {
    this.#child.kill("SIGKILL");
    for (const pid of processesIn(this.#root)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill();
    await this.ended.catch(() => {});
  }
}

/** Starts a command of the shell in a system. */
export function enter(root: string, script: string, options: EnterOptions = {}): Running {
  const { user, env = {}, prepare = ":", under = [], terminal = false } = options;
  const inside = terminal
    ? ["script", "--quiet", "--flush", "--return", "--command", script, "/dev/null"]
    : ["sh", "-c", script];
  const words = [
    ...under,
    ...["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER],
    ...[root, user === undefined ? "0:0" : `${USER_ID}:${USER_ID}`, prepare, npmCache(user)],
    ...inside,
  ];
  return new Running(root, words, {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: user === undefined ? "/root" : `/home/${user}`,
    TERM: "dumb",
    npm_config_cache: NPM_CACHE,
    ...registryVariables(),
    ...env,
  });
}

/** Of each user one, because a cache belongs to who wrote it. */
function npmCache(user: EnterOptions["user"]): string {
  const folder = join(cacheFolder(), `npm-cache-of-${user ?? "root"}`);
  if (existsSync(folder)) return folder;
  mkdirSync(folder, { recursive: true });
  if (user !== undefined) chownSync(folder, USER_ID, USER_ID);
  return folder;
}

/** The processes whose root is that of a system. */
export function processesIn(root: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/root`) === root;
      } catch {
        return false;
      }
    })
    .map(Number);
}
