/** The limit of a gRPC answer: grpc-js alone, with the same bytes. Prints its port. Run: node bare-grpc.ts METHOD BASE64 */
import { Server, ServerCredentials } from "@grpc/grpc-js";

const [path = "", encoded = ""] = process.argv.slice(2);
const answer = Buffer.from(encoded, "base64");
const bytes = (value: Buffer): Buffer => value;
const server = new Server();
server.addService(
  {
    call: {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  },
  { call: (_: unknown, callback: (error: null, value: Buffer) => void) => callback(null, answer) },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  console.log(port);
});
