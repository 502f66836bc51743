/**
 * /docs: the OpenAPI document for people, served from the package without the network. Its pages come from a
 * separate server that listens nowhere. It is built on the first visit, because most daemons never get one.
 */
import type { StaticDocumentSpec } from "@fastify/swagger";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";

const PREFIX = "/docs";

/**
 * Headers of one connection, which must not be forwarded (RFC 9110, 7.6.1), and headers that describe the end
 * of a body.
 */
const OF_THE_CONNECTION = new Set([
  "connection",
  "keep-alive",
  "date",
  "transfer-encoding",
  "content-length",
]);

/** @param document the content of /openapi.json */
export function docsPage(app: FastifyInstance, document: object): void {
  let pages: Promise<FastifyInstance> | undefined;

  async function answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    pages ??= buildPages(document).catch((error: unknown) => {
      // A failure is forgotten, so that the next visit can succeed.
      pages = undefined;
      throw error;
    });
    const page = await (await pages).inject({ method: "GET", url: request.url, headers: request.headers });
    if (page.statusCode === 404) {
      reply.callNotFound();
      return reply;
    }
    for (const [name, value] of Object.entries(page.headers)) {
      if (value !== undefined && !OF_THE_CONNECTION.has(name)) void reply.header(name, value);
    }
    return reply.code(page.statusCode).send(page.rawPayload);
  }

  app.get(PREFIX, answer);
  app.get(`${PREFIX}/*`, answer);
  app.addHook("onClose", async () => (await pages?.catch(() => undefined))?.close());
}

async function buildPages(openApi: object): Promise<FastifyInstance> {
  const [{ default: swagger }, { default: swaggerUi }] = await Promise.all([
    import("@fastify/swagger"),
    import("@fastify/swagger-ui"),
  ]);
  const pages = fastify();
  // The plugin's types stop at OpenAPI 3.0, but it passes the document through unchanged.
  const document = openApi as StaticDocumentSpec["document"];
  await pages.register(swagger, { mode: "static", specification: { document } });
  // The layout without the bar at the top, which shows the plugin's name and a field for documents from
  // elsewhere.
  const uiConfig = { layout: "BaseLayout", deepLinking: true };
  await pages.register(swaggerUi, { routePrefix: PREFIX, uiConfig, theme: { title: "Torpor" } });
  return pages;
}
