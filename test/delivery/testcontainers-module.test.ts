/** What packages/testcontainers makes of its settings, as far as no container is needed, and its README. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Server } from "node:net";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { certificateName } from "../../packages/testcontainers/src/certificate-name.ts";
import {
  commandLine,
  type DaemonSettings,
  daemonFiles,
} from "../../packages/testcontainers/src/command-line.ts";
import { metricsOf } from "../../packages/testcontainers/src/metrics.ts";
import { scrape } from "../../packages/testcontainers/src/scrape.ts";
import { TorporContainer } from "../../packages/testcontainers/src/torpor-container.ts";
import { CERTIFICATE, KEY, OTHER_CERTIFICATE, TORPORD_CERTIFICATE } from "../support/certificates.ts";

const PLAIN: DaemonSettings = {
  device: {},
  faults: false,
  token: undefined,
  tls: undefined,
  imageStore: false,
  hosts: [],
};

describe("the command line", () => {
  test("says that it may listen for all, and leaves all else to the daemon", () => {
    expect(commandLine(PLAIN)).toEqual(["--insecure-listen"]);
  });

  test("describes the device", () => {
    const device = { name: "gpu0", lmem: ["256MiB", "128MiB"], smem: "1GiB", engines: ["rcs0", "bcs0"] };
    expect(commandLine({ ...PLAIN, device, faults: true, imageStore: true, hosts: ["docker"] })).toEqual([
      "--insecure-listen",
      ...["--allowed-hosts", "docker", "--device", "gpu0", "--lmem", "256MiB", "--lmem", "128MiB"],
      ...["--smem", "1GiB", "--engines", "rcs0,bcs0", "--enable-faults", "--data-dir", "/var/lib/torpor"],
      ...["--restore", "wake"],
    ]);
  });

  test("names tokens and certificate instead, of which the token is only there as a hash", () => {
    const token = { token: "torpor_secret", role: "operator" } as const;
    const tls = { certificate: "CERTIFICATE", key: "KEY" };
    expect(commandLine({ ...PLAIN, token, tls })).toEqual([
      ...["--tokens", "/etc/torpor/tokens.json"],
      ...["--tls-cert", "/etc/torpor/server.pem", "--tls-key", "/etc/torpor/server.key"],
    ]);
    const [tokens, certificate, key] = daemonFiles({ token, tls });
    const sha256 = createHash("sha256").update("torpor_secret").digest("hex");
    expect(JSON.parse(tokens?.content ?? "")).toEqual({
      tokens: [{ name: "testcontainers", role: "operator", sha256 }],
    });
    expect([certificate?.content, key?.content]).toEqual(["CERTIFICATE", "KEY"]);
    expect(certificate?.target).toBe("/etc/torpor/server.pem");
  });

  test("says with TLS alone that it may listen for all, because TLS authenticates nobody", () => {
    expect(commandLine({ ...PLAIN, tls: { certificate: "", key: "" } })).toContain("--insecure-listen");
  });
});

describe("a scrape", () => {
  test("carries the token", async () => {
    await using server = await listen(createServer(answer));
    const access = { token: "torpor_secret", tls: undefined };
    expect(await scrape(`http://127.0.0.1:${server.port}`, access)).toContain("Bearer torpor_secret");
  });

  test("believes the certificate that the container was given, and no other", async () => {
    await using server = await listen(createTlsServer({ cert: CERTIFICATE, key: KEY }, answer));
    const scrapeWith = (certificate: string, ca: string) =>
      scrape(`https://127.0.0.1:${server.port}`, { token: undefined, tls: { certificate, ca } });
    expect(await scrapeWith(CERTIFICATE, CERTIFICATE)).toBe("{}");
    await expect(scrapeWith(CERTIFICATE, OTHER_CERTIFICATE)).rejects.toMatchObject({
      code: "DEPTH_ZERO_SELF_SIGNED_CERT",
    });
  });

  test("says in full what was refused", async () => {
    await using server = await listen(
      createServer((_, response) => response.writeHead(403).end("no gateway")),
    );
    const access = { token: undefined, tls: undefined };
    await expect(scrape(`http://127.0.0.1:${server.port}`, access)).rejects.toThrow(
      "/metrics answered 403: no gateway",
    );
  });
});

describe("a container that is to be reused", () => {
  test("is refused a random token and a volume that goes with it, before anything is made", async () => {
    const reused = () => new TorporContainer("torpor:none").withReuse();
    await expect(reused().withToken().start()).rejects.toThrow("name one with withToken({ token })");
    await expect(reused().withImageStore().start()).rejects.toThrow("name one with withImageStore(name)");
  });
});

test("a certificate is known by its first name, whatever comes after it", () => {
  expect(certificateName(CERTIFICATE)).toBe("a.example");
  expect(certificateName(TORPORD_CERTIFICATE)).toBe("torpord");
});

test("the module depends on the very versions that its client was built and tested with", () => {
  const VERSIONS = z.object({ dependencies: z.record(z.string(), z.string()) });
  const { dependencies: of } = VERSIONS.parse(JSON.parse(read("packages/testcontainers/package.json")));
  const { dependencies: own } = VERSIONS.parse(JSON.parse(read("package.json")));
  expect(Object.keys(of)).toEqual(["@bufbuild/protobuf", "@grpc/grpc-js"]);
  for (const [name, version] of Object.entries(of)) expect(own[name], name).toBe(version);
});

test("metrics are summed by name and by the labels that are asked for", () => {
  const metrics = metricsOf('# TYPE a counter\na{x="1",y="2"} 3\na{x="1",y="\\"4\\""} 5\na{x="2"} 7\nb 11\n');
  expect(metrics.sum("a")).toBe(15);
  expect(metrics.sum("a", { x: "1" })).toBe(8);
  expect(metrics.sum("a", { y: '"4"' })).toBe(5);
  expect(metrics.sum("b")).toBe(11);
  expect(metrics.sum("c")).toBe(0);
});

test("every piece of code in the README of the module is in its test", () => {
  const readme = read("packages/testcontainers/README.md");
  const tested = flat(read("test/containers/torpor-container.test.ts"))
    .replaceAll("../../packages/testcontainers/src/mod.ts", "@torpor/testcontainers")
    .replaceAll("../../src/client/mod.ts", "@torpor/testcontainers/client");
  const pieces = [...readme.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, piece = ""]) => flat(piece));
  expect(pieces.length).toBeGreaterThan(3);
  expect(pieces.filter((piece) => !tested.includes(piece))).toEqual([]);
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  response.end(JSON.stringify({ said: request.headers.authorization }));
}

async function listen(server: Server): Promise<AsyncDisposable & { readonly port: number }> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The server has no port.");
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
}

/** Without what the formatter may place otherwise: blanks, line breaks and commas at the end of a list. */
function flat(code: string): string {
  return code.replace(/\s+/g, "").replace(/,(?=[}\])])/g, "");
}
