/**
 * Limits how long a parsed body may take to arrive. A client that never stops sending would hold a place for
 * a call.
 */
import type { FastifyInstance, preParsingHookHandler } from "fastify";
import { WireError } from "../messages/wire-error.ts";
import { askForBody } from "./expect-continue.ts";

/** Methods whose body fastify does not read. */
const BODILESS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Whether a route with this method, or one of these methods, reads a body. */
export function readsBody(method: string | readonly string[]): boolean {
  return [method].flat().some((name) => !BODILESS.has(name));
}

/**
 * Makes routes that parse a body ask for it, and wait for it only for a limited time. Must be called before
 * the first of them is added, because only later routes get the hooks.
 * @param arrivalMs from the head of the request to the last byte of its body. Unit: milliseconds.
 */
export function boundArrival(app: FastifyInstance, arrivalMs: number): void {
  const bound = boundBody(arrivalMs);
  app.addHook("onRoute", (route) => {
    if (route.config?.streamsBody === true || !readsBody(route.method)) return;
    route.preParsing = [route.preParsing ?? [], askForBody, bound].flat();
  });
}

function boundBody(arrivalMs: number): preParsingHookHandler {
  const bound: preParsingHookHandler = ({ raw }, _reply, payload, done) => {
    const timer = setTimeout(() => {
      // Fastify listens while it reads the body, and answers with this error.
      if (raw.listenerCount("error") > 0) raw.emit("error", tooSlow(arrivalMs));
    }, arrivalMs).unref();
    raw.once("end", () => clearTimeout(timer)).once("close", () => clearTimeout(timer));
    done(null, payload);
  };
  return bound;
}

function tooSlow(arrivalMs: number): WireError {
  const sentence = `The body of the request did not arrive whole within ${arrivalMs / 1000} s.`;
  return new WireError("DEADLINE_EXCEEDED", sentence, { arrivalMs: String(arrivalMs) }).withHttpStatus(408);
}
