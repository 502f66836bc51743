/** JSON that is written from plain messages against what protobuf-es writes of the same bytes. */
import { fromBinary, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, it } from "vitest";
import { messageJson } from "../../src/contract/message-json.ts";
import { REGISTRY } from "../../src/contract/registry.ts";
import { anyMessage, messagesOfContract } from "../support/any-message.ts";

const MESSAGES = await messagesOfContract();

it("is of every message of the contract", () => {
  const ours = [...REGISTRY].filter(
    (desc) => desc.kind === "message" && desc.file.proto.package === "torpor.v1",
  );
  const names = MESSAGES.map(([name]) => name);
  expect(ours.map(({ typeName }) => typeName).filter((name) => !names.includes(name))).toEqual([]);
  expect(names).toEqual(
    expect.arrayContaining(["torpor.v1.Event", "google.rpc.Status", "google.rpc.ErrorInfo"]),
  );
});

it.each(MESSAGES)("of a %s is the same to the byte", (_name, desc, codec) => {
  fc.assert(
    fc.property(anyMessage(desc), (message) => {
      const bytes = codec.encode(message).finish();
      const json = toJson(desc, fromBinary(desc, bytes), { alwaysEmitImplicit: true, registry: REGISTRY });
      expect(messageJson(desc, message)).toBe(JSON.stringify(json));
      expect(messageJson(desc, codec.decode(bytes))).toBe(JSON.stringify(json));
    }),
    { numRuns: 60 },
  );
});
