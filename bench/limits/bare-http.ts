/**
 * The limit of bulk bytes over REST: node:http alone, which keeps what it is sent in memory that is there already, and
 * sends it again. Prints its port. Run: node bare-http.ts BYTES
 */
import { createServer } from "node:http";

/** As large as the pieces that the daemon sends. */
const PIECE_BYTES = 1024 * 1024;

const memory = new Uint8Array(new SharedArrayBuffer(Number(process.argv[2]))).fill(1);
const server = createServer(async (request, response) => {
  if (request.method === "PUT") {
    let at = 0;
    for await (const chunk of request) {
      memory.set(chunk, at);
      at += chunk.length;
    }
    response.end();
    return;
  }
  response.writeHead(200, { "content-length": memory.length });
  for (let at = 0; at < memory.length; at += PIECE_BYTES) {
    const isRoomLeft = response.write(memory.subarray(at, at + PIECE_BYTES));
    if (!isRoomLeft) await new Promise((resolve) => response.once("drain", resolve));
  }
  response.end();
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object") console.log(address?.port);
});
