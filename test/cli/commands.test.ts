/** torporctl against a daemon: every method has a command that calls it, and people can read what it prints. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { REGISTRY } from "../../src/contract/registry.ts";
import { type CliOptions, type CliResult, runCli } from "../support/cli.ts";
import { startTestDaemon, type TestDaemon } from "../support/daemon.ts";

let directory: string;
let daemon: TestDaemon;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "torpor-cli-"));
  daemon = await startTestDaemon({ enableFaults: true, dataDirectory: join(directory, "data") });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs a command line against the daemon. */
function torporctl(line: string, options?: CliOptions): Promise<CliResult> {
  return runCli(["--server", daemon.grpc, ...line.split(" ")], options);
}

/** What a command prints, which must succeed. Times and random ids are replaced, so that it can be compared. */
async function printed(line: string, options?: CliOptions): Promise<string> {
  const { code, stdout, stderr } = await torporctl(line, options);
  expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
  return stdout
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/g, "YYYY-MM-DD HH:MM:SSZ")
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}/g, "UID");
}

/** What a command with -o json prints. */
async function json(line: string) {
  const { stdout, stderr } = await torporctl(line);
  expect({ line, stderr }).toEqual({ line, stderr: "" });
  return JSON.parse(stdout);
}

function file(name: string, text = ""): string {
  const path = join(directory, name);
  if (text !== "") writeFileSync(path, text);
  return path;
}

describe("tables", () => {
  it("of devices and regions are aligned", async () => {
    expect(await printed("device list")).toBe(
      [
        "NAME   POWER   SLEEP  D-STATE  WEDGED  SUSPENDS  SINCE",
        "card0  ACTIVE  -      D0       no             0  YYYY-MM-DD HH:MM:SSZ",
        "",
      ].join("\n"),
    );
    expect(await printed("region get smem")).toBe(
      [
        "Name:                smem",
        "Kind:                SYSTEM",
        "Size:                256 MiB",
        "Used:                0 B",
        "Available:           256 MiB",
        "Largest free block:  256 MiB",
        "Pinned:              0 B",
        "Held:                0 B",
        "Backup:              0 B",
        "Visible:             256 MiB",
        "Visible available:   256 MiB",
        "Smallest page:       4 KiB",
        "Objects:             0",
        "Pinned objects:      0",
        "",
      ].join("\n"),
    );
  });

  it("of objects show sizes as people read them", async () => {
    await printed("object create 3MiB --region lmem0,smem --flag contiguous --label weights");
    await printed("object create 128KiB --count 2");
    await printed("object pin 1");
    expect(await printed("object list")).toBe(
      [
        "ID     SIZE  STATE        REGION  PINS  FLAGS             LABEL",
        " 1    3 MiB  RESIDENT     lmem0      1  USER, CONTIGUOUS  weights",
        " 2  128 KiB  UNPOPULATED  -          0  USER",
        " 3  128 KiB  UNPOPULATED  -          0  USER",
        "",
      ].join("\n"),
    );
    expect(await printed("object unpin 1")).toContain("Evictable:        yes\n");
    await printed("object delete 1 2 3");
  });

  it("cannot be made to steer a terminal by a label", async () => {
    const { code } = await runCli([
      "--server",
      daemon.grpc,
      "object",
      "create",
      "64KiB",
      "--label",
      "\u001b[2Jgone\n",
    ]);
    expect(code).toBe(0);
    const text = await printed("object list");
    expect(text).toContain("\u{fffd}[2Jgone\u{fffd}");
    await printed("device reset --scope factory");
  });

  it("say on stderr when there is more than was asked for", async () => {
    await printed("object create 64KiB --count 5");
    const { stdout, stderr } = await torporctl("object list --limit 2 -o json");
    const { objects, nextPageToken } = JSON.parse(stdout);
    expect(objects).toHaveLength(2);
    expect(stderr).toContain(`--page-token ${nextPageToken}`);
    const rest = await json(`object list -o json --page-token ${nextPageToken}`);
    expect(rest).toMatchObject({ objects: [{}, {}, {}], nextPageToken: "" });
    await printed("device reset --scope factory");
  });
});

describe("-o json and -o yaml", () => {
  it.each([
    ["device get", "devices/card0"],
    ["region list", "devices/card0/regions"],
    ["engine list", "devices/card0/engines"],
    ["object list", "devices/card0/objects"],
    ["usage", "devices/card0/usage"],
    ["runtime-pm get", "devices/card0/runtimePm"],
    ["failpoint list", "failpoints"],
  ])("of %s is what REST answers", async (line, path) => {
    const rest: unknown = await (await fetch(`${daemon.url}/v1/${path}`)).json();
    expect(await json(`${line} -o json`)).toEqual(rest);
    expect(parse((await torporctl(`-o yaml ${line}`)).stdout)).toEqual(rest);
  });

  it("come from the environment too", async () => {
    const environment = { TORPOR_TOKEN: "unused" };
    process.env.TORPORCTL_OUTPUT = "json";
    try {
      expect(JSON.parse((await torporctl("device list", { environment })).stdout)).toHaveProperty("devices");
    } finally {
      delete process.env.TORPORCTL_OUTPUT;
    }
  });
});

describe("content", () => {
  it("goes up from a file and comes down to one", async () => {
    const up = file("up.bin", "torpor".repeat(100_000));
    const down = file("down.bin");
    await printed("object create 1MiB --label content");
    const { objects } = await json("object list -o json");
    const id = objects[0].name.split("/").at(-1);
    expect(await printed(`object upload ${id} ${up}`)).toBe("Wrote 585.9 KiB.\n");
    expect(await printed(`object download ${id} ${down} --length 600000`)).toBe(
      `Read 585.9 KiB into ${down}.\n`,
    );
    expect(readFileSync(down, "utf8")).toBe(readFileSync(up, "utf8"));
    await printed(`object upload ${id} - --offset 4`, { stdin: "TORPOR" });
    expect(await printed(`object download ${id} - --length 12`)).toBe("torpTORPORor");
  });

  it("is refused while the standard input still has nothing to give", async () => {
    const stdin = new PassThrough();
    const { code } = await torporctl("object upload 999 -", { stdin });
    expect({ code, destroyed: stdin.destroyed }).toEqual({ code: 4, destroyed: true });
  });

  it("of an object that is not there makes no file", async () => {
    const path = file("absent.bin");
    expect((await torporctl(`object download 999 ${path}`)).code).toBe(4);
    expect(() => readFileSync(path)).toThrow();
  });

  it("shows its progress on a terminal, and nowhere else", async () => {
    const up = file("bar.bin", "x".repeat(65536));
    await printed("object create 64KiB --label bar");
    const { objects } = await json("object list -o json");
    const id = objects.at(-1).name.split("/").at(-1);
    const { stderr } = await torporctl(`object upload ${id} ${up}`, { isTTY: true });
    expect(stderr).toMatch(/upload {2}\[#{24}\] {2}64 KiB of 64 KiB {2}[\d.]+ \w+\/s/);
    expect((await torporctl(`object upload ${id} ${up} --no-progress`, { isTTY: true })).stderr).toBe("");
    await printed("device reset --scope factory");
  });
});

describe("a transition", () => {
  it("shows its progress on a terminal, phase by phase", async () => {
    await printed("failpoint arm evict.after delay --delay 500ms --count 1");
    const { stdout, stderr } = await torporctl("suspend", { isTTY: true });
    expect(stdout).toContain("State:        SUCCEEDED\n");
    expect(stdout).toMatch(/\nevict_pinned +[\d.]+ ms +\d+ /);
    expect(stderr).toMatch(/suspend {2}\[[#.]{24}\] {2}.+ of .+/);
    expect(await printed("resume")).toContain("Kind:         RESUME\n");
  });

  it("that fails is an error of the command, seen late or at once", async () => {
    for (const delay of ["", " --delay 500ms"]) {
      await printed("failpoint arm evictPinned.before error --count 1");
      if (delay !== "") await printed(`failpoint arm evict.after delay${delay} --count 1`);
      const { code, stdout, stderr } = await torporctl("suspend -o json");
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(JSON.parse(stderr)).toMatchObject({
        error: { code: "INTERNAL", metadata: { transition: expect.stringContaining("/transitions/") } },
      });
    }
    expect(await printed("transition list --limit 1000")).toMatch(/SUSPEND +S3 +FAILED/);
  });

  it("is not waited for where nobody wants to", async () => {
    await printed("failpoint arm evict.after hang --count 1");
    expect(await printed("suspend --wait 0s")).toContain("State:        RUNNING\n");
    expect(await torporctl("suspend")).toMatchObject({
      code: 5,
      stderr: expect.stringContaining("TRANSITION_IN"),
    });
    await printed("failpoint reset");
    const { transition } = await json("device get -o json");
    await expect
      .poll(() => printed(`transition get ${transition}`), { timeout: 10_000 })
      .toContain("SUCCEEDED");
    await printed("resume");
  });
});

describe("top", () => {
  it("prints once, without steering the terminal", async () => {
    const text = await printed("top -n 1");
    expect(text).toMatch(/^card0 {2}ACTIVE D0 {2}since /);
    for (const word of ["lmem0", "rcs0", "PHASE"]) expect(text).toContain(word);
    expect(text).not.toContain("\u001b");
  });

  it("paints over itself on a terminal's second screen, and leaves it at Ctrl-C", async () => {
    const interrupt = new AbortController();
    const { code, stdout } = await torporctl("top --interval 50ms", {
      isTTY: true,
      interrupts: interrupt.signal,
      onStdout: (text) => {
        if (text.split("\u001b[H").length > 3) interrupt.abort();
      },
    });
    expect(code).toBe(0);
    expect(stdout.startsWith("\u001b[?1049h")).toBe(true);
    expect(stdout.endsWith("\u001b[?1049l")).toBe(true);
  });
});

describe("snapshots", () => {
  it("are made, listed and gone back to", async () => {
    const text = await printed("snapshot create seeded --label suite=ci --label team=gpu");
    expect(text).toContain("Name:        seeded\n");
    expect(text).toContain("Labels:      suite=ci, team=gpu\n");
    expect(await printed("snapshot list")).toMatch(
      /^NAME {4}DEVICE {2}OBJECTS {2}CONTENT\s+MEMORY {2}CREATED {15,}LABELS\nseeded {2}card0 /,
    );
    await printed("object create 64KiB");
    const restored = await printed("snapshot restore seeded");
    expect(restored).toContain("Kind:         RESTORE\n");
    expect(restored).toContain("State:        SUCCEEDED\n");
    expect((await json("object list -o json")).objects).toEqual([]);
    expect(await printed("snapshot delete seeded")).toBe("Deleted snapshot seeded.\n");
    const wrong = await torporctl("snapshot create other --label suite");
    expect(wrong.stderr).toContain('Label "suite" is not KEY=VALUE.');
  });
});

describe("every method of the contract", () => {
  it("has a command that calls it", async () => {
    const work = file("work.json", '[{"fill":{"object":"OBJECT","offset":"0","length":"8","pattern":7}}]');
    const made = await json("object create 64KiB -o json");
    const object = made.name.split("/").at(-1);
    writeFileSync(work, readFileSync(work, "utf8").replace("OBJECT", object));
    const context = (await json("context create rcs0 --priority low -o json")).name;
    const fence = await json(`work submit ${context} ${work} --wait 5s -o json`);
    expect(fence.state).toBe("SIGNALED");
    const transition = (await json("suspend s4 -o json")).name;
    const { images } = await json("image list -o json");
    const image = images[0].name;
    const lines = [
      `image get ${image}`,
      "resume --verify",
      `image delete ${image}`,
      "device list",
      "device get card0",
      "device reset --scope gt",
      "region list",
      "region get lmem0",
      "region evict lmem0 --bytes 1MiB",
      `object get ${object}`,
      "object list --filter state=RESIDENT --device-owned",
      `object pin ${object}`,
      `object unpin ${object}`,
      `object move ${object} smem --hold`,
      `object advise ${object} will-need`,
      `object checksum ${object}`,
      `object upload ${object} ${work}`,
      `object download ${object} ${file("out.bin")}`,
      `object delete ${object}`,
      "usage",
      "engine list",
      "engine get bcs0",
      "engine reset vcs0",
      "context list",
      `context get ${context}`,
      `context delete ${context}`,
      `fence get ${fence.name}`,
      `fence wait ${fence.name} 1s`,
      "plan",
      "transition list",
      `transition get ${transition}`,
      `transition trace ${transition}`,
      "runtime-pm get",
      "runtime-pm set --enabled off --autosuspend-delay 2s --d3cold-threshold 16MiB",
      "snapshot create seeded --label suite=ci --idle-timeout 2s",
      "snapshot list --filter labels.suite=ci",
      "snapshot get seeded",
      "snapshot restore seeded",
      "snapshot delete snapshots/seeded",
      "failpoint list --armed",
      "failpoint get evict.before",
      "failpoint arm evict.before error --only card0 --probability 0.5 --after 1 --seed 7",
      "failpoint disarm evict.before",
      "failpoint reset",
    ];
    for (const line of lines) await printed(line);
    const seen = new AbortController();
    await printed("watch", { interrupts: seen.signal, onStdout: () => seen.abort() });
    const { names } = await json("object create 64KiB --count 2 -o json");
    for (const verb of ["pin", "unpin", "delete"]) await printed(`object ${verb} ${names.join(" ")}`);
    expect((await torporctl(`transition cancel ${transition}`)).code).toBe(5);
    const services = [...REGISTRY].flatMap((desc) =>
      desc.kind === "service" && desc.file.proto.package === "torpor.v1" ? desc.methods : [],
    );
    const metrics = await (await fetch(`${daemon.url}/metrics`)).text();
    const called = new Set(
      [...metrics.matchAll(/^grpc_server_handled_total\{.*grpc_method="(\w+)"/gm)].map((m) => m[1]),
    );
    expect(services.map(({ name }) => name).filter((name) => !called.has(name))).toEqual([]);
  });
});

describe("-o name", () => {
  it("prints the resource names of an answer, one a line, for shells", async () => {
    expect(await printed("device list -o name")).toBe("devices/card0\n");
    expect(await printed("region list -o name")).toBe(
      "devices/card0/regions/lmem0\ndevices/card0/regions/smem\n",
    );
    const made = await printed("object create 64KiB --count 2 -o name");
    expect(made).toMatch(/^(devices\/card0\/objects\/\d+\n){2}$/);
    const names = made.trim().split("\n");
    expect(await printed(`object get ${names[0]} -o name`)).toBe(`${names[0]}\n`);
    expect(await printed(`object delete ${names.join(" ")} -o name`)).toBe("");
  });

  it("is refused where there are none to come", async () => {
    expect(await torporctl("watch -o name")).toMatchObject({
      code: 2,
      stderr: "torporctl: Events have no names: -o is json, yaml or table.\n",
    });
  });
});
