/**
 * The last known state of each device of a data directory: a small file, replaced by an atomic rename and
 * made durable before anybody relies on it. A starting daemon learns from it which images are its own,
 * whatever else is in the directory.
 */
import { dirname } from "node:path";
import type { StateId } from "../../device/mod.ts";
import { PAST_STATES_MAX, STATES_FILE_BYTES_MAX } from "../daemon-limits.ts";
import { codeOf } from "./file-errors.ts";
import type { ImageFileSystem } from "./image-file-system.ts";
import { readFully, writeFully } from "./positioned-file.ts";
import { StartError } from "./start-error.ts";

export interface DeviceState extends StateId {
  /** Id of the image that holds the state, or was meant to; empty if the device itself has it. */
  readonly image: string;
  /** The number of the device's next transition when it resumes from that image. */
  readonly nextTransitionId: number;
  /** Earlier uids of the device, oldest first. There may be consumed images with them. */
  readonly past: readonly string[];
}

export class DeviceStates {
  readonly #path: string | undefined;
  readonly #files: ImageFileSystem;
  readonly #states: Map<string, DeviceState>;
  /** Whether there was no file, because the directory is new or comes from an earlier version. */
  readonly isNew: boolean;

  private constructor(
    path: string | undefined,
    files: ImageFileSystem,
    states: Map<string, DeviceState> | undefined,
  ) {
    this.#path = path;
    this.#files = files;
    this.#states = states ?? new Map();
    this.isNew = states === undefined;
  }

  /**
   * Reads the file. @param path undefined for states that are not stored
   * @throws StartError if there is one that cannot be read.
   */
  static async open(path: string | undefined, files: ImageFileSystem): Promise<DeviceStates> {
    if (path === undefined) return new DeviceStates(path, files, undefined);
    try {
      return new DeviceStates(path, files, await readStates(path, files));
    } catch (error) {
      const why = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
      throw new StartError(
        `File ${path}, which says which image is whose, cannot be read: ${why}. Without it devices ` +
          `begin anew; images stay, for Resume with image.`,
        { cause: error },
      );
    }
  }

  get(device: string): DeviceState | undefined {
    return this.#states.get(device);
  }

  /** Uids of the device, oldest first, with the current one last. */
  lineageOf(device: string): readonly string[] {
    const state = this.#states.get(device);
    return state === undefined ? [] : [...state.past, state.uid];
  }

  /** Whether a device of this directory has or had that uid. */
  knows(uid: string): boolean {
    return [...this.#states.keys()].some((device) => this.lineageOf(device).includes(uid));
  }

  /**
   * Stores the state of a device durably. Does nothing if it is stored already. A failed call may be
   * repeated.
   * @throws Error of the file system; the file is then either the old one or the new one
   */
  async remember(device: string, state: Omit<DeviceState, "past">): Promise<void> {
    const before = this.#states.get(device);
    if (before !== undefined && isSame(before, state)) return;
    const past = this.lineageOf(device).filter((uid) => uid !== state.uid);
    const next = new Map(this.#states).set(device, { ...state, past: past.slice(-PAST_STATES_MAX) });
    if (this.#path !== undefined) await this.#write(this.#path, next);
    this.#states.clear();
    for (const [name, each] of next) this.#states.set(name, each);
  }

  async #write(path: string, states: ReadonlyMap<string, DeviceState>): Promise<void> {
    const partial = `${path}.partial`;
    const bytes = new TextEncoder().encode(
      `${JSON.stringify({ version: 1, devices: Object.fromEntries(states) }, null, 2)}\n`,
    );
    await this.#files.remove(partial);
    const file = await this.#files.create(partial);
    try {
      await writeFully(file, 0, bytes);
      await file.datasync();
    } finally {
      await file.close();
    }
    await this.#files.rename(partial, path);
    await this.#files.syncDirectory(dirname(path));
  }
}

function isSame(a: DeviceState, b: Omit<DeviceState, "past">): boolean {
  const keys = ["uid", "generation", "image", "nextTransitionId"] as const;
  return keys.every((key) => a[key] === b[key]);
}

async function readStates(
  path: string,
  files: ImageFileSystem,
): Promise<Map<string, DeviceState> | undefined> {
  const file = await files.open(path);
  if (file === undefined) return undefined;
  try {
    if (file.sizeBytes > STATES_FILE_BYTES_MAX) {
      throw new Error(`it has ${file.sizeBytes} bytes, more than ${STATES_FILE_BYTES_MAX}`);
    }
    const bytes = new Uint8Array(file.sizeBytes);
    await readFully(file, 0, bytes);
    return parseStates(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  } finally {
    await file.close();
  }
}

/** @throws Error if it is not what `remember` writes. */
function parseStates(json: unknown): Map<string, DeviceState> {
  const { version, devices } = fieldsOf(json, "it");
  if (version !== 1) throw new Error(`its version is ${String(version)}, and only 1 is read`);
  return new Map(
    Object.entries(fieldsOf(devices, "devices")).map(([name, value]) => [name, parseState(name, value)]),
  );
}

function parseState(name: string, value: unknown): DeviceState {
  const { uid, generation, image, nextTransitionId, past } = fieldsOf(value, `device ${name}`);
  const isGood =
    typeof uid === "string" &&
    typeof image === "string" &&
    isCount(generation) &&
    isCount(nextTransitionId) &&
    Array.isArray(past);
  if (!isGood) throw new Error(`what it says of device ${name} is incomplete`);
  return { uid, generation, image, nextTransitionId, past: past.map(String) };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function fieldsOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Error(`${what} is no object`);
}
