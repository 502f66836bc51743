/**
 * Frozen messages, which never change. A client that polls gets the same message until something changes, and
 * its text and bytes are made only once.
 */

export class WrittenOnce<Message extends object, Written> {
  readonly #written = new WeakMap<Message, Written>();
  readonly #write: (message: Message) => Written;

  /** @param write writes a message for a wire */
  constructor(write: (message: Message) => Written) {
    this.#write = write;
  }

  /** The written form of a message. It is cached only if the message is frozen. */
  of(message: Message): Written {
    if (!Object.isFrozen(message)) return this.#write(message);
    let written = this.#written.get(message);
    if (written === undefined) {
      written = this.#write(message);
      this.#written.set(message, written);
    }
    return written;
  }
}
