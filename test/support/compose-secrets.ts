/** The directory that docker/compose.secure.yaml needs, made as docs/containers.md says. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newToken } from "../../src/server/auth/new-token.ts";
import { TORPORD_CERTIFICATE, TORPORD_KEY } from "./certificates.ts";

/** The containers are other users, and here nothing is secret. */
const READABLE_BY_ALL = 0o444;
const ENTERED_BY_ALL = 0o711;

export class ComposeSecrets implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "torpor-secrets-"));
  readonly adminToken: string;
  /** The one that Prometheus has. */
  readonly viewerToken: string;

  constructor() {
    const admin = newToken("me", "admin");
    const viewer = newToken("prometheus", "viewer");
    this.adminToken = admin.token;
    this.viewerToken = viewer.token;
    chmodSync(this.folder, ENTERED_BY_ALL);
    this.#write("server.pem", TORPORD_CERTIFICATE);
    this.#write("ca.pem", TORPORD_CERTIFICATE);
    this.#write("server.key", TORPORD_KEY);
    this.#write("tokens.yaml", `tokens:\n${admin.line}\n${viewer.line}\n`);
    this.#write("prometheus.token", `${viewer.token}\n`);
    this.#write("grafana.password", "correct horse battery staple\n");
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }

  #write(name: string, content: string): void {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    chmodSync(path, READABLE_BY_ALL);
  }
}
