/** Defects of snapshots, and of what they know about writes. */
import type { Mutation } from "./mutation.ts";

const MEMORY = "src/device/memory";
const SNAPSHOT = "src/device/power/snapshot";
const PROPERTY = "test/device/power/snapshots.prop.test.ts";

export const SNAPSHOTS_MUTATIONS: readonly Mutation[] = [
  {
    defect: "do not mark the last frame of a write",
    file: `${MEMORY}/written-frames.ts`,
    text: "for (let frame = first; frame <= last; frame++) table.written[slot] |= 1 << frame;",
    replacement: "for (let frame = first; frame < last; frame++) table.written[slot] |= 1 << frame;",
    tests: ["test/device/memory/written-frames.test.ts", PROPERTY],
  },
  {
    defect: "do not mark what engines write",
    file: "src/device/submission/scheduler.ts",
    text: "    noteWrites(memory, request.commands, request.slots);\n",
    replacement: "    if (request.slots.size < 0) noteWrites(memory, request.commands, request.slots);\n",
    tests: ["test/device/memory/written-frames.test.ts", PROPERTY],
  },
  {
    defect: "take what lost its power for unwritten",
    file: "src/device/power/suspend-sequence.ts",
    text: "    memory.written.noteEverything();\n",
    replacement: "",
    tests: ["test/device/memory/written-frames.test.ts"],
  },
  {
    defect: "skip the last frame in a restore",
    file: `${SNAPSHOT}/put-back.ts`,
    text: "const isThere = this.#has[at] === 1;",
    replacement: "const isThere = this.#has[at] === 1 || at === frames.length - 1;",
    tests: [PROPERTY],
  },
  {
    defect: "let a snapshot share what was written since",
    file: `${MEMORY}/saved-bytes.ts`,
    text: "    if (this.#written.isWritten(slot, frame)) return NONE;\n",
    replacement: "",
    tests: ["test/device/power/snapshots.test.ts", PROPERTY],
  },
  {
    defect: "free a frame that another snapshot shares",
    file: `${MEMORY}/frame-pool.ts`,
    text: "if (this.#uses[frame] === 0) this.#space.free(frame);",
    replacement: "if (this.#uses[frame] >= 0) this.#space.free(frame);",
    tests: [PROPERTY],
  },
  {
    defect: "forget the registers of contexts in a restore",
    file: `${SNAPSHOT}/put-back.ts`,
    text: "      gt.contexts.restore(gt.unit(saved.engine), { ...saved, imageSlot, ringSlot });",
    replacement:
      "      gt.contexts.restore(gt.unit(saved.engine), { ...saved, placedBefore: false, imageSlot, ringSlot });",
    tests: ["test/device/power/snapshots.test.ts"],
  },
  {
    defect: "leave free memory as it is after a restore",
    file: `${SNAPSHOT}/put-back.ts`,
    text: "    for (const free of snapshot.free) await this.#setFree(free);\n",
    replacement: "    for (const free of snapshot.free.slice(99)) await this.#setFree(free);\n",
    tests: ["test/device/power/snapshots.test.ts"],
  },
  {
    defect: "keep what a restore that failed half way has made",
    file: `${SNAPSHOT}/snapshots.ts`,
    text: "if (dropped) usable = await this.#makeNew();",
    replacement: "if (!dropped) usable = await this.#makeNew();",
    tests: [PROPERTY],
  },
];
