/** `node examples/power-manager/main.ts [URL] [SECONDS]`: suspends what has been idle for that long, until it is stopped. */
import { setTimeout as sleep } from "node:timers/promises";
import { PowerManager } from "./power-manager.ts";
import { Torpor } from "./torpor.ts";

const STEP_MS = 1000;
const [url = "http://127.0.0.1:8585", seconds = "30"] = process.argv.slice(2);
const idleMs = 1000 * Number(seconds);
if (!(idleMs > 0)) throw new Error(`The idle time (${seconds}) is not a number of seconds above 0.`);

const manager = new PowerManager(new Torpor(url), { idleMs, now: () => performance.now() });
for (;;) {
  for (const decision of await manager.step()) {
    if (decision.action !== "left") console.log(JSON.stringify(decision));
  }
  await sleep(STEP_MS);
}
