/** Tells the observer of each request when its answer has gone, or its client has. */
import { routeLabel } from "../../contract/route-path.ts";
import type { WireObserver } from "../gate/observer.ts";
import type { RequestCheck } from "./check-requests.ts";

/**
 * What a request is counted with that got no answer, because its client went away: nginx has it so, and no
 * server sends it.
 */
const CLIENT_GONE = 499;

/** Must come before every check that can refuse. */
export function observeRequests(observer: WireObserver | undefined): RequestCheck {
  return ({ method }, { raw: response }, { url = "unknown" }) => {
    if (observer?.onHttpEnd === undefined) return;
    const startMs = performance.now();
    const route = routeLabel(url);
    // A response closes once, and `once` would cost every request a wrapper.
    response.on("close", () => {
      const status = response.writableFinished ? response.statusCode : CLIENT_GONE;
      observer.onHttpEnd?.({ route, method, status, seconds: (performance.now() - startMs) / 1000 });
    });
  };
}
