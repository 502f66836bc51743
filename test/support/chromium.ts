/** A real Chromium, Debian's, without a window. It reaches this machine only. */
import { type Browser, chromium } from "playwright-core";

/** Names under `.example` lead to this machine, so that a page can come from another host. */
const FLAGS = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
  "--ignore-certificate-errors",
  "--host-resolver-rules=MAP *.example 127.0.0.1",
];

/** Starts one; who starts it closes it. */
export function startChromium(): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: isRoot ? [...FLAGS, "--no-sandbox"] : FLAGS,
  });
}
