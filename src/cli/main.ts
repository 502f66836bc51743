#!/usr/bin/env node
/**
 * The program torporctl, which is in `torporctl.ts`. This file only looks whether Node is new enough. It
 * imports nothing statically: an older Node would stumble over what it does not have before it could say a
 * word.
 */
export {};

/** What package.json says under engines. */
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
