/**
 * Writes the log to a file descriptor whose reader may be slow, stalled or gone. Nobody waits for it. Lines
 * beyond the limit are lost and counted, and a later line reports how many.
 */
import { constants, fstatSync, openSync, write, writeSync } from "node:fs";
import { Socket } from "node:net";
import { escapeSteering } from "../../contract/terminal-text.ts";
import { LOG_EXIT_FLUSH_MS, LOG_QUEUE_BYTES_MAX, LOG_RETRY_MS } from "../daemon-limits.ts";

export interface LogWriterOptions {
  /** Makes the line that reports how many were lost. */
  readonly lostLine: (lines: number) => string;
  /** @default LOG_QUEUE_BYTES_MAX */
  readonly queueBytesMax?: number;
}

/** A destination for pino. */
export class LogWriter {
  readonly #sink: Sink;
  readonly #lostLine: (lines: number) => string;
  readonly #queueBytesMax: number;
  #queue: Buffer[] = [];
  #queueBytes = 0;
  #dropped = 0;
  /** Lost lines that no line has reported yet. */
  #untold = 0;
  /** A write is in progress, or a timer is set for the next attempt. */
  #isBusy = false;
  #onEmpty: (() => void)[] = [];

  constructor(fileDescriptor: number, { lostLine, queueBytesMax = LOG_QUEUE_BYTES_MAX }: LogWriterOptions) {
    this.#sink = openSink(fileDescriptor);
    this.#lostLine = lostLine;
    this.#queueBytesMax = queueBytesMax;
  }

  /** Lines lost so far. */
  get linesDropped(): number {
    return this.#dropped;
  }

  /** Takes a line of JSON with its line break. Never waits, never throws. */
  write(line: string): void {
    const bytes = Buffer.from(escapeSteering(line));
    if (this.#queueBytes + bytes.length > this.#queueBytesMax) {
      this.#lose(1);
      return;
    }
    this.#push(bytes);
    if (!this.#isBusy) this.#proceed();
  }

  /** Resolves when everything is written, or after this time. Unit: milliseconds. */
  flush(timeoutMs: number = LOG_EXIT_FLUSH_MS): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onEmpty.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Writes what is left and waits briefly. For the end of the process, when nothing else runs any more. */
  flushSync(timeoutMs: number = LOG_EXIT_FLUSH_MS): void {
    const deadline = performance.now() + timeoutMs;
    for (let [first] = this.#queue; first !== undefined; [first] = this.#queue) {
      const isUnderWay = this.#sink.inFlight === first;
      const written = isUnderWay ? first.length : tryWrite(this.#sink.fileDescriptor, first);
      if (written === undefined) this.#giveUp();
      else this.#drop(written);
      if (written !== 0) continue;
      if (performance.now() >= deadline) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOG_RETRY_MS);
    }
  }

  #push(bytes: Buffer): void {
    this.#queue.push(bytes);
    this.#queueBytes += bytes.length;
  }

  #lose(lines: number): void {
    this.#dropped += lines;
    this.#untold += lines;
  }

  /** Writes until the reader accepts no more. */
  #proceed(): void {
    this.#isBusy = true;
    for (let [first] = this.#queue; first !== undefined; [first] = this.#queue) {
      if (!this.#sink.isPolled) {
        this.#writeInBackground(first);
        return;
      }
      const written = tryWrite(this.#sink.fileDescriptor, first);
      if (written === undefined) this.#giveUp();
      else this.#drop(written);
      if (written === 0) {
        // Whoever ends the process must flush first.
        setTimeout(() => this.#proceed(), LOG_RETRY_MS).unref();
        return;
      }
    }
    this.#isBusy = false;
    const waiting = this.#onEmpty;
    this.#onEmpty = [];
    for (const told of waiting) told();
  }

  #writeInBackground(bytes: Buffer): void {
    this.#sink.inFlight = bytes;
    write(this.#sink.fileDescriptor, bytes, (error, written) => {
      this.#sink.inFlight = undefined;
      // flushSync may have written it meanwhile.
      if (error !== null) this.#giveUp();
      else if (this.#queue[0] === bytes) this.#drop(written);
      this.#proceed();
    });
  }

  /** Removes written bytes from the queue. Reports lost lines once there is room. */
  #drop(written: number): void {
    const [first] = this.#queue;
    if (first === undefined || written === 0) return;
    this.#queueBytes -= written;
    if (written < first.length) this.#queue[0] = first.subarray(written);
    else this.#queue.shift();
    if (this.#queue.length > 0 || this.#untold === 0) return;
    const line = Buffer.from(this.#lostLine(this.#untold));
    this.#untold = 0;
    this.#push(line);
  }

  /** The reader is gone or the disk is full. What is queued is lost, and the next line is tried again. */
  #giveUp(): void {
    this.#lose(this.#queue.length);
    this.#queue = [];
    this.#queueBytes = 0;
  }
}

interface Sink {
  readonly fileDescriptor: number;
  /**
   * Whether writes return at once, possibly with less or nothing if the reader is slow. A file has no such
   * mode.
   */
  readonly isPolled: boolean;
  /** The bytes that a thread of the pool is writing now. */
  inFlight: Buffer | undefined;
}

/** Keeps the reader's side non-blocking for the life of the process. */
const keepers: Socket[] = [];

function openSink(fileDescriptor: number): Sink {
  const kind = fstatSync(fileDescriptor);
  const blocking = { fileDescriptor, isPolled: false, inFlight: undefined };
  if (kind.isFile()) return blocking;
  if (kind.isCharacterDevice()) {
    // A stopped terminal accepts nothing. It is opened anew, because other processes share the mode of the
    // original.
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
    try {
      return {
        ...blocking,
        fileDescriptor: openSync(`/proc/self/fd/${fileDescriptor}`, flags),
        isPolled: true,
      };
    } catch {
      return blocking;
    }
  }
  // A pipe or a socket. It may be impossible to open anew, so Node's own socket makes it non-blocking.
  const keeper = new Socket({ fd: fileDescriptor, readable: false, writable: true });
  keeper.on("error", () => undefined);
  keeper.unref();
  keepers.push(keeper);
  return { ...blocking, isPolled: true };
}

/** How many bytes were accepted, possibly none; undefined if no more ever will be. */
function tryWrite(fileDescriptor: number, bytes: Buffer): number | undefined {
  try {
    return writeSync(fileDescriptor, bytes);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EAGAIN" ? 0 : undefined;
  }
}
