/** How this machine reaches Debian's and npm's packages, handed on to a bare system: no test names a host. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { execute } from "./execute.ts";

/** Where Debian has it. */
const BUNDLE = "/etc/ssl/certs/ca-certificates.crt";
/** npm settings that say where packages are; none that says who is asking. */
const WHERE =
  /^(registry|@[^:]+:registry|replace-registry-host|omit-lockfile-registry-resolved|strict-ssl|proxy|https-proxy|noproxy)$/;
const PROXIES = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
const NPM_SETTINGS = "/etc/npmrc.of-the-test";

/** The mirror that this machine uses, or nothing where it is no Debian: debootstrap has one of its own. */
export async function mirror(): Promise<string | undefined> {
  const words = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"];
  const lines = await execute("apt-get", words).catch(() => "");
  return lines.split("\n")[0] || undefined;
}

/** How apt reaches it, in the words of its configuration. */
export async function aptSettings(): Promise<string> {
  const all = await execute("apt-config", ["dump"]).catch(() => "");
  return all
    .split("\n")
    .filter((line) => /^Acquire::https?::(Proxy|CaInfo|Verify-Peer)\b.*"[^"]+"/i.test(line))
    .join("\n");
}

/** Writes names, certificates and npm's settings into a system. */
export async function connectToRegistries(root: string): Promise<void> {
  const bundle = process.env.NODE_EXTRA_CA_CERTS ?? BUNDLE;
  for (const [from, to] of [
    ["/etc/resolv.conf", "/etc/resolv.conf"],
    ["/etc/hosts", "/etc/hosts"],
    [bundle, BUNDLE],
  ] as const) {
    if (!existsSync(from)) continue;
    mkdirSync(join(root, to, ".."), { recursive: true });
    writeFileSync(join(root, to), readFileSync(from));
  }
  const settings = z
    .record(z.string(), z.unknown())
    .parse(JSON.parse(await execute("npm", ["config", "ls", "--json"])));
  const lines = Object.entries(settings)
    .filter(([key, value]) => WHERE.test(key) && ["string", "boolean"].includes(typeof value))
    .map(([key, value]) => `${key}=${String(value)}`)
    .filter((line) => !/\/\/[^/]*@/.test(line));
  if (existsSync(bundle)) lines.push(`cafile=${BUNDLE}`);
  writeFileSync(join(root, NPM_SETTINGS), `${lines.join("\n")}\n`);
}

/** The variables that go with it. */
export function registryVariables(): Readonly<Record<string, string>> {
  const proxies = PROXIES.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(proxies),
    NODE_EXTRA_CA_CERTS: BUNDLE,
    npm_config_globalconfig: NPM_SETTINGS,
  };
}
