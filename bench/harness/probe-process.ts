/** Asks a URL again and again, one request at a time, until it is told to stop; then tells how long each took. */
import { Agent, get } from "node:http";

const [url = ""] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const timesMs: number[] = [];
let stopped = false;
process.on("message", () => {
  stopped = true;
});

// The first requests open the connection and warm the code.
for (let request = 0; request < 50; request++) await ask();
timesMs.length = 0;
process.send?.("ready");
while (!stopped) await ask();
process.send?.(timesMs);
process.disconnect?.();
agent.destroy();

function ask(): Promise<void> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.resume().on("end", () => {
        timesMs.push(performance.now() - start);
        resolve();
      });
    }).on("error", reject);
  });
}
