/** torpord in a container, in the manner of the modules of testcontainers. */
import { randomBytes } from "node:crypto";
import { GenericContainer, getContainerRuntimeClient, Wait } from "testcontainers";
import { certificateName } from "./certificate-name.ts";
import {
  commandLine,
  DATA_DIRECTORY,
  type DaemonSettings,
  type DeviceSettings,
  daemonFiles,
  type TlsSettings,
  type TokenSettings,
} from "./command-line.ts";
import { ImageVolume } from "./image-volume.ts";
import { GRPC_PORT, HTTP_PORT, StartedTorporContainer } from "./started-torpor-container.ts";

/** Start of Node and of one device takes a second or two, and much longer on a busy machine. Unit: milliseconds. */
const STARTUP_TIMEOUT_MS = 120_000;
const TOKEN_BYTES = 32;

/** What to start; each method returns the container itself. Without any, the daemon has its own defaults. */
export class TorporContainer extends GenericContainer {
  #device: DeviceSettings = {};
  #faults = false;
  #token: TokenSettings | undefined;
  #tls: TlsSettings | undefined;
  #imageStore: { readonly name: string | undefined } | undefined;
  /** The container that the engine made last. */
  #createdId: string | undefined;
  #extraFlags: readonly string[] = [];

  /** @param image of torpord, such as `torpor:0.1.0`. There is no default, so that a test says what it tests against. */
  constructor(image: string) {
    super(image);
    this.withExposedPorts(HTTP_PORT, GRPC_PORT).withStartupTimeout(STARTUP_TIMEOUT_MS);
  }

  /** The device of the daemon, by default 1 GiB of local and 4 GiB of system memory, taken when first touched. */
  withDevice(device: DeviceSettings): this {
    this.#device = device;
    return this;
  }

  /** Lets tests arm failpoints. */
  withFaults(): this {
    this.#faults = true;
    return this;
  }

  /** Asks callers for a token; `getToken()` of the started container says it, and its own calls send it. */
  withToken(token: TokenSettings = {}): this {
    this.#token = token;
    return this;
  }

  /** Speaks TLS on both wires. */
  withTls(tls: TlsSettings): this {
    this.#tls = tls;
    return this;
  }

  /**
   * Keeps hibernation images on a named volume, which S4 and hybrid sleep need.
   * @param name of a volume that stays, and that a later container may have; without it, one that goes with the container.
   */
  withImageStore(name?: string): this {
    this.#imageStore = { name };
    return this;
  }

  /** More flags of torpord, behind those of the other methods. */
  override withCommand(flags: string[]): this {
    this.#extraFlags = flags;
    return this;
  }

  /**
   * Starts the container and waits until the daemon is ready: devices are there, and have resumed from their images. What
   * is random or goes with the container is made here, so that each start has its own. When it fails, nothing stays behind.
   * @throws Error when a container that is to be reused could not have the same token or volume again
   */
  override async start(): Promise<StartedTorporContainer> {
    this.#refuseOneOff();
    const token = this.#token && {
      token: this.#token.token ?? `torpor_${randomBytes(TOKEN_BYTES).toString("base64url")}`,
      role: this.#token.role ?? "admin",
    };
    const volume = this.#imageStore && new ImageVolume(this.#imageStore.name);
    const { Binds: binds = [] } = this.hostConfig;
    const contents = this.contentsToCopy;
    const settings = await this.#settings(token);
    super.withCommand([...commandLine(settings), ...this.#extraFlags]);
    this.contentsToCopy = [...contents, ...daemonFiles(settings)];
    const ready = Wait.forHttp("/readyz", HTTP_PORT, { abortOnContainerExit: true });
    this.waitStrategy ??= this.#tls === undefined ? ready : ready.usingTls().allowInsecure();
    this.#createdId = undefined;
    try {
      await volume?.create();
      // withBindMounts would replace those of the caller.
      if (volume !== undefined) this.hostConfig.Binds = [...binds, `${volume.name}:${DATA_DIRECTORY}`];
      return new StartedTorporContainer(await super.start(), {
        device: this.#device.name,
        faults: this.#faults,
        token: token?.token,
        tls: this.#tls === undefined ? undefined : { ca: this.#tls.certificate, ...this.#tls },
        volume,
      });
    } catch (error) {
      await this.#tidy(volume);
      throw error;
    } finally {
      // The next start has a volume and files of its own.
      this.hostConfig.Binds = binds;
      this.contentsToCopy = contents;
    }
  }

  protected override async containerCreated(containerId: string): Promise<void> {
    this.#createdId = containerId;
  }

  async #settings(token: DaemonSettings["token"]): Promise<DaemonSettings> {
    const { host } = (await getContainerRuntimeClient()).info.containerRuntime;
    const { name, Hostname: hostname } = this.createOpts;
    const hosts = [host, name, hostname, ...this.networkAliases, ...this.#certificateNames()];
    return {
      device: this.#device,
      faults: this.#faults,
      token,
      tls: this.#tls,
      imageStore: this.#imageStore !== undefined,
      hosts: hosts.filter((each): each is string => each !== undefined && each !== "localhost"),
    };
  }

  /** A reused container keeps what it was made with, and who finds it knows only what the settings say. */
  #refuseOneOff(): void {
    if (!this.reuse) return;
    if (this.#token !== undefined && this.#token.token === undefined) {
      throw new Error(
        "A container that is reused keeps its token, and a random one is known to its first user only: " +
          "name one with withToken({ token }).",
      );
    }
    if (this.#imageStore !== undefined && this.#imageStore.name === undefined) {
      throw new Error(
        "A container that is reused keeps its volume, and one without a name goes with its first user: " +
          "name one with withImageStore(name).",
      );
    }
  }

  /** Removes what a start that failed has left, with or without the reaper of testcontainers. */
  async #tidy(volume: ImageVolume | undefined): Promise<void> {
    const client = await getContainerRuntimeClient();
    if (this.#createdId !== undefined && !this.reuse) {
      const container = client.container.getById(this.#createdId);
      await container.remove({ force: true, v: true }).catch(() => undefined);
    }
    await volume?.remove().catch(() => undefined);
  }

  /** By which the client of the container calls the daemon. */
  #certificateNames(): string[] {
    return this.#tls === undefined ? [] : [certificateName(this.#tls.certificate)];
  }
}
