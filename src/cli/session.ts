/** What a command works with: the connection, the chosen device, and the output. */
import type { Command } from "commander";
import { type JsonValue, responseToJson } from "../client/json.ts";
import { connect, type ResponseOf, type TorporClient, type UnaryMethod } from "../client/mod.ts";
import { printable } from "../contract/terminal-text.ts";
import { connectOptions, type GlobalOptions } from "./globals.ts";
import type { Io } from "./io.ts";
import { type Collection, childName, deviceName, resourceNames } from "./names.ts";
import { Progress } from "./progress.ts";
import { formatJson, formatYaml } from "./structured-text.ts";

export class Session implements Disposable {
  readonly client: TorporClient;
  readonly io: Io;
  readonly options: GlobalOptions;

  constructor(io: Io, options: GlobalOptions) {
    this.io = io;
    this.options = options;
    this.client = connect(connectOptions(options, io.environment));
  }

  /** Resource name of the device that --device selects. */
  get device(): string {
    return deviceName(this.options.device);
  }

  /** Resource name of something in that device. */
  child(collection: Collection, id: string): string {
    return childName(this.options.device, collection, id);
  }

  /** Prints the answer of a method as JSON, like REST, or as the text that `view` makes from it. */
  print<M extends UnaryMethod>(
    method: M,
    response: ResponseOf<M>,
    view: (response: ResponseOf<M>) => string,
  ): void {
    if (this.options.output === "table") this.write(view(response));
    else this.#printFormatted(responseToJson(method, response));
  }

  /** Prints a result that is not the answer of one unary method, in the requested format or as `text`. */
  printValue(value: JsonValue, text: string): void {
    if (this.options.output === "table") this.write(text);
    else this.#printFormatted(value);
  }

  /** Says that a list has more items than this command printed. */
  noteMore({ nextPageToken }: { readonly nextPageToken: string }): void {
    if (nextPageToken === "") return;
    this.note(`There are more: --limit 0 lists all, --page-token ${nextPageToken} goes on from here.`);
  }

  write(text: string): void {
    this.io.stdout.write(text);
  }

  /** Prints a remark to stderr, for people. */
  note(sentence: string): void {
    this.io.stderr.write(`torporctl: ${printable(sentence)}\n`);
  }

  /** @param what the word before the bar */
  progress(what: string): Progress {
    return new Progress(this.io.stderr, what, this.options.progress);
  }

  [Symbol.dispose](): void {
    this.client.close();
  }

  #printFormatted(value: JsonValue): void {
    const { output } = this.options;
    if (output === "name")
      this.write(
        resourceNames(value)
          .map((name) => `${printable(name)}\n`)
          .join(""),
      );
    else this.write(output === "yaml" ? formatYaml(value) : formatJson(value));
  }
}

/**
 * Makes the action of a command. It opens a session, does the work with the arguments and options that
 * commander parsed, and closes the session.
 */
export type Act = <A extends readonly unknown[]>(
  work: (session: Session, ...args: A) => Promise<void>,
) => (this: Command, ...args: A) => Promise<void>;

export function actOn(io: Io): Act {
  return (work) =>
    async function (this: Command, ...args) {
      using session = new Session(io, this.optsWithGlobals<GlobalOptions>());
      await work(session, ...args);
    };
}
