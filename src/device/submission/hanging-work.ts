/** Work that hangs after its first command: the failpoint blitter.hang turns a blit into this. */
import type { RingWriter } from "../hardware/ring.ts";
import type { RingWork } from "./ring-context.ts";

export class HangingWork implements RingWork {
  readonly bytes: number;
  readonly #work: RingWork;
  #emitted: "nothing" | "beginning" | "hang" = "nothing";

  constructor(work: RingWork) {
    this.bytes = work.bytes;
    this.#work = work;
  }

  emit(ring: RingWriter, commandsMax: number): number {
    let emitted = 0;
    if (this.#emitted === "nothing") {
      emitted += this.#work.emit(ring, 1);
      this.#emitted = "beginning";
    }
    if (this.#emitted === "beginning" && emitted < commandsMax) {
      ring.hang();
      emitted++;
      this.#emitted = "hang";
    }
    if (this.#emitted === "hang") emitted += this.#work.emit(ring, commandsMax - emitted);
    return emitted;
  }

  done(): boolean {
    return this.#emitted === "hang" && this.#work.done();
  }
}
