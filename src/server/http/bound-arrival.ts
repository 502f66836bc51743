/**
 * How long a body that is parsed may take to arrive: whoever sends without end would keep the place of a
 * call.
 */
import type { FastifyInstance, preParsingHookHandler } from "fastify";
import { WireError } from "../messages/wire-error.ts";
import { askForBody } from "./expect-continue.ts";

/** Methods whose body fastify does not read. */
const BODILESS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Whether a route with this method, or one of these, has a body that is read. */
export function readsBody(method: string | readonly string[]): boolean {
  return [method].flat().some((name) => !BODILESS.has(name));
}

/**
 * Has routes whose body is parsed ask for it, and take it only so long. Must be called before the first of
 * them is added: only they get the hooks.
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
      // Fastify listens as long as it reads the body, and answers with the error that it hears.
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
