/**
 * README's first command on bare machines: here the two that people have, in test/fresh-all the others. All of them share
 * the network and the kernel of this machine and nothing else.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { BareMachine } from "../support/fresh/bare-machine.ts";
import { expectFirstCommandWorks } from "../support/fresh/first-command.ts";
import { bareSystem } from "../support/fresh/parts.ts";
import { first, second } from "../support/fresh/readme.ts";

beforeAll(async () => {
  expect([first, second]).toEqual(["npm ci && npm start", "npm ci && npm test"]);
  await bareSystem("bookworm");
});

describe.concurrent("on Debian 12", () => {
  test("with Debian's npm 9.2, without libatomic1, root sees a device, and Ctrl-C ends it", async () => {
    await using machine = await BareMachine.make({ suite: "bookworm", packages: ["npm"] });
    await machine.clone("/srv/Käse & Brot/torpor");
    await expectFirstCommandWorks(machine, "/srv/Käse & Brot/torpor");
  });

  test("with Node 20 and npm 10.8.2, a user is told what to install, and then sees a device", async () => {
    const node = { node: "20.20.2", npm: "10.8.2" };
    await using machine = await BareMachine.make({ suite: "bookworm", node });
    await machine.clone("/home/someone/torpor", { user: "someone" });
    const inClone = `cd /home/someone/torpor && ${first}`;
    const refused = await machine.run(inClone, { user: "someone" }).ended;
    expect(refused.status).not.toBe(0);
    const sentence = /torpor: .* Run this as root, then try again: (apt-get install libatomic1)\n/;
    const [, command] = sentence.exec(refused.said) ?? [];
    expect(command, refused.said).toBeDefined();
    await machine.succeed(`apt-get update -qq && ${command} -y -qq`);
    await expectFirstCommandWorks(machine, "/home/someone/torpor", { user: "someone" });
  });
});
