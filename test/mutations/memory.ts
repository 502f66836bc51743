/** Defects of the memory manager. */
import type { Mutation } from "./mutation.ts";

const MEMORY = "src/device/memory";

export const MEMORY_MUTATIONS: readonly Mutation[] = [
  {
    defect: "reuse the space of an evicted object before the fence of its copy",
    file: `${MEMORY}/evict.ts`,
    text: `  let path: CopyPath;
  try {
    path = await copyChecked(memory, list);
  } catch (error) {
    for (const handle of handles) system.giveUp(handle);
    for (const slot of moving.toReversed()) giveBack(memory, slot);
    throw error;
  }
  for (let at = 0; at < moving.length; at++) {
    moveResource(memory, moving[at], { region: system, handle: handles[at] });
    memory.locks.unlock(moving[at]);
  }`,
    replacement: `  for (let at = 0; at < moving.length; at++) moveResource(memory, moving[at], { region: system, handle: handles[at] });
  const path: CopyPath = await copyChecked(memory, list);
  for (const slot of moving) memory.locks.unlock(slot);`,
    tests: ["test/device/memory/memory-eviction.test.ts", "test/device/memory/memory-races.test.ts"],
  },
  {
    defect: "merge dirty blocks with cleared ones",
    file: `${MEMORY}/buddy/buddy-blocks.ts`,
    text: "if (buddy >= this.chunkCount || state[buddy] !== stateOf(FREE, blockOrder, cleared)) break;",
    replacement: `if (buddy >= this.chunkCount) break;
      if (![true, false].some((each) => state[buddy] === stateOf(FREE, blockOrder, each))) break;`,
    tests: ["test/device/memory/buddy/buddy.test.ts"],
  },
  {
    defect: "ignore a blit that failed",
    file: `${MEMORY}/checked-copy.ts`,
    text: `services.emit({ type: "blitterFallback", reason: toDeviceError(error).reason, bytes: work.bytes });`,
    replacement: "toDeviceError(error);\n      return blitter.path;",
    tests: ["test/device/hardware/order.test.ts"],
  },
  {
    defect: "let the CPU reach beyond its window",
    file: `${MEMORY}/checked-copy.ts`,
    text: "if (endBytes <= region.visibleBytes) return;",
    replacement: "return;",
    tests: ["test/device/memory/memory-window.test.ts"],
  },
  {
    defect: "forget that what is still in use was used",
    file: "src/device/memory/region.ts",
    text: "this.bank.forgetTouched(offsetBytes, lengthBytes),",
    replacement: "this.bank.forgetTouched(0, offsetBytes + lengthBytes),",
    tests: ["test/device/power/suspend-steps.test.ts"],
  },
  {
    defect: "hand out memory that was not cleared",
    file: `${MEMORY}/residency.ts`,
    text: "return memory.table.has(slot, FLAG.USER | FLAG.CPU_CLEAR);",
    replacement: "return memory === undefined && slot === 0;",
    tests: ["test/device/memory/objects.test.ts"],
  },
  {
    defect: "believe what comes back from swap",
    file: `${MEMORY}/swap.ts`,
    text: "if (page.crc32c() === checksum) return;",
    replacement: "if (checksum >= 0) return;",
    tests: ["test/device/memory/memory-swap.test.ts"],
  },
  {
    defect: "leak swap space",
    file: `${MEMORY}/swap.ts`,
    text: "this.#swapped.delete(slot);\n    this.#space.free(swapped.handle);",
    replacement: "this.#swapped.delete(slot);",
    tests: ["test/device/memory/memory-swap.test.ts"],
  },
  {
    defect: "give swap space away that a silent store may still write",
    file: `${MEMORY}/swap.ts`,
    text: "if (this.#silence === undefined) this.#space.free(handle);\n    else void this.#silence.then(() => this.#space.free(handle));",
    replacement: "this.#space.free(handle);",
    tests: ["test/device/memory/memory-swap.test.ts"],
  },
  {
    defect: "evict what was used last",
    file: `${MEMORY}/residency.ts`,
    text: "lists.append(slot, listOf(memory, slot));",
    replacement: "lists.prepend(slot, listOf(memory, slot));",
    tests: ["test/device/memory/memory-eviction.test.ts"],
  },
  {
    defect: "count space that is being filled as full",
    file: `${MEMORY}/placement.ts`,
    text: `if (region.inHands > 0 || region.arriving > 0) return "moving";`,
    replacement: `if (region.inHands > 0) return "moving";`,
    tests: ["test/device/memory/arrivals.test.ts"],
  },
  {
    defect: "count system memory that is being filled as full",
    file: `${MEMORY}/evict.ts`,
    text: "system.inHands > 0 || (forArrivals && system.arriving > 0)",
    replacement: "system.inHands > 0",
    tests: ["test/device/memory/arrivals.test.ts"],
  },
];
