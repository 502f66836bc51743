/** Machines that are not as the one on which this was written, each tried for real, in one bare system. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BareMachine } from "../support/fresh/bare-machine.ts";
import type { EnterOptions } from "../support/fresh/enter.ts";
import { execute } from "../support/fresh/execute.ts";

const CLONE = "/srv/torpor";
const ANY_PORTS = "--http 127.0.0.1:0 --grpc 127.0.0.1:0";
/** A network of its own, with nothing in it but loopback, and no address on that until it is given one. */
const NETWORK = "torpor-fresh";
const ON_ITS_OWN: EnterOptions = { under: ["ip", "netns", "exec", NETWORK] };
const NO_IPV4 = "ip addr flush dev lo && ip addr add ::1/128 dev lo && ";
const NO_IPV6 = "ip addr flush dev lo && ip addr add 127.0.0.1/8 dev lo && ";

let machine: BareMachine;

beforeAll(async () => {
  const packages = ["libatomic1", "npm", "faketime", "iproute2"];
  machine = await BareMachine.make({ suite: "bookworm", packages });
  await machine.clone(CLONE);
  await machine.succeed(`cd ${CLONE} && npm ci`);
  await execute("ip", ["netns", "add", NETWORK]);
  await execute("ip", ["netns", "exec", NETWORK, "ip", "link", "set", "lo", "up"]);
});

afterAll(async () => {
  await execute("ip", ["netns", "delete", NETWORK]).catch(() => {});
  await machine[Symbol.asyncDispose]();
});

describe("the daemon runs", () => {
  const byNpm = `cd ${CLONE} && npm start -- ${ANY_PORTS}`;
  const itself = `${CLONE}/bin/torpord ${ANY_PORTS}`;
  const readOnly = `mount --bind "$root${CLONE}" "$root${CLONE}" && mount -o remount,bind,ro "$root${CLONE}"`;

  test.each<[string, string, EnterOptions]>([
    ["from a folder of somebody else, without a home", byNpm, { user: "someone", env: { HOME: "/nowhere" } }],
    ["from a folder that cannot be written", byNpm, { prepare: readOnly }],
    ["with a /dev/shm of 64 KiB", itself, { prepare: 'mount -t tmpfs -o size=64k tmpfs "$root/dev/shm"' }],
    ["where nothing can be written to /tmp", itself, { prepare: 'mount -t tmpfs -o ro tmpfs "$root/tmp"' }],
    // Not by the program faketime, which a Ctrl-C ends before the daemon has.
    [
      "in the year 2039",
      `LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketime.so.1) FAKETIME='@2039-03-01 00:00:00' exec ${itself}`,
      {},
    ],
    [
      "with the locale and the time of elsewhere",
      itself,
      { env: { LC_ALL: "tr_TR.UTF-8", TZ: "Asia/Kathmandu" } },
    ],
    ["on one core", `taskset -c 0 ${itself}`, {}],
    ["with 64 open files", `ulimit -n 64 && ${itself}`, {}],
    ["with an empty environment", `exec env -i ${itself}`, {}],
    ["without IPv6", `${NO_IPV6} ${itself}`, ON_ITS_OWN],
    ["with IPv6 only", `${NO_IPV4} ${CLONE}/bin/torpord --http '[::1]:0' --grpc '[::1]:0'`, ON_ITS_OWN],
  ])("%s", async (_, script, options) => {
    await using daemon = machine.run(script, { ...options, terminal: true });
    await daemon.says(/"msg":"ready"/);
    daemon.interrupt();
    expect((await daemon.ended).said).toMatch(/"msg":"stopped"\}\s*$/);
  });
});

describe("a sentence says what to do", () => {
  test.each<[string, string, EnterOptions, string]>([
    ["where 127.0.0.1 is no address", `${NO_IPV4} ${CLONE}/bin/torpord`, ON_ITS_OWN, "such as [::1]:0 where"],
    [
      "where memory is refused",
      `ulimit -v 4000000 && ${CLONE}/bin/torpord ${ANY_PORTS}`,
      {},
      "name less with --lmem",
    ],
    [
      "where the system has musl",
      `${CLONE}/bin/torpord`,
      {
        prepare: `: >"$root/lib/ld-musl-x86_64.so.1"
          for node in "$root${CLONE}"/node_modules/node-linux-*/bin/node; do mount --bind /bin/false "$node"; done`,
      },
      "this system has musl, and /usr/bin/node is v18",
    ],
  ])("%s", async (_, script, options, sentence) => {
    const { status, said } = await machine.run(script, options).ended;
    expect(said).toContain(sentence);
    expect(said).not.toMatch(/^\s+at /m);
    expect(status).toBe(1);
  });
});
