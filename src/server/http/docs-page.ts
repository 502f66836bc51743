/** /docs: the OpenAPI document for people, served from the package, without the network. */
import swagger, { type StaticDocumentSpec } from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";
import { OPENAPI } from "../gen/openapi.ts";

export function docsPage(app: FastifyInstance): void {
  // The plugin's types stop at OpenAPI 3.0; it hands the document through as it is.
  const document = OPENAPI as unknown as StaticDocumentSpec["document"];
  app.register(swagger, { mode: "static", specification: { document } });
  app.register(swaggerUi, { routePrefix: "/docs" });
}
