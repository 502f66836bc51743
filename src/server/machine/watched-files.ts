/** Files whose content may change while the daemon runs: tokens, certificates, keys. */
import { readFile, stat } from "node:fs/promises";
import type { Logger } from "pino";
import { SECRET_FILE_BYTES_MAX, SECRET_FILE_POLL_MS } from "../limits.ts";

export interface WatchOptions<T> {
  /** What the files are, for messages: "tokens file". */
  readonly what: string;
  readonly paths: readonly string[];
  /** Makes the value of the contents, in the order of `paths`. Throws an Error with a whole sentence. */
  readonly parse: (contents: readonly Buffer[]) => T;
  readonly log: Logger;
}

/**
 * The value of files, read again when they change. A change that cannot be used is logged once, and the last
 * good value stays: a typing error must not lock everybody out. Contents are compared, not times, so that
 * links and mounts of any kind are followed.
 */
export class WatchedFiles<T> {
  readonly #options: WatchOptions<T>;
  readonly #listeners: ((value: T) => void)[] = [];
  readonly #timer: NodeJS.Timeout;
  #value: T;
  /** What was seen last, good or bad. */
  #seen: string | readonly Buffer[];
  #last: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | undefined;

  private constructor(options: WatchOptions<T>, contents: readonly Buffer[], pollMs: number) {
    this.#options = options;
    this.#value = options.parse(contents);
    this.#seen = contents;
    this.#timer = setInterval(() => void this.check(), pollMs).unref();
  }

  /** Reads them for the first time, and from then on every `pollMs`. @throws Error with a whole sentence */
  static async open<T>(options: WatchOptions<T>, pollMs = SECRET_FILE_POLL_MS): Promise<WatchedFiles<T>> {
    return new WatchedFiles(options, await readAll(options), pollMs);
  }

  /** The last good value. */
  get value(): T {
    return this.#value;
  }

  /** Calls `listener` with each new good value. */
  onChange(listener: (value: T) => void): void {
    this.#listeners.push(listener);
  }

  /** Looks at the files now. Never rejects. */
  check(): Promise<void> {
    this.#waiting ??= this.#last.then(() => {
      this.#waiting = undefined;
      return this.#look();
    });
    this.#last = this.#waiting;
    return this.#waiting;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const { what, paths, parse, log } = this.#options;
    try {
      const contents = await readAll(this.#options);
      if (typeof this.#seen !== "string" && areEqual(contents, this.#seen)) return;
      this.#seen = contents;
      this.#value = parse(contents);
      log.info({ paths }, `the ${what} has changed and is in force`);
      for (const listener of this.#listeners) listener(this.#value);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof UnreadableError) {
        if (this.#seen === message) return;
        this.#seen = message;
      }
      log.error({ paths }, `${message} What was in force before stays in force.`);
    }
  }
}

class UnreadableError extends Error {}

async function readAll({ what, paths }: Pick<WatchOptions<unknown>, "what" | "paths">): Promise<Buffer[]> {
  return Promise.all(
    paths.map(async (path) => {
      try {
        const found = await stat(path);
        if (!found.isFile()) throw new Error("it is not a plain file");
        if (found.size > SECRET_FILE_BYTES_MAX)
          throw new Error(`it is larger than ${SECRET_FILE_BYTES_MAX} bytes`);
        return await readFile(path);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new UnreadableError(`The ${what} cannot be used: ${path} cannot be read: ${why}.`, {
          cause: error,
        });
      }
    }),
  );
}

function areEqual(one: readonly Buffer[], other: readonly Buffer[]): boolean {
  return one.length === other.length && one.every((content, at) => other[at]?.equals(content));
}
