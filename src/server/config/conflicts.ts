/** Checks whether settings that are valid by themselves also fit together. */
import { MEMORY_UNIT_BYTES, memorySizeProblem, minPageProblem } from "../../device/sizes.ts";
import { SWAP_BYTES_MAX } from "../daemon-limits.ts";
import { failpointsProblemOf } from "./failpoints-setting.ts";
import type { Problem, Settings } from "./schema.ts";
import { formatSize } from "./size.ts";

const NEEDS_A_BUCKET = "needs imageStore: without a bucket it says nothing.";
const NAME_A_DIRECTORY = "name one with --data-dir, TORPOR_DATA_DIR or dataDir.";

type Say = (path: Problem["path"], message: string) => void;

/** The conflicts between them. */
export function problemsBetween(settings: Settings): readonly Problem[] {
  const problems: Problem[] = [];
  const refuse: Say = (path, message) => void problems.push({ path, message });
  const pageProblem = minPageProblem(settings.minPage, formatSize);
  if (pageProblem !== undefined) refuse(["minPage"], pageProblem);
  else {
    for (const [index, sizeBytes] of settings.lmem.entries()) {
      const problem = sizeProblem(sizeBytes, Math.max(settings.minPage, MEMORY_UNIT_BYTES));
      if (problem !== undefined) refuse(["lmem", index], problem);
    }
    const problem = settings.visible === "all" ? undefined : sizeProblem(settings.visible, settings.minPage);
    if (problem !== undefined) refuse(["visible"], problem);
  }
  const problem = sizeProblem(settings.smem, MEMORY_UNIT_BYTES);
  if (problem !== undefined) refuse(["smem"], problem);
  const stolenProblem = settings.stolen === 0 ? undefined : sizeProblem(settings.stolen, MEMORY_UNIT_BYTES);
  if (stolenProblem !== undefined) refuse(["stolen"], stolenProblem);
  const { snapshotMemory } = settings;
  const snapshotProblem = snapshotMemory === 0 ? undefined : sizeProblem(snapshotMemory, MEMORY_UNIT_BYTES);
  if (snapshotProblem !== undefined) refuse(["snapshotMemory"], snapshotProblem);
  const swapProblem = swapProblemOf(settings.swap, settings.dataDir);
  if (swapProblem !== undefined) refuse(["swap"], swapProblem);
  const hasStore = settings.dataDir !== "" || settings.imageStore !== "";
  if (settings.onShutdown === "hibernate" && !hasStore)
    refuse(["onShutdown"], `needs a data directory for the images: ${NAME_A_DIRECTORY}`);
  for (const key of ["imageStoreEndpoint", "imageStoreRegion"] as const) {
    if (settings[key] !== "" && settings.imageStore === "") refuse([key], NEEDS_A_BUCKET);
  }
  if (settings.imageStorePathStyle && settings.imageStore === "")
    refuse(["imageStorePathStyle"], NEEDS_A_BUCKET);
  for (const [index, { name }] of settings.policy.entries()) {
    const at = settings.policy.findIndex((other) => other.name === name);
    if (at < index) refuse(["policy", index], `sets ${name} twice.`);
  }
  if ((settings.tlsCert === "") !== (settings.tlsKey === "")) {
    const [there, missing] =
      settings.tlsCert === "" ? (["tlsKey", "tlsCert"] as const) : (["tlsCert", "tlsKey"] as const);
    refuse([there], `needs ${missing} too: a certificate and its key belong together.`);
  }
  if (settings.tlsClientCa !== "" && settings.tlsCert === "") {
    refuse(["tlsClientCa"], "needs tlsCert and tlsKey: clients show certificates only over TLS.");
  }
  const [first, second] = settings.rateLimit;
  if (first !== undefined && first.path === second?.path)
    refuse(["rateLimit", 1], "limits the same path twice.");
  const failpointsProblem = failpointsProblemOf(settings);
  if (failpointsProblem !== undefined) refuse(["failpoints"], failpointsProblem);
  if (!settings.engines.some((engine) => engine.startsWith("bcs"))) {
    refuse(["engines"], "has no copy engine: without one (bcs0) nothing can be evicted by blitter.");
  }
  return problems;
}

function sizeProblem(sizeBytes: number, unitBytes: number): string | undefined {
  return memorySizeProblem(sizeBytes, unitBytes, formatSize);
}

function swapProblemOf(sizeBytes: number, dataDir: string): string | undefined {
  if (sizeBytes > SWAP_BYTES_MAX)
    return `is more than the ${formatSize(SWAP_BYTES_MAX)} that swap of a device can have.`;
  if (sizeBytes % MEMORY_UNIT_BYTES !== 0) return `is not a multiple of ${formatSize(MEMORY_UNIT_BYTES)}.`;
  if (sizeBytes === 0 || dataDir !== "") return undefined;
  return `needs a data directory for its file: ${NAME_A_DIRECTORY}`;
}
