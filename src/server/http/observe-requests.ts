/** Reports each request to the observer when its answer has been sent or its client has left. */
import { routeLabel } from "../../contract/route-path.ts";
import type { WireObserver } from "../gate/observer.ts";
import type { RequestCheck } from "./check-requests.ts";

/**
 * The status of requests that got no answer because their client left. nginx does the same, and no server
 * sends it.
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
