/** Packages of npm as they would be published: what is in them, and their tarballs. */
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { z } from "zod";

const ROOT = join(import.meta.dirname, "../..");
/** A build and a pack. Unit: milliseconds. */
const PACK_TIMEOUT_MS = 120_000;
const PACKED = z.array(
  z.object({
    name: z.string(),
    version: z.string(),
    filename: z.string(),
    files: z.array(z.object({ path: z.string(), mode: z.number() })),
  }),
);

export type PackedPackage = z.infer<typeof PACKED>[number];

/** Runs a program in a folder, of the project unless it is absolute. @throws Error with what it said when it fails. */
export function run(folder: string, program: string, ...args: readonly string[]): string {
  const done = spawnSync(program, args, {
    cwd: resolve(ROOT, folder),
    encoding: "utf8",
    timeout: PACK_TIMEOUT_MS,
  });
  if (done.status === 0) return done.stdout;
  throw new Error(
    `${program} ${args.join(" ")} ended with ${done.status ?? done.signal}: ${done.stdout}${done.stderr}`,
  );
}

/** Packs what has been built in a folder; with `destination` a tarball is written there. */
export function pack(folder: string, destination?: string): PackedPackage {
  const target = destination === undefined ? ["--dry-run"] : ["--pack-destination", destination];
  const [packed] = PACKED.parse(
    JSON.parse(run(folder, "npm", "pack", "--json", "--ignore-scripts", ...target)),
  );
  if (packed === undefined) throw new Error(`npm packed nothing in ${folder}.`);
  return packed;
}

/** The TypeScript of the project. */
export const TSC = join(ROOT, "node_modules/.bin/tsc");
