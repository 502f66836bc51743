/**
 * OpenAPI 3.1 from the descriptors: the paths of `google.api.http`, the schemas of proto3 JSON, the comments of the
 * proto. What is not an RPC (health, metrics) is added by hand at the end.
 */
import type { FileRegistry } from "@bufbuild/protobuf";
import { type Binding, type PathSegment, readBindings } from "../../src/contract/http-bindings.ts";
import { commentOf } from "./comments.ts";
import { BODY_EXAMPLES, PATH_EXAMPLES } from "./examples.ts";
import {
  contentOperation,
  ERROR_RESPONSE,
  ERROR_SCHEMA,
  eventsOperation,
  HEADERS,
  MONITORING_PATHS,
  SECURITY,
  SECURITY_SCHEMES,
} from "./handwritten.ts";
import { type Json, SchemaSet } from "./schema.ts";

const DESCRIPTION = `A discrete GPU whose power you can cut, over REST. The gRPC package torpor.v1 is the same contract.

Bodies are proto3 JSON in lowerCamelCase, whatever the content type says. 64-bit integers are strings in answers;
numbers up to 2^53-1 are accepted in requests. Unknown fields are refused. An empty body means {}.`;

/** Builds the document. */
export function buildOpenApi(registry: FileRegistry): Json {
  const schemas = new SchemaSet();
  const paths: Record<string, Record<string, Json>> = {};
  const tags: Json[] = [];
  for (const binding of readBindings(registry)) {
    const service = binding.method.parent;
    if (
      !tags.some(
        (tag) => typeof tag === "object" && tag !== null && "name" in tag && tag.name === service.name,
      )
    ) {
      tags.push({ name: service.name, description: commentOf(service) });
    }
    const path = openApiPath(binding);
    paths[path] ??= {};
    paths[path][binding.httpMethod.toLowerCase()] = operation(binding, schemas);
  }
  for (const [path, item] of Object.entries(paths)) paths[path] = inOrder(item);
  return {
    openapi: "3.1.0",
    info: {
      title: "Torpor",
      version: "v1",
      description: DESCRIPTION,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/", description: "The daemon that serves this document." }],
    security: SECURITY,
    tags: [...tags, { name: "Monitoring", description: "Health and metrics of the daemon." }],
    paths: { ...paths, ...MONITORING_PATHS },
    components: {
      schemas: { ...schemas.components(), Error: ERROR_SCHEMA },
      responses: { Error: ERROR_RESPONSE },
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

/** `/v1/devices/{device}:suspend`. */
export function openApiPath(binding: Pick<Binding, "segments" | "verb">): string {
  const parts = binding.segments.map((segment) =>
    "literal" in segment ? segment.literal : `{${segment.parameter}}`,
  );
  return `/${parts.join("/")}${binding.verb === "" ? "" : `:${binding.verb}`}`;
}

/** The operations of a path as readers expect them: reading first. The proto has the methods in an order of its own. */
function inOrder(item: Readonly<Record<string, Json>>): Record<string, Json> {
  const verbs = ["get", "put", "post", "patch", "delete"];
  return Object.fromEntries(
    Object.entries(item).sort(([one], [other]) => verbs.indexOf(one) - verbs.indexOf(other)),
  );
}

function operation(binding: Binding, schemas: SchemaSet): Json {
  const { method } = binding;
  const comment = commentOf(method);
  const common = {
    operationId: `${method.parent.name}_${method.name}`,
    tags: [method.parent.name],
    summary: comment.split("\n\n")[0]?.replaceAll("\n", " ").replace(/\.$/, "") ?? "",
    description: comment,
  };
  const pathParameters = binding.segments.filter(isParameter).map((segment) => ({
    name: segment.parameter,
    in: "path",
    required: true,
    description: `Id of the ${segment.parameter}: the part of its resource name after ${segment.parameter}s/.`,
    schema: { type: "string" },
    example: PATH_EXAMPLES[segment.parameter] ?? null,
  }));
  if (method.name === "WatchEvents") {
    const query = schemas.queryParameters(method.input, []);
    return { ...common, ...eventsOperation(query, schemas.reference(method.output)) };
  }
  if (method.methodKind !== "unary") {
    if (method.methodKind === "client_streaming") schemas.reference(method.output);
    return { ...common, ...contentOperation(method, pathParameters) };
  }
  const bound = [binding.variable?.fieldPath[0], binding.body];
  const query = binding.body === "*" ? [] : schemas.queryParameters(method.input, bound);
  const headers = HEADERS.filter(({ field }) => method.input.fields.some(({ name }) => name === field));
  const parameters = [...pathParameters, ...query, ...headers.map(({ parameter }) => parameter)];
  return {
    ...common,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(binding.body === "" ? {} : { requestBody: requestBody(binding, schemas) }),
    responses: responses(binding, schemas),
  };
}

function requestBody(binding: Binding, schemas: SchemaSet): Json {
  const { input } = binding.method;
  const resource = input.fields.find((field) => field.name === binding.body)?.message;
  const schema =
    resource === undefined
      ? schemas.reference(input, binding.variable?.fieldPath[0])
      : schemas.reference(resource);
  const example = BODY_EXAMPLES[binding.rpc] ?? null;
  return { required: false, content: { "application/json": { schema, example } } };
}

function responses(binding: Binding, schemas: SchemaSet): Json {
  if (binding.method.output.typeName === "google.api.HttpBody") {
    return {
      200: { description: "What was asked for.", content: { "application/json": { schema: {} } } },
      default: { $ref: "#/components/responses/Error" },
    };
  }
  const content = { "application/json": { schema: schemas.reference(binding.method.output) } };
  // A POST that answers a Transition may answer it running: the transcoder's rule, see src/server/http/transcoder.ts.
  const accepted = {
    description: "The transition is running.",
    headers: { Location: { description: "Where to read the transition.", schema: { type: "string" } } },
    content,
  };
  const hasEtag = binding.method.output.fields.some(({ name }) => name === "etag");
  const etag = { ETag: { description: "The etag of the answer.", schema: { type: "string" } } };
  const mayRun = binding.httpMethod === "POST" && binding.method.output.name === "Transition";
  return {
    200: {
      description: commentOf(binding.method.output) || "Done.",
      ...(hasEtag ? { headers: etag } : {}),
      content,
    },
    ...(mayRun ? { 202: accepted } : {}),
    default: { $ref: "#/components/responses/Error" },
  };
}

function isParameter(segment: PathSegment): segment is { readonly parameter: string } {
  return "parameter" in segment;
}
