/** Every RPC on both wires, with every kind of token: right, too small, unknown, expired, missing. */
import { createHash } from "node:crypto";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { REGISTRY } from "../../../src/contract/registry.ts";
import { Authenticator } from "../../../src/server/auth/authenticator.ts";
import { RPC_ACCESS } from "../../../src/server/auth/rpc-access.ts";
import type { Token } from "../../../src/server/auth/token-file.ts";
import { covers, ROLES, type Role } from "../../../src/server/config/role.ts";
import { callAny, restCalls } from "../../support/any-call.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { startWires, type Wires } from "../../support/wires.ts";

function token(text: string, role: Role, expiresMs?: number): Token {
  return { name: text, role, digest: createHash("sha256").update(text).digest(), expiresMs };
}

const tokens = [...ROLES.map((role) => token(role, role)), token("late", "admin", 1_000)];
const authenticator = new Authenticator({ table: () => ({ tokens, clients: undefined }), now: () => 1_000 });

/** Headers that do not let anybody in. */
const STRANGERS: readonly Readonly<Record<string, string>>[] = [
  {},
  { authorization: "Bearer unknown" },
  { authorization: "Bearer late" },
  { authorization: "Bearer" },
  { authorization: "Basic YWRtaW46YWRtaW4=" },
  { authorization: "admin" },
  { authorization: "Bearer admin, Bearer viewer" },
];

let wires: Wires;
beforeAll(async () => {
  wires = await startWires([new FakeDevice()], {
    gate: { authenticator },
    metrics: async () => ({ contentType: "text/plain", body: "" }),
  });
});
afterAll(() => wires[Symbol.asyncDispose]());

function overGrpc(rpc: string, headers: Readonly<Record<string, string>>) {
  return callAny({ address: wires.grpcAddress, credentials: credentials.createInsecure() }, rpc, headers);
}

async function overRest(path: string, method: string, given: Readonly<Record<string, string>>) {
  // Each on a connection of its own: one on which nobody was ever let in may ask only so often a second.
  const headers = { ...given, connection: "close" };
  const response = await fetch(`${wires.baseUrl}${path}`, { method, headers, redirect: "manual" });
  // What is served is not looked at, and a stream of events has no end.
  if (response.ok) await response.body?.cancel();
  const text = response.ok ? "" : await response.text();
  const reason: unknown = text === "" ? undefined : JSON.parse(text).error?.details?.[0]?.reason;
  return { status: response.status, reason, challenge: response.headers.get("www-authenticate") };
}

const rpcs = Object.entries(RPC_ACCESS).map(([rpc, { role }]) => ({ rpc, role }));
const guarded = rpcs.flatMap(({ rpc, role }) => (role === undefined ? [] : [{ rpc, role }]));

it("the table of roles has every method of the descriptors, and no other", () => {
  const methods = [...REGISTRY].flatMap((desc) =>
    desc.kind === "service" ? desc.methods.map(({ name }) => `${desc.typeName}/${name}`) : [],
  );
  expect(Object.keys(RPC_ACCESS).toSorted()).toEqual(methods.toSorted());
});

describe("over gRPC", () => {
  it.each(guarded)("$rpc refuses who is not known", async ({ rpc }) => {
    for (const headers of STRANGERS) {
      const { code, reason } = await overGrpc(rpc, headers);
      expect({ code, reason }, JSON.stringify(headers)).toEqual({
        code: "UNAUTHENTICATED",
        reason: "UNAUTHENTICATED",
      });
    }
  });

  it.each(guarded)("$rpc takes the role $role or more, and no less", async ({ rpc, role }) => {
    for (const given of ROLES) {
      const { code, reason } = await overGrpc(rpc, { authorization: `Bearer ${given}` });
      if (covers(given, role)) expect(["UNAUTHENTICATED", "PERMISSION_DENIED"]).not.toContain(reason);
      else
        expect({ code, reason }, given).toEqual({ code: "PERMISSION_DENIED", reason: "PERMISSION_DENIED" });
    }
  });

  it.each(["Check", "Watch"])("health is open: %s", async (method) => {
    expect(await overGrpc(`grpc.health.v1.Health/${method}`, {})).toMatchObject({ code: "OK" });
  });
});

describe("over REST", () => {
  it.each(restCalls())("$rpc refuses who is not known", async ({ path, method }) => {
    for (const headers of STRANGERS) {
      expect(await overRest(path, method, headers), JSON.stringify(headers)).toEqual({
        status: 401,
        reason: "UNAUTHENTICATED",
        challenge: "Bearer",
      });
    }
  });

  it.each(restCalls())("$rpc takes the role that the table says or more, and no less", async (call) => {
    const needed = RPC_ACCESS[call.rpc]?.role ?? "viewer";
    for (const given of ROLES) {
      const { status, reason } = await overRest(call.path, call.method, { authorization: `Bearer ${given}` });
      const isRefused = status === 401 || status === 403;
      // Without --enable-faults an admin is told so, with 403 too.
      if (covers(given, needed))
        expect(isRefused && reason !== "FAULTS_DISABLED", `${given} ${reason}`).toBe(false);
      else expect({ status, reason }).toEqual({ status: 403, reason: "PERMISSION_DENIED" });
    }
  });

  it.each(["/metrics", "/openapi.json", "/docs/", "/docs/static/index.css", "/v1/nothing"])(
    "%s needs a viewer",
    async (path) => {
      expect(await overRest(path, "GET", {})).toMatchObject({ status: 401, reason: "UNAUTHENTICATED" });
      const { status } = await overRest(path, "GET", { authorization: "bearer viewer" });
      expect([200, 404]).toContain(status);
    },
  );

  it.each(["/livez", "/readyz", "/healthz"])("%s is open", async (path) => {
    expect(await overRest(path, "GET", {})).toMatchObject({ status: 200 });
  });

  it("HEAD is as closed as GET", async () => {
    for (const path of ["/v1/devices", "/v1/devices/card0/objects/1/content", "/metrics"]) {
      expect((await fetch(`${wires.baseUrl}${path}`, { method: "HEAD" })).status).toBe(401);
    }
    const headers = { authorization: "Bearer viewer" };
    const content = `${wires.baseUrl}/v1/devices/card0/objects/1/content`;
    expect((await fetch(content, { method: "HEAD", headers })).status).toBe(403);
  });
});
