/**
 * /docs: the OpenAPI document for people, served from the package, without the network. Its pages are a
 * server of their own, which nobody listens to and which is built when somebody first looks: most daemons
 * have nobody who does.
 */
import type { StaticDocumentSpec } from "@fastify/swagger";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";

const PREFIX = "/docs";

/**
 * Headers of one connection, which are not another's (RFC 9110, 7.6.1), and those that say where a body ends.
 */
const OF_THE_CONNECTION = new Set([
  "connection",
  "keep-alive",
  "date",
  "transfer-encoding",
  "content-length",
]);

/** @param document what /openapi.json answers */
export function docsPage(app: FastifyInstance, document: object): void {
  let pages: Promise<FastifyInstance> | undefined;

  async function answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    pages ??= buildPages(document).catch((error: unknown) => {
      // What failed once may succeed the next time somebody looks.
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
  // The plugin's types stop at OpenAPI 3.0; it hands the document through as it is.
  const document = openApi as StaticDocumentSpec["document"];
  await pages.register(swagger, { mode: "static", specification: { document } });
  // The layout without the bar at the top, which has the name of the plugin, and a field for documents from
  // elsewhere.
  const uiConfig = { layout: "BaseLayout", deepLinking: true };
  await pages.register(swaggerUi, { routePrefix: PREFIX, uiConfig, theme: { title: "Torpor" } });
  return pages;
}
