/** The named volume that holds hibernation images and outlives a container. */
import { randomUUID } from "node:crypto";
import { getContainerRuntimeClient, getReaper, LABEL_TESTCONTAINERS_SESSION_ID } from "testcontainers";

export class ImageVolume {
  readonly name: string;
  /** Whether it was made here for one container, and goes with it. */
  readonly #temporary: boolean;

  /** @param name of a volume that stays; without one there will be a volume that goes with the container. */
  constructor(name?: string) {
    this.name = name ?? `torpor-${randomUUID()}`;
    this.#temporary = name === undefined;
  }

  /** Makes it if there is none. One that is to go belongs to the session, whose end removes it after a crash too. */
  async create(): Promise<void> {
    const client = await getContainerRuntimeClient();
    const Labels = this.#temporary
      ? { [LABEL_TESTCONTAINERS_SESSION_ID]: (await getReaper(client)).sessionId }
      : {};
    await client.container.dockerode.createVolume({ Name: this.name, Labels });
  }

  /** Removes it, unless it is one that stays. Its container must be gone. */
  async remove(): Promise<void> {
    if (!this.#temporary) return;
    const client = await getContainerRuntimeClient();
    await client.container.dockerode.getVolume(this.name).remove();
  }
}
