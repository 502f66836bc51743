/** README's second command where nothing is installed but npm, and nothing can be: for a user who is not root. */
import { expect, test } from "vitest";
import { BareMachine } from "../support/fresh/bare-machine.ts";
import { second } from "../support/fresh/readme.ts";

/** What a bare machine lacks, and the package of Debian that has it. */
const LEFT_OUT = ["prometheus", "chromium", "python3", "curl", "docker.io"];

test("passes what can run, and says what to install for the rest", async () => {
  const node = { node: "20.20.2", npm: "10.8.2" };
  await using machine = await BareMachine.make({ suite: "bookworm", packages: ["libatomic1"], node });
  await machine.clone("/home/someone/torpor", { user: "someone" });
  const { status, said } = await machine.run(`cd /home/someone/torpor && ${second}`, { user: "someone" })
    .ended;
  expect(said).toMatch(/\n[1-9]\d* passed, 0 failed\s*$/);
  expect(status).toBe(0);
  const summary = said.slice(said.lastIndexOf("\nSummary\n"));
  for (const name of LEFT_OUT) expect(summary).toContain(`apt-get install ${name}`);
});
