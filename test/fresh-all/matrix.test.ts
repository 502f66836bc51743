/**
 * README's first command on every machine that is to be expected: Debian's own npm, and each npm on each Node that it comes
 * with or may be put on, with and without libatomic1, a compiler, Python and git, for root and for another user.
 */
import { describe, test } from "vitest";
import { BareMachine, type MachineParts } from "../support/fresh/bare-machine.ts";
import { expectFirstCommandWorks } from "../support/fresh/first-command.ts";
import { newestNpm, type Suite } from "../support/fresh/parts.ts";

const TOOLS = ["gcc", "g++", "make", "python3", "git", "ca-certificates"];
const LIBATOMIC = "libatomic1";
const NODES = ["20.20.2", "22.23.5", "24.22.3"];
const NPMS = ["9.2.0", "10.8.2", "10.9.4", "11.6.0", await newestNpm()];
/** The last npm that runs on Node 20. */
const NPM_OF_NODE_20 = "11.21.2";

interface Row {
  readonly title: string;
  readonly parts: MachineParts;
  readonly user?: "someone";
  readonly byGit: boolean;
}

/** Each suite, each user, each of the two sets of packages. A user who is not root cannot install libatomic1. */
const debian: readonly Row[] = (["bookworm", "trixie"] as const).flatMap((suite) => [
  row(suite, ["npm"]),
  row(suite, ["npm", LIBATOMIC, ...TOOLS], { user: "someone" }),
]);

/** What is there besides Node and npm, and who calls, takes turns. */
const others: readonly Row[] = NODES.flatMap((node) =>
  NPMS.map((npm) => ({ node, npm: node.startsWith("20.") && npm === NPMS.at(-1) ? NPM_OF_NODE_20 : npm })),
).map((node, index) => {
  const suite = index % 3 === 2 ? "trixie" : "bookworm";
  const user = index % 2 === 1 ? { user: "someone" as const } : {};
  const tools = index % 4 >= 2 ? TOOLS : [];
  return row(suite, [...("user" in user ? [LIBATOMIC] : []), ...tools], { node, ...user });
});

describe.concurrent("the first command works", () => {
  test.each([...debian, ...others])("$title", async ({ parts, user, byGit }) => {
    await using machine = await BareMachine.make(parts);
    const folder = user === undefined ? "/root/torpor" : `/home/${user}/torpor`;
    const options = user === undefined ? {} : { user };
    await machine.clone(folder, { ...options, byGit });
    await expectFirstCommandWorks(machine, folder, options);
  });
});

function row(
  suite: Suite,
  packages: readonly string[],
  { node, user }: { readonly node?: MachineParts["node"]; readonly user?: "someone" } = {},
): Row {
  const npm = node === undefined ? "Debian's npm" : `Node ${node.node} and npm ${node.npm}`;
  const more = packages.filter((name) => name !== "npm").join(", ");
  return {
    title: `on ${suite} with ${npm} for ${user ?? "root"}, with ${more || "nothing else"}`,
    parts: { suite, packages, ...(node === undefined ? {} : { node }) },
    ...(user === undefined ? {} : { user }),
    byGit: packages.includes("git"),
  };
}
