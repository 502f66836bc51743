#!/usr/bin/env node
/**
 * Starts torporctl, which is in `torporctl.ts`. This file only checks whether Node is new enough. It has no
 * static imports: an older Node would fail on unknown syntax or modules before it could print a message.
 */
export {};

/** The minimum in package.json's `engines`. */
const NODE_MAJOR_MIN = 24;

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `torporctl: Node ${process.versions.node} is too old; torporctl needs Node ${NODE_MAJOR_MIN} or ` +
      `newer. On Linux npm brings one, and bin/torporctl of the package finds it.\n`,
  );
  process.exitCode = 1;
} else {
  await import("./torporctl.ts");
}
