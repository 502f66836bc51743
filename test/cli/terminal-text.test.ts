/**
 * Text of others that would steer a terminal: in no form of output does it get there, and programs read it as
 * it was.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { runCli } from "../support/cli.ts";
import { startTestDaemon, type TestDaemon } from "../support/daemon.ts";

/** An escape, a control sequence of one character, a delete, marks of direction, separators of lines. */
const LABEL = "a\u001b[31mb\u009b31mc\u007fd\u202ee\u2066f\u200fg\u061ch\u2028i";
/** What no output may have but its line breaks. */
const STEERING = /(?!\n)\p{Cc}|[\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;

let daemon: TestDaemon;
let name: string;

beforeAll(async () => {
  daemon = await startTestDaemon();
  const body = JSON.stringify({ size: "4096", label: LABEL });
  const answer = await fetch(`${daemon.url}/v1/devices/card0/objects`, { method: "POST", body });
  expect(answer.status).toBe(200);
  name = Object(await answer.json()).name;
});
afterAll(() => daemon[Symbol.asyncDispose]());

function torporctl(...words: string[]) {
  return runCli(["--server", daemon.grpc, ...words]);
}

describe("a label that would steer a terminal", () => {
  it.each([
    ["a table", ["object", "list"]],
    ["fields", ["object", "get", "1"]],
    ["names", ["object", "list", "-o", "name"]],
    ["JSON", ["object", "list", "-o", "json"]],
    ["YAML", ["object", "list", "-o", "yaml"]],
  ])("does not get there in %s", async (_what, words) => {
    const { code, stdout } = await torporctl(...words);
    expect(code).toBe(0);
    expect(stdout).not.toMatch(STEERING);
  });

  it.each([
    ["json", (text: string): unknown => JSON.parse(text)],
    ["yaml", (text: string): unknown => parse(text)],
  ] as const)("is what it was for a program that reads %s", async (form, read) => {
    const { stdout } = await torporctl("object", "get", name.split("/").at(-1) ?? "", "-o", form);
    expect(read(stdout)).toMatchObject({ name, label: LABEL });
  });

  it.each(["table", "json"])("does not get there with an error, as %s", async (form) => {
    const { stdout, stderr } = await torporctl(
      "object",
      "list",
      "--filter",
      `label = "${LABEL}" and`,
      "-o",
      form,
    );
    expect(`${stdout}${stderr}`).not.toBe("");
    expect(`${stdout}${stderr}`).not.toMatch(STEERING);
  });
});
