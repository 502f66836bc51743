/** Checks whether the memories of the devices fit into the process's limit, for example in a container. */
import type { Config, LoadedConfig } from "../config/config.ts";
import { ConfigError } from "../config/config-error.ts";
import { formatSize } from "../config/size.ts";

type Memories = Pick<Config, "devices" | "lmemSizesBytes" | "stolenBytes" | "smemBytes">;

/**
 * Memory is taken when it is first touched. So a device that is too large would start, and refuse what the
 * process cannot have once the device fills up.
 * @param limitBytes the limit of the control group; 0 or more than the machine has if there is none
 * @param machineBytes the memory of the machine
 * @returns a whole sentence for the log if default sizes do not fit, because a device that stays nearly empty
 * may be all that the user wants.
 * @throws ConfigError if sizes that the user chose do not fit.
 */
export function checkMemoryLimit(
  { config, given }: Pick<LoadedConfig, "config" | "given">,
  limitBytes: number,
  machineBytes: number,
): string | undefined {
  if (limitBytes <= 0 || limitBytes > machineBytes) return undefined;
  const chosen = { ...config };
  if (!given.has("lmem")) chosen.lmemSizesBytes = [];
  if (!given.has("smem")) chosen.smemBytes = 0;
  const chosenBytes = memoriesBytes(chosen);
  const limit = `the memory limit of this process (${formatSize(limitBytes)})`;
  const way = "Make them smaller with --lmem and --smem, or raise the limit.";
  if (chosenBytes > limitBytes) {
    throw new ConfigError(
      `Local and system memory of the devices (${formatSize(chosenBytes)}) are larger than ${limit}. ${way}`,
    );
  }
  const allBytes = memoriesBytes(config);
  if (allBytes <= limitBytes) return undefined;
  return (
    `Local and system memory of the devices may grow to ${formatSize(allBytes)}, which is more ` +
    `than ${limit}: what it cannot hold is refused when it is to be used. ${way}`
  );
}

/** The bytes of all full regions of all devices. */
function memoriesBytes({ devices, lmemSizesBytes, stolenBytes, smemBytes }: Memories): number {
  const localBytes = lmemSizesBytes.reduce((sum, sizeBytes) => sum + sizeBytes, 0);
  return devices.length * (localBytes + stolenBytes + smemBytes);
}
