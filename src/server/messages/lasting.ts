/**
 * Messages that are frozen because they stay what they are. Who polls gets the same one until something
 * changes, and its text and bytes are made once.
 */

export class WrittenOnce<Message extends object, Written> {
  readonly #written = new WeakMap<Message, Written>();
  readonly #write: (message: Message) => Written;

  /** @param write makes what a message looks like on a wire */
  constructor(write: (message: Message) => Written) {
    this.#write = write;
  }

  /** What a message looks like; made anew unless it is frozen. */
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
