/**
 * Defects that the tests must find: each is one exact text of the source and what stands there instead. `npm run
 * mutations` makes them one at a time in a copy and expects the named test files to fail; test/mutations.test.ts holds
 * that each text is still there, once.
 */
import { MEMORY_MUTATIONS } from "./mutations/memory.ts";
import type { Mutation } from "./mutations/mutation.ts";
import { OTHERS_MUTATIONS } from "./mutations/others.ts";
import { POWER_MUTATIONS } from "./mutations/power.ts";
import { SNAPSHOTS_MUTATIONS } from "./mutations/snapshots.ts";

export type { Mutation };

export const MUTATIONS: readonly Mutation[] = [
  ...POWER_MUTATIONS,
  ...MEMORY_MUTATIONS,
  ...SNAPSHOTS_MUTATIONS,
  ...OTHERS_MUTATIONS,
];
