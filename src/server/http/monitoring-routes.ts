/** Health, metrics and API documentation: routes about the daemon and not about a device. */
import type { FastifyInstance } from "fastify";

/** Answers a scrape in the format that `accept` prefers. */
export type MetricsSource = (accept: string | undefined) => Promise<{ contentType: string; body: string }>;

export interface MonitoringOptions {
  readonly isReady: () => boolean;
  /** The content of /openapi.json. */
  readonly document: object;
  readonly metrics: MetricsSource | undefined;
}

export function monitoringRoutes(
  app: FastifyInstance,
  { isReady, document, metrics }: MonitoringOptions,
): void {
  const config = { anyHost: true, anyCaller: true };
  app.get("/livez", { config }, async () => ({ status: "ok" }));
  for (const path of ["/readyz", "/healthz"]) {
    app.get(path, { config }, async (_request, reply) => {
      if (isReady()) return { status: "ok" };
      return reply.code(503).send({ status: "not ready" });
    });
  }
  app.get("/openapi.json", async () => document);
  if (metrics === undefined) return;
  app.get("/metrics", async (request, reply) => {
    const { contentType, body } = await metrics(request.headers.accept);
    return reply.header("content-type", contentType).send(body);
  });
}
