/**
 * `npm run version:write`: writes the version of package.json into the other files that say it. It follows
 * `npm version --no-git-tag-version VERSION`, which changes package.json and the lock file, and runs nothing after it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");

/** A file that says the version because nothing else could tell those who read it. */
interface Place {
  readonly file: string;
  /** Finds each mention; what stands before the version is its group `before`. */
  readonly mention: RegExp;
}

/** An image or a tarball in a page of the documentation. */
const IN_A_PAGE = /(?<before>\btorpor[:-])\d+\.\d+\.\d+(?:-[0-9A-Za-z.]+?)?(?=\.tgz|[^0-9A-Za-z.-]|$)/g;

/** All of them, but for the lock file, which is npm's. */
export const PLACES: readonly Place[] = [
  { file: "Dockerfile", mention: /(?<before>org\.opencontainers\.image\.version=")[^"]+/g },
  { file: "packages/testcontainers/package.json", mention: /(?<before>^ {2}"version": ")[^"]+/gm },
  { file: "packages/testcontainers/src/torpor-container.ts", mention: /(?<before>`torpor:)[^`]+/g },
  { file: "docker/kubernetes/torpor.yaml", mention: /(?<before>image: torpor:)\S+/g },
  { file: "docs/ci.md", mention: IN_A_PAGE },
  { file: "docs/client.md", mention: IN_A_PAGE },
];

/** The text of a place with another version in it. @throws Error when the place does not say any. */
export function withVersion(text: string, { file, mention }: Place, version: string): string {
  if (text.search(mention) < 0) throw new Error(`${file} does not say a version where ${mention} looks.`);
  return text.replaceAll(mention, (_, before: string) => `${before}${version}`);
}

/** The one version that all others are held to. */
export function versionOfPackage(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) {
    if (typeof manifest.version === "string") return manifest.version;
  }
  throw new Error("package.json has no version.");
}

if (import.meta.main) {
  const version = versionOfPackage();
  for (const place of PLACES) {
    const path = join(ROOT, place.file);
    writeFileSync(path, withVersion(readFileSync(path, "utf8"), place, version));
    console.log(`${place.file} says ${version}.`);
  }
}
