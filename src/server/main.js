#!/usr/bin/env node
/**
 * The program torpord, which is in `torpord.ts`. This file only turns on Node's cache of compiled code before any of it is
 * loaded: from the second start on, the daemon is ready sooner and takes less memory. The cache is beside the package, where
 * nobody can plant code who could not change the code itself; where that cannot be written there is none.
 * NODE_COMPILE_CACHE names another place, NODE_DISABLE_COMPILE_CACHE=1 turns it off.
 *
 * JavaScript, as nothing else here: for one file of TypeScript before the cache, Node would load its compiler, and keep it.
 */
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// In the environment, so that the engines' threads find it too.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL("../../.compile-cache", import.meta.url));
enableCompileCache();
await import("./torpord.ts");
