import { describe, expect, it } from "vitest";
import {
  formatListenAddress,
  isLoopback,
  type ListenAddress,
  loopbackRefusal,
  parseListenAddress,
} from "../../../src/server/config/listen.ts";

function parse(text: string): ListenAddress {
  const parsed = parseListenAddress(text);
  if ("problem" in parsed) throw new Error(`${text} ${parsed.problem}`);
  return parsed;
}

describe("addresses", () => {
  it.each([
    "127.0.0.1:8585",
    "[::1]:0",
    "localhost:65535",
    "gpu.example:1",
    "unix:/run/torpor.sock",
    "unix:a b",
  ])("reads %s and writes it the same", (text) => expect(formatListenAddress(parse(text))).toBe(text));

  it.each([
    ["", "is not an address"],
    ["8585", "is not an address"],
    ["127.0.0.1", "is not an address"],
    ["::1:8585", "is not an address"],
    [":8585", "has no host"],
    ["[]:8585", "has something else than an IPv6 address in its brackets"],
    ["[127.0.0.1]:1", "has something else than an IPv6 address in its brackets"],
    ["127.0.0.1:", "has a port that is not a number"],
    ["127.0.0.1:65536", "has a port that is not a number"],
    ["127.0.0.1:-1", "has a port that is not a number"],
    ["127.0.0.1:http", "has a port that is not a number"],
    ["a b:1", "has a host with characters"],
    ["http://localhost:1", "is not an address"],
    ["unix:", "has no path"],
    [`unix:/${"x".repeat(103)}`, "has a path longer than 103 bytes"],
  ])("refuses %j, because it %s", (text, problem) => {
    expect(parseListenAddress(text)).toEqual({ problem: expect.stringContaining(problem) });
  });
});

describe("the loopback rule", () => {
  it.each([
    "127.0.0.1:1",
    "127.255.0.9:1",
    "[::1]:1",
    "[0:0:0:0:0:0:0:1]:1",
    "[::ffff:127.0.0.1]:1",
    "localhost:1",
    "LocalHost:1",
    "unix:/run/torpor.sock",
  ])("lets %s pass", (text) => {
    expect(isLoopback(parse(text))).toBe(true);
    expect(loopbackRefusal("http", parse(text))).toBeUndefined();
  });

  it.each([
    "0.0.0.0:1",
    "[::]:1",
    "192.168.1.4:1",
    "[fe80::1%eth0]:1",
    "[::ffff:10.0.0.1]:1",
    "gpu.example:1",
    "localhost.example:1",
    "0177.0.0.1:1",
    "127.1:1",
  ])("refuses %s in a whole sentence that says what to do", (text) => {
    expect(isLoopback(parse(text))).toBe(false);
    const refusal = loopbackRefusal("grpc", parse(text));
    expect(refusal).toMatch(/^Address .* of grpc is not a loopback address, .* --insecure-listen .*\.$/);
    expect(refusal).toContain(text);
  });
});
