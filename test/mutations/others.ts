/** Defects of everything else: the hardware, submission, the image format, the server. */
import type { Mutation } from "./mutation.ts";

export const OTHERS_MUTATIONS: readonly Mutation[] = [
  {
    defect: "keep local memory through D3cold",
    file: "src/device/hardware/rail.ts",
    text: `if (bank.index === SYSTEM_BANK && what === "local") continue;`,
    replacement: `if (what === "local") continue;`,
    tests: ["test/device/power/suspend.test.ts"],
  },
  {
    defect: "return power to memory that still has its bytes of before",
    file: "src/device/power/resume-sequence.ts",
    text: "    await rail.restored();\n    progress.powerOn = true;",
    replacement: "    progress.powerOn = true;",
    tests: ["test/device/power/power-loss.test.ts"],
  },
  {
    defect: "read an image into memory that still has its bytes of before",
    file: "src/device/power/resume-sequence.ts",
    text: "      await rail.restored();\n      await hibernation.load(",
    replacement: "      await hibernation.load(",
    tests: ["test/device/power/power-loss.test.ts"],
  },
  {
    defect: "make a device new on memory that still has its bytes of before",
    file: "src/device/power/factory-reset.ts",
    text: "  await rail.restored();\n",
    replacement: "  void rail;\n",
    tests: ["test/device/power/power-loss.test.ts"],
  },
  {
    defect: "say that lost memory was overwritten, and write nothing",
    file: "src/device/hardware/rail.ts",
    text: "        microcodes.within(bank.index).fill(range.offsetBytes, range.lengthBytes, this.#pattern);\n",
    replacement: "        void microcodes;\n",
    tests: ["test/device/power/power-loss.test.ts"],
  },
  {
    defect: "make an image of memory that still has its bytes of before",
    file: "src/device/power/deepen.ts",
    text: "      await rail.restored();\n",
    replacement: "      void rail;\n",
    tests: ["test/device/power/power-loss.test.ts"],
  },
  {
    defect: "tell registers out of memory without power",
    file: "src/device/submission/client-context.ts",
    text: "    if (region.bank.isLost(extent)) return [];\n",
    replacement: "",
    tests: ["test/device/power/power-loss.test.ts"],
  },
  {
    defect: "forget the work of engines that are halted",
    file: "src/device/submission/gt.ts",
    text: `this.#failAll(engineHung("the engines were halted"));`,
    replacement: "",
    tests: ["test/device/submission/hangs.test.ts", "test/device/submission/requests-hangs.test.ts"],
  },
  {
    defect: "make contexts anew whose work only waited",
    file: "src/device/submission/ring-context.ts",
    text: "const kept = wasRunning ? undefined : this.#savedState(this.#place);",
    replacement: "const kept = undefined as ContextState | undefined;",
    tests: ["test/device/submission/innocent-contexts.test.ts"],
  },
  {
    defect: "bring a lost card back by itself",
    file: "src/device/hardware/link.ts",
    text: 'if (this.#failpoints.fires("link.down")) this.#lost = true;',
    replacement: 'this.#lost = this.#failpoints.fires("link.down");',
    tests: ["test/device/power/lost-card.test.ts"],
  },
  {
    defect: "write the same pattern at every loss of power",
    file: "src/device/hardware/rail.ts",
    text: "this.#pattern = isNew ? drawn : (this.#pattern % 0xffff_ffff) + 1;",
    replacement: "this.#pattern = isNew ? 0xdeadbeef : 0xdeadbeef;",
    tests: ["test/device/hardware/rail.test.ts"],
  },
  {
    defect: "beat the heart more slowly than the kernel",
    file: "src/device/limits.ts",
    text: "export const HEARTBEAT_INTERVAL_MS = 2_500;",
    replacement: "export const HEARTBEAT_INTERVAL_MS = 3_600;",
    tests: ["test/device/submission/requests-hangs.test.ts"],
  },
];
