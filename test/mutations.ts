/**
 * Defects that the tests must find: each is one exact text of the source and what stands there instead. `npm run
 * mutations` makes them one at a time in a copy and expects the named test files to fail; test/mutations.test.ts holds
 * that each text is still there, once.
 */
export interface Mutation {
  /** What it is, as a fault report would call it. */
  readonly defect: string;
  readonly file: string;
  readonly text: string;
  readonly replacement: string;
  /** At least one of these fails. */
  readonly tests: readonly string[];
}

const POWER = "src/device/power";
const MEMORY = "src/device/memory";

export const MUTATIONS: readonly Mutation[] = [
  {
    defect: "skip restore_late",
    file: `${POWER}/resume-sequence.ts`,
    text: `await transition.phase("restore_late", (counts) => restore("late", counts));`,
    replacement: `await transition.phase("restore_late", () => {});`,
    tests: ["test/device/power/suspend.test.ts"],
  },
  {
    defect: "restore what the engines need only after they were started",
    file: `${POWER}/resume-sequence.ts`,
    text: `await transition.phase("restore_early", (counts) => restore("early", counts));`,
    replacement: `await transition.phase("restore_early", () => {});`,
    tests: ["test/device/power/suspend.test.ts"],
  },
  {
    defect: "free a backup and keep the pointer to it",
    file: `${POWER}/restore.ts`,
    text: "  memory.table.backup[owner] = NONE;\n",
    replacement: "",
    tests: ["test/device/power/suspend.test.ts"],
  },
  {
    defect: "attach a backup before its copy's fence",
    file: `${POWER}/backup.ts`,
    text: `const path = await (step === "remaining" ? copyByCpu : copyChecked)(memory, list);`,
    replacement: `owners.forEach((owner, at) => void (table.backup[owner] = backups[at]));
    const path = await (step === "remaining" ? copyByCpu : copyChecked)(memory, list);`,
    tests: ["test/device/power/suspend-steps.test.ts"],
  },
  {
    defect: "forget the second eviction",
    file: `${POWER}/suspend-sequence.ts`,
    text: `await evictRegions(walk, "evictPinned.object");`,
    replacement: "",
    tests: ["test/device/power/suspend-steps.test.ts"],
  },
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
    defect: "seal an image that was not read back",
    file: `${POWER}/image/exchange.ts`,
    text: "await verifyImage({ ...common, file: draft, storedBytes: written.storedBytes });",
    replacement: "void verifyImage;",
    tests: ["test/device/power/hibernation-faults.test.ts"],
  },
  {
    defect: "consume an image when the device is ACTIVE already",
    file: `${POWER}/resume-sequence.ts`,
    text: "await hibernation.commit();",
    replacement: "void hibernation.commit().catch(() => {});",
    tests: ["test/device/power/hibernation-faults.test.ts"],
  },
  {
    defect: "consume an image before its bytes are back",
    file: `${POWER}/hibernation.ts`,
    text: "{ ...holding, loaded: true };\n  }",
    replacement: "{ ...holding, loaded: true };\n    await this.#commit();\n  }",
    tests: ["test/device/power/hibernation-faults.test.ts"],
  },
  {
    defect: "run on while the image of a suspend that was undone is sealed",
    file: `${POWER}/suspend-sequence.ts`,
    text: "await hibernation.undo();",
    replacement: "",
    tests: ["test/device/power/hibernation-faults.test.ts"],
  },
  {
    defect: "leave the image of a device sealed that is made as new",
    file: `${POWER}/factory-reset.ts`,
    text: "await hibernation.giveUp();",
    replacement: "",
    tests: ["test/device/power/hibernation-faults.test.ts"],
  },
  {
    defect: "take a seal in doubt for one that failed",
    file: `${POWER}/hibernation.ts`,
    text: `if (this.#holding.kind === "sealInDoubt") await this.#settle();\n    else`,
    replacement: `if (this.#holding.kind === "sealInDoubt") this.#holding = NOTHING_HELD;\n    else`,
    tests: ["test/device/power/ownership.prop.test.ts"],
  },
  {
    defect: "take a commit in doubt for one that is done",
    file: `${POWER}/hibernation.ts`,
    text: `this.#holding = { kind: "commitInDoubt", image, state };`,
    replacement: "{\n        this.#holding = NOTHING_HELD;\n        return;\n      }",
    tests: ["test/device/power/ownership.prop.test.ts"],
  },
  {
    defect: "believe a refusal after an attempt that may have taken effect",
    file: `${POWER}/ownership.ts`,
    text: "return this.#asking === undefined || proves ? failure",
    replacement: "return proves || failure.message.length > 0 ? failure",
    tests: ["test/device/power/ownership.prop.test.ts"],
  },
  {
    defect: "keep the uid of a state that was given up",
    file: `${POWER}/ownership.ts`,
    text: "uid: newUid(), generation: 1",
    replacement: "uid: this.#state.uid || newUid(), generation: 1",
    tests: ["test/device/power/ownership.prop.test.ts"],
  },
  {
    defect: "keep system memory through S4",
    file: `${POWER}/suspend-sequence.ts`,
    text: `rail.cut(target.losesSystem ? "all" : "local")`,
    replacement: `rail.cut("local")`,
    tests: ["test/device/power/hibernation.test.ts"],
  },
  {
    defect: "keep swap through S4",
    file: `${POWER}/suspend-sequence.ts`,
    text: "if (target.losesSystem) await memory.swap?.poison(pattern);",
    replacement: "void pattern;",
    tests: ["test/device/power/suspend-steps.test.ts"],
  },
  {
    defect: "keep local memory through D3cold",
    file: "src/device/hardware/rail.ts",
    text: `if (bank.index === SYSTEM_BANK && what === "local") continue;`,
    replacement: `if (what === "local") continue;`,
    tests: ["test/device/power/suspend.test.ts"],
  },
  {
    defect: "forget that what is still in use was used",
    file: "src/device/memory/region.ts",
    text: "this.bank.forgetTouched(offsetBytes, lengthBytes),",
    replacement: "this.bank.forgetTouched(0, offsetBytes + lengthBytes),",
    tests: ["test/device/power/suspend-steps.test.ts"],
  },
  {
    defect: "count memory as cleared that lost its power",
    file: `${POWER}/suspend-sequence.ts`,
    text: "for (const _pause of region.losePower()) await services.clock.yield();",
    replacement: "void region;",
    tests: ["test/device/memory/memory-zero.test.ts"],
  },
  {
    defect: "hand out memory that was not cleared",
    file: `${MEMORY}/residency.ts`,
    text: "return memory.table.has(slot, FLAG.USER | FLAG.CPU_CLEAR);",
    replacement: "return memory === undefined && slot === 0;",
    tests: ["test/device/memory/objects.test.ts"],
  },
  {
    defect: "suspend by itself while engines work",
    file: `${POWER}/runtime-pm.ts`,
    text: "if (!gt.idle) {",
    replacement: "if (gt === undefined) {",
    tests: ["test/device/power/runtime-pm.test.ts"],
  },
  {
    defect: "suspend by itself while a call is inside",
    file: `${POWER}/runtime-pm.ts`,
    text: "if (gate.inside > 0) return;",
    replacement: "",
    tests: ["test/device/power/suspend-steps.test.ts"],
  },
  {
    defect: "lose local memory when much of it is used, and keep it when little is",
    file: `${POWER}/runtime-pm.ts`,
    text: "return used < this.#settings.d3coldThresholdBytes",
    replacement: "return used >= this.#settings.d3coldThresholdBytes",
    tests: ["test/device/power/runtime-pm.test.ts"],
  },
  {
    defect: "take a device for awake whose wake-up failed",
    file: `${POWER}/runtime-pm.ts`,
    text: "if (!isAwake) {",
    replacement: "if (isAwake === undefined) {",
    tests: ["test/device/power/runtime-pm.test.ts"],
  },
  {
    defect: "suspend although a command is in progress",
    file: `${POWER}/command-gate.ts`,
    text: "if (this.#inside === 0) return Promise.resolve();",
    replacement: "return Promise.resolve();",
    tests: ["test/device/power/suspend-steps.test.ts"],
  },
  {
    defect: "let in what was held in the wrong order",
    file: `${POWER}/command-gate.ts`,
    text: "for (const each of held) each.admit();",
    replacement: "for (const each of [...held].reverse()) each.admit();",
    tests: ["test/device/power/suspend-steps.test.ts"],
  },
  {
    defect: "never let in what was held",
    file: `${POWER}/command-gate.ts`,
    text: "for (const each of held) each.admit();",
    replacement: "void held;",
    tests: ["test/device/power/transitions.test.ts"],
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
    defect: "never swap again after a suspend",
    file: `${POWER}/resume-sequence.ts`,
    text: "    allowSwap(memory);\n",
    replacement: "",
    tests: ["test/device/memory/memory-swap.test.ts"],
  },
  {
    defect: "never swap again after a suspend that was undone",
    file: `${POWER}/suspend-sequence.ts`,
    text: "    allowSwap(memory);\n    // First of all",
    replacement: "    // First of all",
    tests: ["test/device/memory/memory-swap.test.ts"],
  },
  {
    defect: "cancel when the power is being cut",
    file: `${POWER}/transition.ts`,
    text: "    this.cancellable = false;\n    this.#canFail = false;",
    replacement: "    this.#canFail = false;",
    tests: ["test/device/power/suspend-steps.test.ts"],
  },
  {
    defect: "drop the backups of a resume that failed",
    file: `${POWER}/outcome.ts`,
    text: "const failure = await withRemaining(parts, toDeviceError(error));",
    replacement: `const failure = await withRemaining(parts, toDeviceError(error));
    await recoverRegions(parts, true);`,
    tests: ["test/device/hardware/order.test.ts"],
  },
  {
    defect: "forget the work of engines that are halted",
    file: "src/device/submission/gt.ts",
    text: `this.#failAll(engineHung("the engines were halted"));`,
    replacement: "",
    tests: ["test/device/submission/hangs.test.ts", "test/device/submission/requests-hangs.test.ts"],
  },
  {
    defect: "evict what was used last",
    file: `${MEMORY}/residency.ts`,
    text: "lists.append(slot, listOf(memory, slot));",
    replacement: "lists.prepend(slot, listOf(memory, slot));",
    tests: ["test/device/memory/memory-eviction.test.ts"],
  },
  {
    defect: "back up by blitter what the blitter lives on",
    file: `${POWER}/backup.ts`,
    text: `if (step === "pinned" && table.has(slot, FLAG.PM_EARLY)) return "skip";`,
    replacement: "",
    tests: ["test/device/power/suspend-steps.test.ts"],
  },
  {
    defect: "take the checksum of what work still changes",
    file: `${POWER}/verify.ts`,
    text: "const isWanted = (slot: number): boolean => !work.memory.reservations.isActive(slot);",
    replacement: "const isWanted = (): boolean => true;",
    tests: ["test/device/power/verify.test.ts"],
  },
  {
    defect: "compare no checksum",
    file: `${POWER}/verify.ts`,
    text: `if (found !== expected || services.failpoints.fires("verify.mismatch")) wrong.push(slot);`,
    replacement: "void found;",
    tests: ["test/device/power/verify.test.ts"],
  },
  {
    defect: "compare nothing that was swapped out",
    file: `${POWER}/verify.ts`,
    text: `if (table.state[slot] !== SWAPPED) return "gone";`,
    replacement: `if (SWAPPED > 0) return "gone";`,
    tests: ["test/device/power/verify.test.ts"],
  },
  {
    defect: "move what has no checksum yet",
    file: `${POWER}/suspend-sequence.ts`,
    text: "checksumMoving(walk, checksums, slots)",
    replacement: "Promise.resolve(void [checksumMoving, slots])",
    tests: ["test/device/power/verify.test.ts"],
  },
  {
    defect: "take the checksum of what work still waits to change",
    file: `${POWER}/backup.ts`,
    text: "const options = { sparesAwaited: beforeMove !== undefined, noteActive };",
    replacement: "const options = { sparesAwaited: false, noteActive };",
    tests: ["test/device/power/verify.test.ts"],
  },
  {
    defect: "leave the engines off because the GT was wedged before",
    file: `${POWER}/resume-sequence.ts`,
    text: "if (!firmwareRuns) return;",
    replacement: `if (gt.wedged && parts.policy.gtResumeFailure === "memcpy_restore") return;`,
    tests: ["test/device/power/policies.test.ts"],
  },
  {
    defect: "keep a page table that did not serve",
    file: `${POWER}/outcome.ts`,
    text: "if (progress.powerOn && parts.gt.wedged) await renewGt(parts);",
    replacement: "void renewGt;",
    tests: ["test/device/faults/failpoints.test.ts"],
  },
  {
    defect: "find a device's own objects in the way of its image",
    file: `${POWER}/hibernation.ts`,
    text: "if (isOwn) return;",
    replacement: "void isOwn;",
    tests: ["test/device/power/hibernation.test.ts"],
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
  {
    defect: "make contexts anew whose work only waited",
    file: "src/device/submission/ring-context.ts",
    text: "const kept = wasRunning ? undefined : this.#savedState(this.#place);",
    replacement: "const kept = undefined as ContextState | undefined;",
    tests: ["test/device/submission/innocent-contexts.test.ts"],
  },
];
