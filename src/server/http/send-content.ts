/**
 * Sends chunks of content to a client. They reuse a few buffers: new memory for each chunk would cost more
 * than copying it, and extra buffers would only wait for the client.
 */
import type { ServerResponse } from "node:http";
import { CONTENT_CHUNKS_AHEAD } from "../limits.ts";
import { WireError } from "../messages/wire-error.ts";

/** The buffers of one stream. */
export class ChunkRooms {
  readonly #response: ServerResponse;
  #free: Uint8Array[] = [];
  #made = 0;
  #underWay = 0;
  #isGone: boolean;
  #wake: (() => void) | undefined;

  /** @param response where the chunks go. When its connection ends, nobody waits for a buffer any more. */
  constructor(response: ServerResponse) {
    this.#response = response;
    this.#isGone = response.closed;
    response.once("close", () => {
      this.#isGone = true;
      this.#wake?.();
    });
  }

  /**
   * Provides a buffer for the next chunk, which is no longer than the first. Waits until one is free.
   * @throws WireError CALL_CANCELLED if the client has left.
   */
  readonly roomFor = async (lengthBytes: number): Promise<Uint8Array> => {
    for (;;) {
      if (this.#isGone) throw new WireError("CALL_CANCELLED", "The client has gone away.");
      const free = this.#free.pop();
      if (free !== undefined) return free.subarray(0, lengthBytes);
      if (this.#made < CONTENT_CHUNKS_AHEAD) break;
      await this.#change();
    }
    this.#made++;
    return new Uint8Array(lengthBytes);
  };

  /**
   * Sends these chunks. If reading the next one fails, the earlier ones are still sent.
   * @throws the errors of `rest`.
   */
  async sendAll(first: Uint8Array, rest: AsyncIterator<Uint8Array, void>): Promise<void> {
    try {
      this.#send(first);
      for (let next = await rest.next(); next.done !== true; next = await rest.next()) this.#send(next.value);
    } finally {
      while (this.#underWay > 0 && !this.#isGone) await this.#change();
    }
  }

  /** Its buffer is free again when it has been sent. */
  #send(chunk: Uint8Array): void {
    this.#underWay++;
    this.#response.write(chunk, (error) => {
      this.#underWay--;
      this.#isGone ||= error instanceof Error;
      this.#free.push(chunk);
      this.#wake?.();
    });
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
