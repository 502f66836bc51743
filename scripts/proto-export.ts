/**
 * `npm run proto:export -- DIRECTORY`: writes the contract and the standard files that it imports into one folder, which any
 * protoc and any buf can read.
 */
import { cpSync } from "node:fs";
import { dirname, join } from "node:path";
import { copyStandardProtos } from "./proto-workspace.ts";

const [directory, ...others] = process.argv.slice(2);
if (directory === undefined || others.length > 0) {
  process.stderr.write("Say the one folder to write to: npm run proto:export -- DIRECTORY\n");
  process.exit(2);
}
cpSync(join(dirname(import.meta.dirname), "proto/torpor"), join(directory, "torpor"), { recursive: true });
copyStandardProtos(directory);
