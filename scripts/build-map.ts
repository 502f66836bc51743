/**
 * Writes docs/code-map.md: a row for each source file, made of the file's own first sentence. With --check nothing is
 * written; the exit code says whether what is committed is what would be written.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const ROOT = dirname(import.meta.dirname);
const MAP = "docs/code-map.md";
const SOURCES = [
  "src/**/*.{ts,tsx,js,wat}",
  "packages/*/src/**/*.ts",
  "scripts/**/*.{ts,sh}",
  "bench/**/*.{ts,c,h}",
  "docker/grafana/source/*.ts",
];
/** Written by programs: each such folder or file has one row. */
const GENERATED = /^src\/contract\/gen\//;
const HEAD = `# Code map

Written by \`npm run generate\` from the first sentence of each file: to change a row, change the file.
[ARCHITECTURE.md](../ARCHITECTURE.md) says how the rooms stand to each other.
`;

const files = globSync(SOURCES, { cwd: ROOT })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => !GENERATED.test(file) && !file.includes("/node_modules/") && !file.includes("/build/"))
  .toSorted();
const silent = files.filter((file) => firstSentence(file) === "");
if (silent.length > 0) {
  process.stderr.write(
    `These files do not begin with a comment that says what is in them: ${silent.join(", ")}.\n`,
  );
  process.exitCode = 1;
} else {
  const text = render();
  const path = join(ROOT, MAP);
  if (readFileSync(path, { encoding: "utf8", flag: "a+" }) !== text) {
    if (process.argv.includes("--check")) {
      process.stderr.write(`${MAP} is not what the files say of themselves: run npm run generate.\n`);
      process.exitCode = 1;
    } else {
      writeFileSync(path, text);
      process.stdout.write(`Wrote ${MAP}.\n`);
    }
  }
}

function render(): string {
  const folders = [...new Set(files.map(dirname))].toSorted();
  const sections = folders.map((folder) => {
    const rows = files
      .filter((file) => dirname(file) === folder)
      .map(
        (file) => `| [\`${basename(file)}\`](../${file}) | ${firstSentence(file).replaceAll("|", "\\|")} |`,
      );
    return `\n## \`${folder}\`\n\n| file | what it is |\n|---|---|\n${rows.join("\n")}\n`;
  });
  return HEAD + sections.join("");
}

/** The first sentence of the comment that a file begins with; empty where it begins with something else. */
function firstSentence(file: string): string {
  const text = readFileSync(join(ROOT, file), "utf8").replace(/^#!.*\n/, "");
  const block = /^\s*\/\*+([\s\S]*?)\*\//.exec(text)?.[1]?.replace(/^\s*\*/gm, "");
  const lines = /^(?:\s*(?:\/\/|#|;;) ?.*\n?)+/.exec(text)?.[0]?.replace(/^\s*(?:\/\/|#|;;) ?/gm, "");
  const comment = (block ?? lines ?? "").replace(/\s+/g, " ").trim();
  return /^.*?\.(?= [A-Z`]|$)/.exec(comment)?.[0] ?? comment;
}
