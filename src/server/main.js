#!/usr/bin/env node
/**
 * The program torpord, which is in `torpord.ts`. This file only looks whether Node is new enough, and turns on Node's cache of
 * compiled code before any of it is loaded: from the second start on, the daemon is ready sooner and takes less memory. The
 * cache is beside the package, where nobody can plant code who could not change the code itself; where that cannot be written
 * there is none. NODE_COMPILE_CACHE names another place, NODE_DISABLE_COMPILE_CACHE=1 turns it off.
 *
 * It imports nothing statically: an older Node would stumble over what it does not have before it could say a word. And it is
 * JavaScript, as nothing else here: for one file of TypeScript before the cache, Node would load its compiler, and keep it.
 */
export {};

/** What package.json says under engines. */
const NODE_MAJOR_MIN = 24;

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `torpord: Node ${process.versions.node} is too old; torpord needs Node ${NODE_MAJOR_MIN} or newer. On Linux npm brings one, and bin/torpord of the package finds it.\n`,
  );
  process.exitCode = 1;
} else {
  const { enableCompileCache } = await import("node:module");
  const { fileURLToPath } = await import("node:url");
  // In the environment, so that the engines' threads find it too.
  process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL("../../.compile-cache", import.meta.url));
  enableCompileCache();
  await import("./torpord.ts");
}
