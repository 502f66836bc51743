/** The limit of a REST answer: fastify alone, with the same bytes. Prints its port. Run: node bare-fastify.ts PATH BODY */
import fastify from "fastify";

const [path = "/", body = ""] = process.argv.slice(2);
const server = fastify();
server.get(path, (_, reply) => reply.type("application/json; charset=utf-8").send(body));
const address = await server.listen({ host: "127.0.0.1", port: 0 });
console.log(new URL(address).port);
