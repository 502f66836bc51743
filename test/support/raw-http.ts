/** HTTP as bytes, for what no client library would send. */
import { once } from "node:events";
import { connect } from "node:net";

/** Sends `text` on a new connection and answers everything that comes back until `until` was seen or the end. */
export async function sendRaw(baseUrl: string, text: string, until?: string): Promise<string> {
  const { hostname, port } = new URL(baseUrl);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.write(text);
  let answer = "";
  try {
    for await (const chunk of socket) {
      answer += String(chunk);
      if (until !== undefined && answer.includes(until)) break;
    }
  } finally {
    socket.destroy();
  }
  return answer;
}

/** The error in the JSON body of a raw answer. */
export function errorOf(answer: string): unknown {
  const body = answer.slice(answer.lastIndexOf("\r\n\r\n") + 4);
  return JSON.parse(body).error;
}
