/** What torporctl says when something is wrong: one line on stderr, and an exit code that says what kind it is. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT, exitCodeOf } from "../../src/cli/exit-codes.ts";
import { codeName } from "../../src/client/mod.ts";
import { Code } from "../../src/contract/gen/google/rpc/code.ts";
import { runCli } from "../support/cli.ts";
import { startTestDaemon, type TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await startTestDaemon();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

function torporctl(line: string, stdin = "") {
  return runCli(["--server", daemon.grpc, ...line.split(" ")], { stdin });
}

describe("torporctl exits with", () => {
  it.each([
    ["bogus", EXIT.USAGE, "Unknown command 'bogus'."],
    ["device lst", EXIT.USAGE, "Unknown command 'lst' (Did you mean list?)"],
    ["device list --bogus", EXIT.USAGE, "Unknown option '--bogus'."],
    ["object create", EXIT.USAGE, "Missing required argument 'size'."],
    ["object create 12x", EXIT.USAGE, "Write a size such as"],
    ["fence wait 1 5", EXIT.USAGE, "Write a time such as"],
    ["object list --limit many", EXIT.USAGE, "Write a whole number."],
    ["suspend s5", EXIT.USAGE, "Choose from s2idle, s3, s4."],
    ["failpoint arm x error --probability 2", EXIT.USAGE, "Write a number from 0 to 1"],
    ["runtime-pm set", EXIT.USAGE, "Nothing is set"],
    ["-s localhost device list", EXIT.USAGE, 'Address "localhost" is not of the form'],
    ["-s http://localhost:8585 device list", EXIT.USAGE, "is not of the form HOST:PORT"],
    ["-s 127.0.0.1:99999 device list", EXIT.USAGE, "is not between 1 and 65535"],
    ["object upload 1 test", EXIT.USAGE, "The file test cannot be used: it is a directory."],
    ["--token a\nb device list", EXIT.USAGE, "The token is empty or has characters"],
    ["--tls-cert x device list", EXIT.USAGE, "give both --tls-cert and --tls-key"],
    ["--tls-cert biome.json --tls-key biome.json device list", EXIT.USAGE, "for TLS cannot be used"],
    ["--tls-ca /nowhere device list", EXIT.USAGE, "File /nowhere cannot be read"],
    ["object create 1MiB -r nowhere", EXIT.USAGE, "(INVALID_REGION)"],
    ["-s 127.0.0.1:1 device list", EXIT.UNAVAILABLE, "No daemon answers at 127.0.0.1:1"],
    ["object get 999", EXIT.NOT_FOUND, "Object 999 does not exist. (OBJECT_NOT_FOUND)"],
    ["-d card9 device get", EXIT.NOT_FOUND, "(DEVICE_NOT_FOUND)"],
    ["object unpin 1", EXIT.NOT_FOUND, "(OBJECT_NOT_FOUND)"],
    ["object create 16GiB -r lmem0", EXIT.USAGE, "(INVALID_SIZE)"],
    ["failpoint list", EXIT.DENIED, "(FAULTS_DISABLED)"],
    ["object upload 1 /nowhere", EXIT.FAILED, "no such file"],
  ])("the right code for %s", async (line, code, text) => {
    const result = await torporctl(line);
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toContain(text);
    expect(result.stderr).toMatch(/^torporctl: [^\n]+\n$/);
  });

  it("5 when the state forbids it", async () => {
    const { name } = JSON.parse((await torporctl("object create 64KiB -o json")).stdout);
    expect(await torporctl(`object unpin ${name}`)).toMatchObject({
      code: EXIT.REFUSED,
      stderr: expect.stringContaining("(OBJECT_NOT_PINNED)"),
    });
  });

  it("6 when there is no room", async () => {
    const { stdout } = await torporctl("object create 60MiB -r lmem0 --count 2 -o json");
    const [first, second] = JSON.parse(stdout).names;
    expect((await torporctl(`object pin ${first}`)).code).toBe(EXIT.OK);
    expect(await torporctl(`object pin ${second}`)).toMatchObject({
      code: EXIT.EXHAUSTED,
      stderr: expect.stringContaining("(REGION_FULL)"),
    });
  });

  it("7 when time has run out", async () => {
    const spin = '{"commands":[{"spin":{"duration":"2s"}}]}';
    const context = JSON.parse((await torporctl("context create rcs0 -o json")).stdout).name;
    const fence = JSON.parse((await torporctl(`work submit ${context} - -o json`, spin)).stdout).name;
    expect((await torporctl(`fence wait ${fence} 1ms`)).code).toBe(EXIT.DEADLINE);
    expect((await torporctl(`fence wait ${fence} 10s`)).code).toBe(EXIT.OK);
  });

  it("1 when work has failed, after its fence was shown", async () => {
    const context = JSON.parse((await torporctl("context create ccs0 -o json")).stdout).name;
    const fence = JSON.parse(
      (await torporctl(`work submit ${context} - -o json`, '[{"hang":{}}]')).stdout,
    ).name;
    await torporctl("engine reset ccs0");
    const result = await torporctl(`fence wait ${fence} 10s`);
    expect(result).toMatchObject({ code: EXIT.FAILED, stderr: expect.stringContaining("(ENGINE_HUNG)") });
    expect(result.stdout).toContain("State:    FAILED\n");
  });

  it.each([
    ["not JSON", "The work is not JSON"],
    ["7", "neither a list of commands nor a request"],
    ['[{"fil":{}}]', '"fil" is unknown'],
    ['[{"loadRegister":{"register":0,"value":18446744073709551615}}]', "write it as a string"],
  ])("2 for work that is %s", async (work, text) => {
    const result = await torporctl("work submit 1 -", work);
    expect(result).toMatchObject({ code: EXIT.USAGE, stderr: expect.stringContaining(text) });
  });

  it("2 and its help when a group is named without a command", async () => {
    expect(await torporctl("object")).toMatchObject({
      code: EXIT.USAGE,
      stdout: "",
      stderr: expect.stringContaining("Usage: torporctl object"),
    });
  });

  it("a code for every code of gRPC", () => {
    const numbers = Object.values(Code).filter((code) => code > 0);
    for (const number of numbers) expect(exitCodeOf(codeName(number))).toBeGreaterThan(0);
  });
});

describe("an error", () => {
  it("is a sentence where a file of this machine is the matter", async () => {
    const { code, stderr } = await torporctl("object upload 1 /nowhere/x.bin");
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "torporctl: The file /nowhere/x.bin cannot be used: no such file or directory. (ENOENT)\n",
    });
  });
});

describe("an error with -o json", () => {
  it("is JSON on stderr, with reason and metadata", async () => {
    const { stdout, stderr } = await torporctl("object get 999 -o json");
    expect(stdout).toBe("");
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: "NOT_FOUND",
        reason: "OBJECT_NOT_FOUND",
        message: "Object 999 does not exist.",
        metadata: { object: "999" },
      },
    });
  });

  it("is JSON where the command line is wrong, too", async () => {
    const { stderr } = await torporctl("-o json object create 12x");
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "INVALID_ARGUMENT", reason: "" } });
  });
});

describe("the page docs/torporctl.md", () => {
  const page = readFileSync(new URL("../../docs/torporctl.md", import.meta.url), "utf8");

  it("lists every exit code", () => {
    const listed = [...page.matchAll(/^\| (\d+) +\|/gm)].map((match) => Number(match[1]));
    expect(listed.filter((code) => code < 100)).toEqual(Object.values(EXIT));
  });
});
