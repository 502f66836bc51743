/** An image that is being written to the image directory, and one that is being read from it. */
import { DeviceError, type ImageDraft, type ImageFile } from "../../device/mod.ts";
import type { ImageErrors, ImageObserver } from "./image-errors.ts";
import type { DurableFile } from "./image-file-system.ts";
import { type PositionedFile, readFully, writeFully } from "./positioned-file.ts";

/** What both need besides their file. */
export interface ImageFileDeps {
  readonly path: string;
  readonly errors: ImageErrors;
  readonly observer: ImageObserver;
}

/** The steps that concern the whole directory and not only the file. */
export interface DraftDirectory {
  /** Turns the closed, durable file into a sealed image. */
  seal(): Promise<void>;
  /** Removes the file, sealed or not, and releases its reserved space. */
  abandon(): Promise<void>;
}

export interface DraftOptions extends ImageFileDeps {
  readonly id: string;
  /** Open. */
  readonly file: DurableFile;
}

export class DirectoryDraft implements ImageDraft {
  readonly id: string;
  readonly #file: DurableFile;
  readonly #deps: ImageFileDeps;
  readonly #directory: DraftDirectory;
  readonly #path: string;
  #endBytes = 0;
  /** Completed writes, and how many of them are known to be durable. */
  #writes = 0;
  #durableWrites = -1;
  #closed: Promise<void> | undefined;

  constructor({ id, file, ...deps }: DraftOptions, directory: DraftDirectory) {
    this.id = id;
    this.#file = file;
    this.#deps = deps;
    this.#directory = directory;
    this.#path = deps.path;
  }

  /** How many bytes have been written. */
  get endBytes(): number {
    return this.#endBytes;
  }

  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    const { errors, observer } = this.#deps;
    await errors.guard(this.#path, "written", () => writeFully(this.#file, offsetBytes, bytes));
    this.#writes++;
    this.#endBytes = Math.max(this.#endBytes, offsetBytes + bytes.length);
    observer.onWrite?.(bytes.length);
  }

  read(offsetBytes: number, into: Uint8Array): Promise<void> {
    return readWhole({ ...this.#deps, file: this.#file }, offsetBytes, into);
  }

  /** Skips the disk if nothing was written since the last time, because flushing its cache takes long. */
  async sync(): Promise<void> {
    const writes = this.#writes;
    if (writes === this.#durableWrites) return;
    await this.#deps.errors.guard(this.#path, "made durable", () => this.#file.datasync());
    this.#durableWrites = writes;
  }

  async seal(): Promise<void> {
    await this.sync();
    await this.close();
    await this.#directory.seal();
    this.#deps.observer.onSeal?.(this.#endBytes);
  }

  async abandon(): Promise<void> {
    // Nobody wants its bytes, so it does not matter whether they reached the disk.
    await this.close().catch(() => {});
    await this.#directory.abandon();
  }

  close(): Promise<void> {
    this.#closed ??= this.#deps.errors.guard(this.#path, "closed", () => this.#file.close());
    return this.#closed;
  }
}

export class DirectoryImage implements ImageFile {
  readonly sizeBytes: number;
  readonly #file: PositionedFile;
  readonly #deps: ImageFileDeps;

  constructor(file: PositionedFile & { readonly sizeBytes: number }, deps: ImageFileDeps) {
    this.sizeBytes = file.sizeBytes;
    this.#file = file;
    this.#deps = deps;
  }

  read(offsetBytes: number, into: Uint8Array): Promise<void> {
    return readWhole({ ...this.#deps, file: this.#file }, offsetBytes, into);
  }

  close(): Promise<void> {
    return this.#deps.errors.guard(this.#deps.path, "closed", () => this.#file.close());
  }
}

async function readWhole(
  { file, path, errors, observer }: ImageFileDeps & { readonly file: PositionedFile },
  offsetBytes: number,
  into: Uint8Array,
): Promise<void> {
  const doneBytes = await errors.guard(path, "read", () => readFully(file, offsetBytes, into));
  observer.onRead?.(doneBytes);
  if (doneBytes === into.length) return;
  const wantedBytes = offsetBytes + into.length;
  const message =
    `Image ${path} ends at offset ${offsetBytes + doneBytes}, and should have ` +
    `${wantedBytes} bytes at least.`;
  throw errors.told(new DeviceError("IMAGE_CORRUPT", message, { path }));
}
