/** Files that may change while the daemon runs: tokens, certificates, keys. */
import { readFile, stat } from "node:fs/promises";
import type { Logger } from "pino";
import { SECRET_FILE_BYTES_MAX, SECRET_FILE_POLL_MS } from "../limits.ts";

export interface WatchOptions<T> {
  /** The name of the files in messages: "tokens file". */
  readonly what: string;
  readonly paths: readonly string[];
  /**
   * Makes the value from the contents, which are in the order of `paths`. Throws an Error with a whole
   * sentence.
   */
  readonly parse: (contents: readonly Buffer[]) => T;
  readonly log: Logger;
}

/**
 * The value of some files, read again when they change. An invalid change is logged once, and the last valid
 * value stays: a typing error must not lock everybody out. It compares contents and not times, so that links
 * and mounts of any kind work.
 */
export class WatchedFiles<T> {
  readonly #options: WatchOptions<T>;
  readonly #listeners: ((value: T) => void)[] = [];
  readonly #timer: NodeJS.Timeout;
  #value: T;
  /** The last contents, valid or not. */
  #seen: string | readonly Buffer[];
  #last: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | undefined;

  private constructor(options: WatchOptions<T>, contents: readonly Buffer[], pollMs: number) {
    this.#options = options;
    this.#value = options.parse(contents);
    this.#seen = contents;
    this.#timer = setInterval(() => void this.check(), pollMs).unref();
  }

  /** Reads the files now, and then every `pollMs`. @throws Error with a whole sentence */
  static async open<T>(options: WatchOptions<T>, pollMs = SECRET_FILE_POLL_MS): Promise<WatchedFiles<T>> {
    return new WatchedFiles(options, await readAll(options), pollMs);
  }

  /** The last valid value. */
  get value(): T {
    return this.#value;
  }

  /** Calls `listener` with each new valid value. */
  onChange(listener: (value: T) => void): void {
    this.#listeners.push(listener);
  }

  /** Checks the files now. Never rejects. */
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
