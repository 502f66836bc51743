import { describe, expect, it } from "vitest";
import { commentOf } from "../../../scripts/openapi/comments.ts";
import { openApiPath } from "../../../scripts/openapi/document.ts";
import { BODY_EXAMPLES, PATH_EXAMPLES } from "../../../scripts/openapi/examples.ts";
import { OPENAPI } from "../../../src/contract/gen/openapi.ts";
import { HAND_WRITTEN } from "../../../src/contract/hand-written.ts";
import { readBindings } from "../../../src/contract/http-bindings.ts";
import { REGISTRY } from "../../../src/contract/registry.ts";
import { fastifyPath } from "../../../src/contract/route-path.ts";
import { RequestLedger } from "../../../src/server/api/idempotency.ts";
import { unaryRpcs } from "../../../src/server/api/rpc.ts";
import { requestReader } from "../../../src/server/http/request-message.ts";
import { systemClock } from "../../../src/server/machine/system-clock.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { startWires } from "../../support/wires.ts";

const bindings = readBindings(REGISTRY);
const services = [...REGISTRY].filter(
  (desc) => desc.kind === "service" && desc.file.proto.package === "torpor.v1",
);

describe("the two wires", () => {
  it("have a REST binding for every method of every service", () => {
    const methods = services.flatMap((service) => (service.kind === "service" ? service.methods : []));
    expect(bindings.map((binding) => binding.method)).toEqual(methods);
    expect(methods.length).toBeGreaterThan(15);
  });

  it("call the same handler for every unary method", () => {
    const unary = bindings.filter((binding) => binding.method.methodKind === "unary");
    expect([...unaryRpcs(new Map(), new RequestLedger(systemClock)).keys()].sort()).toEqual(
      unary.map((binding) => `/${binding.rpc}`).sort(),
    );
  });

  it("know every streaming method as a hand-written route", () => {
    const streaming = bindings.filter((binding) => binding.method.methodKind !== "unary");
    const written = HAND_WRITTEN.map(({ rpc, method, path }) => ({ rpc, method, path }));
    expect(written).toEqual(
      streaming.map((binding) => ({
        rpc: binding.rpc,
        method: binding.httpMethod,
        path: fastifyPath(binding).replaceAll("(^[^:/]+)", ""),
      })),
    );
  });

  it("serve a route for every binding", async () => {
    await using wires = await startWires([new FakeDevice()]);
    for (const binding of bindings) {
      const handWritten = HAND_WRITTEN.find(({ rpc }) => rpc === binding.rpc);
      const url = handWritten?.path ?? fastifyPath(binding);
      expect(wires.app.hasRoute({ method: binding.httpMethod, url }), binding.rpc).toBe(true);
    }
  });
});

describe("the examples of the OpenAPI", () => {
  const unary = bindings.filter((binding) => binding.method.methodKind === "unary");

  it.each(unary.map((binding) => [binding.rpc, binding] as const))(
    "of %s is a request that is understood",
    (rpc, binding) => {
      const parameters: Record<string, string> = {};
      for (const segment of binding.segments) {
        if ("parameter" in segment) parameters[segment.parameter] = PATH_EXAMPLES[segment.parameter];
      }
      expect(Object.values(parameters)).not.toContain(undefined);
      expect(Object.hasOwn(BODY_EXAMPLES, rpc)).toBe(binding.body !== "");
      const read = unaryRpcs(new Map(), new RequestLedger(systemClock)).get(`/${rpc}`)?.readRequest;
      expect(() =>
        requestReader(binding, read ?? expect.fail())({ parameters, query: {}, body: BODY_EXAMPLES[rpc] }),
      ).not.toThrow();
    },
  );

  it("are of RPCs that exist", () => {
    const known = unary.map((binding) => binding.rpc);
    expect(Object.keys(BODY_EXAMPLES).filter((rpc) => !known.includes(rpc))).toEqual([]);
  });
});

describe("the documentation", () => {
  it.each(bindings.map((binding) => [binding.rpc, binding] as const))(
    "of %s says prerequisites, success and failure",
    (_rpc, binding) => {
      const comment = commentOf(binding.method);
      for (const word of ["Needs:", "Success:", "Failure:"]) expect(comment).toContain(word);
    },
  );

  it("lists every method in the OpenAPI document", () => {
    const operations = Object.entries<Record<string, { operationId: string }>>(OPENAPI.paths).flatMap(
      ([path, item]) =>
        Object.entries(item).map(
          ([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`,
        ),
    );
    for (const binding of bindings) {
      const { method, httpMethod } = binding;
      expect(operations).toContain(
        `${method.parent.name}_${method.name} ${httpMethod} ${openApiPath(binding)}`,
      );
    }
  });

  it("refers only to schemas that are there", () => {
    const text = JSON.stringify(OPENAPI);
    const names = [...text.matchAll(/#\/components\/(\w+)\/(\w+)/g)].map(
      ([, kind, name]) => `${kind} ${name}`,
    );
    const there = Object.entries(OPENAPI.components).flatMap(([kind, all]) =>
      Object.keys(all).map((name) => `${kind} ${name}`),
    );
    expect(there).toEqual(expect.arrayContaining([...new Set(names)]));
  });
});
