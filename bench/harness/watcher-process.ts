/** Watches the events of a daemon on so many streams, reads all and keeps nothing, until it is told to stop. */
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";

const [wire = "", address = "", count = "0"] = process.argv.slice(2);
const [host = "", port = ""] = address.split(":");
const WATCH = "/torpor.v1.DeviceService/WatchEvents";

const opened = Array.from({ length: Number(count) }, () => (wire === "gRPC" ? overGrpc() : overRest()));
let ended = 0;
// How many streams did not last: those of whoever is too slow are ended, and cost nothing any more.
process.on("message", () => process.send?.(ended, () => process.exit()));
await Promise.all(opened);
process.send?.("ready");

async function overRest(): Promise<void> {
  const socket = connect(Number(port), host);
  await once(socket, "connect");
  socket.write("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [head] = await once(socket, "data");
  if (!String(head).startsWith("HTTP/1.1 200")) throw new Error(`A watcher was answered: ${String(head)}`);
  socket.resume().on("close", () => ended++);
}

async function overGrpc(): Promise<void> {
  const session = connectHttp2(`http://${address}`);
  const stream = session.request({
    ":method": "POST",
    ":path": WATCH,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.end(Buffer.alloc(5));
  await once(stream, "data");
  stream.resume().on("close", () => ended++);
}
