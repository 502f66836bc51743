/**
 * Writes the Grafana dashboards, one JSON file each. With --check nothing is written; the exit code says whether what is
 * committed is what would be written.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DASHBOARDS } from "../docker/grafana/source/all.ts";
import { toDashboard } from "../docker/grafana/source/frame.ts";

const FOLDER = "docker/grafana/dashboards";
const path = join(dirname(import.meta.dirname), FOLDER);

const fresh = new Map(
  DASHBOARDS.map((dashboard) => [
    `${dashboard.id}.json`,
    `${JSON.stringify(toDashboard(dashboard, DASHBOARDS), outOfMenus, 2)}\n`,
  ]),
);
const present = existsSync(path) ? readdirSync(path) : [];
const superfluous = present.filter((name) => !fresh.has(name));
const stale = [...fresh.keys()].filter(
  (name) => !present.includes(name) || readFileSync(join(path, name), "utf8") !== fresh.get(name),
);

if (superfluous.length + stale.length > 0) {
  if (process.argv.includes("--check")) {
    const names = [...stale, ...superfluous].join(", ");
    process.stderr.write(
      `${FOLDER} is not what docker/grafana/source says (${names}): run npm run generate.\n`,
    );
    process.exitCode = 1;
  } else {
    mkdirSync(path, { recursive: true });
    for (const name of superfluous) rmSync(join(path, name));
    for (const name of stale) writeFileSync(join(path, name), fresh.get(name) ?? "");
    process.stdout.write(`Wrote ${FOLDER} (${stale.length} files differed).\n`);
  }
}

/**
 * Leaves out what this version of the SDK says of every link and mark, and cannot be told otherwise (its issue 1272): that
 * it belongs into a menu. Without it they stand above the panels.
 */
function outOfMenus(key: string, value: unknown): unknown {
  return key === "placement" && value === "inControlsMenu" ? undefined : value;
}
