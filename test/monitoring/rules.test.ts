/** The rules in promtool's judgement: they parse, and each alert fires when it should and not otherwise. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const FOLDER = fileURLToPath(new URL("../../docker/prometheus", import.meta.url));

function promtool(...args: string[]): string {
  const run = spawnSync("promtool", args, { cwd: FOLDER, encoding: "utf8", timeout: 30_000 });
  const output = `${run.stdout}${run.stderr}`;
  expect(run.status, output).toBe(0);
  return output;
}

it("accepts the configuration and every rule", () => {
  expect(promtool("check", "config", "prometheus.yml")).toContain("SUCCESS");
});

it.each(readdirSync(`${FOLDER}/tests`))("each alert of %s fires when it should, and only then", (name) => {
  expect(promtool("test", "rules", `tests/${name}`)).toContain("SUCCESS");
});
