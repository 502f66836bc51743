/** Makes the batch calls of a life, of ten thousand objects each, when it is told to; answers each when it is done. */
import { z } from "zod";
import { connect } from "../../src/client/mod.ts";
import { BATCH_CALLS, grpcWire, restWire } from "./batch-wires.ts";

const [url = "", grpc = ""] = process.argv.slice(2);
const client = connect({ address: grpc });
const wires = { REST: restWire(url), gRPC: grpcWire(client) };
const ORDER = z.object({ wire: z.enum(["REST", "gRPC"]), call: z.enum(BATCH_CALLS) });
let names: readonly string[] = [];

process.on("message", (message) => {
  if (message === "stop") {
    client.close();
    process.disconnect?.();
    return;
  }
  const { wire, call } = ORDER.parse(message);
  const done = call === "create" ? create(wire) : wires[wire][call](names);
  void done.then(() => process.send?.("done"));
});
process.send?.("ready");

async function create(wire: keyof typeof wires): Promise<void> {
  names = await wires[wire].create();
}
