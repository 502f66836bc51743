/** Whether what the daemon answers over REST is what the OpenAPI document says that it answers. */
import { Ajv2020 } from "ajv/dist/2020.js";
import { openApiPath } from "../../scripts/openapi/document.ts";
import { OPENAPI } from "../../src/contract/gen/openapi.ts";
import { readBindings } from "../../src/contract/http-bindings.ts";
import { REGISTRY } from "../../src/contract/registry.ts";

interface Described {
  readonly content?: Readonly<Record<string, { readonly schema?: unknown }>>;
}

const DOCUMENT = "openapi";
// Formats are hints for people and generators.
const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema(OPENAPI, DOCUMENT);

/** What is wrong with an answer in JSON, in the words of the validator; empty when it is as documented. */
export function undocumented(rpc: string, httpStatus: number, json: unknown): readonly string[] {
  const described = responseOf(rpc, httpStatus);
  const schema = described?.content?.["application/json"]?.schema;
  if (schema === undefined) return [`${rpc} has no schema for ${httpStatus}.`];
  ajv.validate(JSON.parse(JSON.stringify(schema).replaceAll('"#/', `"${DOCUMENT}#/`)), json);
  return (ajv.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

function responseOf(rpc: string, httpStatus: number): Described | undefined {
  if (httpStatus >= 400) return OPENAPI.components.responses.Error;
  const binding = readBindings(REGISTRY).find((candidate) => candidate.rpc === rpc);
  if (binding === undefined) return undefined;
  const paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> = OPENAPI.paths;
  const operation = paths[openApiPath(binding)]?.[binding.httpMethod.toLowerCase()];
  const { responses } = operation as { readonly responses: Readonly<Record<string, Described>> };
  return responses[String(httpStatus)];
}
