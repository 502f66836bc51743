/** Memory use of clients' objects, by label. */

import { SWAPPED } from "../backing-state.ts";
import { USAGE_LABELS_MAX } from "../limits.ts";
import type { UsageResource } from "../resource.ts";
import type { Memory } from "./memory.ts";
import { NONE } from "./object-table.ts";
import { visitClientSlots } from "./walk.ts";

interface Account {
  objects: number;
  localBytes: number;
  systemBytes: number;
  swappedBytes: number;
  pinnedBytes: number;
}

/**
 * Adds up all clients' objects, in slices. Labels beyond USAGE_LABELS_MAX are combined under `*`, which
 * limits the size of the answer.
 */
export async function summarizeUsage(memory: Memory): Promise<UsageResource[]> {
  const { table } = memory;
  const accounts = new Map<string, Account>();
  await visitClientSlots(memory, "", (slot) => {
    const account = accountOf(accounts, table.labels.get(slot));
    const sizeBytes = table.sizeBytes[slot];
    account.objects++;
    if (table.state[slot] === SWAPPED) account.swappedBytes += sizeBytes;
    else if (table.region[slot] === memory.system.index) account.systemBytes += sizeBytes;
    else if (table.region[slot] !== NONE) account.localBytes += sizeBytes;
    if (table.pinCount[slot] > 0) account.pinnedBytes += sizeBytes;
    return false;
  });
  return [...accounts].map(([label, account]) => ({ label, ...account }));
}

function accountOf(accounts: Map<string, Account>, label: string): Account {
  const key = accounts.has(label) || accounts.size < USAGE_LABELS_MAX ? label : "*";
  const known = accounts.get(key);
  if (known !== undefined) return known;
  const fresh: Account = { objects: 0, localBytes: 0, systemBytes: 0, swappedBytes: 0, pinnedBytes: 0 };
  accounts.set(key, fresh);
  return fresh;
}
