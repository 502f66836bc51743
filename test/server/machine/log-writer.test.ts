import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { LogWriter } from "../../../src/server/machine/log-writer.ts";

const directory = mkdtempSync(join(tmpdir(), "torpor-log-"));
afterAll(() => rmSync(directory, { recursive: true }));

const options = { lostLine: (lines: number) => `{"linesLost":${lines}}\n`, queueBytesMax: 10_000 };

/** A pipe with a name; its reader is a process that reads when it is told to. */
async function stalledPipe(name: string) {
  const path = join(directory, name);
  execFileSync("mkfifo", [path]);
  const reader = spawn("sh", ["-c", `exec 3<"$1"; echo open; read go; cat <&3`, "sh", path], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let read = "";
  reader.stdout.setEncoding("utf8").on("data", (text: string) => {
    read += text;
  });
  const fileDescriptor = openSync(path, "w");
  await expect.poll(() => read).toBe("open\n");
  return {
    fileDescriptor,
    go: () => reader.stdin.write("go\n"),
    read: () => read.replace("open\n", ""),
    kill: () => reader.kill("SIGKILL"),
  };
}

describe("the writer of the log", () => {
  it("writes lines to a file in their order", async () => {
    const path = join(directory, "file");
    const fileDescriptor = openSync(path, "w");
    const writer = new LogWriter(fileDescriptor, options);
    for (let count = 0; count < 100; count++) writer.write(`{"count":${count}}\n`);
    await writer.flush();
    closeSync(fileDescriptor);
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    expect(lines).toEqual(Array.from({ length: 100 }, (_, count) => `{"count":${count}}`));
    expect(writer.linesDropped).toBe(0);
  });

  it("waits for no reader, and says afterwards how many lines it lost", async () => {
    const pipe = await stalledPipe("stalled");
    const writer = new LogWriter(pipe.fileDescriptor, options);
    const line = (count: number) => `{"count":${count},"text":"${"x".repeat(1000)}"}\n`;
    for (let count = 0; count < 500; count++) writer.write(line(count));
    expect(writer.linesDropped).toBeGreaterThan(100);
    writer.flushSync(50);
    pipe.go();
    await writer.flush(5_000);
    const kept = 500 - writer.linesDropped;
    await expect.poll(() => pipe.read().split("\n")).toHaveLength(kept + 2);
    const lines = pipe.read().trimEnd().split("\n");
    expect(lines.slice(0, -1)).toEqual(Array.from({ length: kept }, (_, count) => line(count).trimEnd()));
    expect(lines.at(-1)).toBe(`{"linesLost":${writer.linesDropped}}`);
    pipe.kill();
  });

  it("goes on when its reader has gone", async () => {
    const pipe = await stalledPipe("gone");
    const writer = new LogWriter(pipe.fileDescriptor, options);
    pipe.kill();
    const dropped = () => {
      writer.write("{}\n");
      return writer.linesDropped;
    };
    await expect.poll(dropped).toBeGreaterThan(2);
    writer.flushSync(50);
  });

  it("escapes what would steer a terminal", async () => {
    const path = join(directory, "escaped");
    const fileDescriptor = openSync(path, "w");
    const writer = new LogWriter(fileDescriptor, options);
    const text = "a\u009b31m\u202eb\u007f";
    writer.write(`${JSON.stringify({ text })}\n`);
    await writer.flush();
    closeSync(fileDescriptor);
    expect(readFileSync(path, "utf8")).toBe('{"text":"a\\u009b31m\\u202eb\\u007f"}\n');
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ text });
  });
});
