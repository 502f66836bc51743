/** The OpenAPI document as this daemon serves it: what was generated does not know the daemon's version. */
import { OPENAPI } from "../gen/openapi.ts";

export function openApiDocument(version: string): typeof OPENAPI {
  return { ...OPENAPI, info: { ...OPENAPI.info, version } };
}
