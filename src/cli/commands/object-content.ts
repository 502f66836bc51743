/** torporctl object: upload, download and checksum their content. */
import { createReadStream, createWriteStream, statSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Command, Option } from "commander";
import { addHoldOption, type HoldOption, holdField } from "../hold-option.ts";
import { formatSize, parseSize } from "../quantities.ts";
import type { Act, Session } from "../session.ts";
import { formatFields } from "../text-table.ts";
import { UsageError } from "../usage-error.ts";

interface UploadOptions extends HoldOption {
  readonly offset?: number;
}

interface DownloadOptions extends UploadOptions {
  readonly length?: number;
}

/** @param group the command `object` */
export function addObjectContentCommands(group: Command, act: Act): void {
  addHoldOption(group.command("upload"))
    .description("upload a file into an object")
    .argument("<object>", "id or resource name")
    .argument("<file>", "file to read, or - for standard input")
    .addOption(new Option("--offset <SIZE>", "offset in the object").argParser(parseSize))
    .action(act(upload));
  addHoldOption(group.command("download"))
    .description("download the content of an object")
    .argument("<object>", "id or resource name")
    .argument("<file>", "file to write, or - for standard output")
    .addOption(new Option("--offset <SIZE>", "offset in the object").argParser(parseSize))
    .addOption(new Option("--length <SIZE>", "bytes to read (default: all)").argParser(parseSize))
    .action(act(download));
  addHoldOption(group.command("checksum"))
    .description("show CRC-32C and SHA-256 of the content")
    .argument("<object>", "id or resource name")
    .action(
      act(async (session, object: string, options: HoldOption) => {
        const request = { name: session.child("objects", object), ...holdField(options) };
        session.print("checksumObject", await session.client.checksumObject(request), (checksum) =>
          formatFields([
            ["CRC-32C", checksum.crc32c.toString(16).padStart(8, "0")],
            ["SHA-256", checksum.sha256],
            ["Size", `${formatSize(checksum.size)} (${checksum.size} bytes)`],
          ]),
        );
      }),
    );
}

async function upload(session: Session, object: string, file: string, options: UploadOptions): Promise<void> {
  const name = session.child("objects", object);
  const fromFile = file !== "-";
  const size = fromFile ? sizeOf(file) : undefined;
  const source: Readable = fromFile ? createReadStream(file) : session.io.stdin;
  using progress = session.progress("upload");
  try {
    const bytesWritten = await session.client.upload(name, source, {
      ...holdField(options),
      size,
      offset: options.offset,
      onProgress: (doneBytes) => progress.update(doneBytes, size ?? 0),
    });
    session.printValue({ bytesWritten: String(bytesWritten) }, `Wrote ${formatSize(bytesWritten)}.\n`);
  } finally {
    // After a refusal nobody reads standard input, and leaving it open would keep the process alive.
    source.destroy();
  }
}

async function download(
  session: Session,
  object: string,
  file: string,
  options: DownloadOptions,
): Promise<void> {
  const name = session.child("objects", object);
  const { offset = 0, length } = options;
  using progress = session.progress("download");
  const totalBytes = length ?? (progress.shown ? await bytesFrom(session, name, offset) : 0);
  let bytesRead = 0;
  const chunks = session.client.download(name, {
    ...holdField(options),
    offset,
    length,
    onProgress: (doneBytes) => {
      bytesRead = doneBytes;
      progress.update(doneBytes, totalBytes);
    },
  });
  if (file === "-") {
    await pipeline(Readable.from(chunks, { objectMode: false }), session.io.stdout, { end: false });
    return;
  }
  // Fetch the first chunk before creating the file, so that a refusal leaves no empty file.
  const first = await chunks.next();
  await pipeline(async function* () {
    if (first.done !== true) yield first.value;
    yield* chunks;
  }, createWriteStream(file));
  session.printValue({ bytesRead: String(bytesRead) }, `Read ${formatSize(bytesRead)} into ${file}.\n`);
}

/** How much an object has from `offset` on. */
async function bytesFrom({ client }: Session, name: string, offset: number): Promise<number> {
  return Math.max(Number((await client.getObject({ name })).size) - offset, 0);
}

/**
 * The size of a file; undefined for a pipe or a device, whose size is unknown.
 * @throws UsageError for a directory: reading one fails without naming it
 */
function sizeOf(path: string): number | undefined {
  const stats = statSync(path);
  if (stats.isDirectory()) throw new UsageError(`The file ${path} cannot be used: it is a directory.`);
  return stats.isFile() ? stats.size : undefined;
}
