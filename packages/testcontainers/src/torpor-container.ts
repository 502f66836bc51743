/** torpord in a container, in the manner of the modules of testcontainers. */
import { randomBytes } from "node:crypto";
import { GenericContainer, getContainerRuntimeClient, Wait } from "testcontainers";
import { certificateName } from "./certificate-name.ts";
import {
  commandLine,
  DATA_DIRECTORY,
  type DaemonSettings,
  DEVICE_DEFAULT,
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
  #token: DaemonSettings["token"];
  #tls: TlsSettings | undefined;
  #volume: ImageVolume | undefined;
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
  withToken({ token, role = "admin" }: TokenSettings = {}): this {
    this.#token = { token: token ?? `torpor_${randomBytes(TOKEN_BYTES).toString("base64url")}`, role };
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
    this.#volume = new ImageVolume(name);
    return this;
  }

  /** More flags of torpord, behind those of the other methods. */
  override withCommand(flags: string[]): this {
    this.#extraFlags = flags;
    return this;
  }

  /** Starts the container and waits until the daemon is ready: devices are there, and have resumed from their images. */
  override async start(): Promise<StartedTorporContainer> {
    const { host } = (await getContainerRuntimeClient()).info.containerRuntime;
    const settings: DaemonSettings = {
      device: this.#device,
      faults: this.#faults,
      token: this.#token,
      tls: this.#tls,
      imageStore: this.#volume !== undefined,
      hosts: [host, ...this.networkAliases, ...this.#certificateNames()].filter(
        (name) => name !== "localhost",
      ),
    };
    super.withCommand([...commandLine(settings), ...this.#extraFlags]);
    const files = daemonFiles(settings);
    if (files.length > 0) this.withCopyContentToContainer(files);
    const ready = Wait.forHttp("/readyz", HTTP_PORT, { abortOnContainerExit: true });
    this.waitStrategy ??= this.#tls === undefined ? ready : ready.usingTls().allowInsecure();

    const volume = this.#volume;
    if (volume !== undefined) {
      await volume.create();
      // withBindMounts would replace those of the caller; a second start must not mount it twice.
      const bind = `${volume.name}:${DATA_DIRECTORY}`;
      this.hostConfig.Binds = [...new Set([...(this.hostConfig.Binds ?? []), bind])];
    }
    return new StartedTorporContainer(await super.start(), {
      device: this.#device.name ?? DEVICE_DEFAULT,
      faults: this.#faults,
      token: this.#token?.token,
      tls: this.#tls === undefined ? undefined : { ca: this.#tls.certificate, ...this.#tls },
      volume,
    });
  }

  /** By which the client of the container calls the daemon. */
  #certificateNames(): string[] {
    return this.#tls === undefined ? [] : [certificateName(this.#tls.certificate)];
  }
}
