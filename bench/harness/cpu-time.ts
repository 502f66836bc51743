/** CPU time of a process: what it costs to answer, whatever else the machine does. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

/** Linux counts CPU time for user programs in hundredths of a second, whatever the kernel's own tick (proc(5)). */
const TICKS_PER_SECOND = 100;

/** CPU time that all threads of process `pid` have taken, in user space and in the kernel. Unit: seconds. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name in parentheses, which may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  assert(Number.isInteger(ticks), `/proc/${pid}/stat has utime and stime as its fields 14 and 15`);
  return ticks / TICKS_PER_SECOND;
}
