/** Daemons that hibernate at their end, in processes of their own, and what must come back after it. */
import * as http from "node:http";
import * as https from "node:https";
import { expect } from "vitest";
import { DaemonProcess } from "./daemon-process.ts";
import { hashOf, patternOf } from "./test-device.ts";

export const SMALL = ["--lmem", "64MiB", "--smem", "128MiB"];
export const ANY_PORT = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];

const CONTENT = patternOf(11, 2 ** 20);

/** The words of a daemon that hibernates into `directory`. */
export function hibernating(directory: string): string[] {
  return [...SMALL, ...ANY_PORT, "--data-dir", directory, "--on-shutdown", "hibernate", "--enable-faults"];
}

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** A call of REST over a connection of its own. @param at as the ready line says it, with https:// for TLS */
export function ask(at: string, method: string, path: string, body?: object): Promise<Answer> {
  const url = new URL(`/v1/${path}`, at.includes("://") ? at : `http://${at}`);
  const send = url.protocol === "https:" ? https.request : http.request;
  return new Promise((resolve, reject) => {
    const call = send(url, { method, agent: false, rejectUnauthorized: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    call.on("error", reject);
    call.end(body === undefined || body instanceof Uint8Array ? body : JSON.stringify(body));
  });
}

/** Makes a pinned object with known content. */
export async function fill(at: string): Promise<void> {
  const objects = "devices/card0/objects";
  expect((await ask(at, "POST", objects, { size: String(CONTENT.length) })).status).toBe(200);
  expect((await ask(at, "PUT", `${objects}/1/content`, CONTENT)).status).toBe(200);
  expect((await ask(at, "POST", `${objects}/1:pin`)).status).toBe(200);
}

/** Starts another daemon on the directory, with `words` beside, and looks whether every byte is there again. */
export async function expectSaved(directory: string, words: readonly string[] = []): Promise<void> {
  await using daemon = new DaemonProcess([...hibernating(directory), ...words]);
  const { http: at } = await daemon.ready();
  const answer = await ask(at, "GET", "devices/card0/objects/1/content");
  expect(answer.status).toBe(200);
  expect(hashOf(answer.body)).toBe(hashOf(CONTENT));
}
