/** The two commands, as README says them. */
import { readFileSync } from "node:fs";

const README = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
const [, section = ""] = /^## Two commands\n(.*?)^## /ms.exec(README) ?? [];

/** The command that begins the daemon, and the one that runs the tests. */
export const [first = "", second = ""] = [...section.matchAll(/^```\n(npm .*)\n```$/gm)].map(
  ([, command = ""]) => command,
);
