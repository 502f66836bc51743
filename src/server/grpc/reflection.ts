/**
 * Server reflection, v1 and v1alpha (which are the same on the wire), from the descriptor set. Written here
 * because @grpc/reflection fails on any schema with an import (grpc-node#3018).
 */
import { type DescFile, type FileRegistry, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import {
  type ServerReflectionRequest,
  ServerReflectionResponse,
} from "../../contract/gen/grpc/reflection/v1/reflection.ts";
import { REFLECTION_REQUESTS_MAX } from "../limits.ts";
import { WireError } from "../messages/wire-error.ts";

type Answer = NonNullable<ServerReflectionResponse["messageResponse"]>;

export const REFLECTION_PATHS = ["v1", "v1alpha"].map(
  (version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
);

/** Answers a stream of questions about `registry`. */
export async function* reflect(
  registry: FileRegistry,
  requests: AsyncIterable<ServerReflectionRequest>,
): AsyncGenerator<Buffer, void, undefined> {
  let count = 0;
  for await (const originalRequest of requests) {
    if (++count > REFLECTION_REQUESTS_MAX) {
      throw new WireError(
        "LIMIT_EXCEEDED",
        `A reflection stream takes ${REFLECTION_REQUESTS_MAX} requests at most.`,
        { limit: String(REFLECTION_REQUESTS_MAX) },
      );
    }
    const messageResponse = answer(registry, originalRequest);
    const response = { validHost: originalRequest.host, originalRequest, messageResponse };
    yield Buffer.from(ServerReflectionResponse.encode(response).finish());
  }
}

function answer(registry: FileRegistry, { messageRequest: question }: ServerReflectionRequest): Answer {
  switch (question?.$case) {
    case "listServices": {
      const services = [...registry]
        .filter((desc) => desc.kind === "service")
        .map(({ typeName }) => ({ name: typeName }));
      return { $case: "listServicesResponse", value: { service: services } };
    }
    case "fileByFilename":
      return files(registry.getFile(question.value), question.value);
    case "fileContainingSymbol":
      return files(fileOfSymbol(registry, question.value), question.value);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const extended = registry.getMessage(containingType);
      const extension = extended && registry.getExtensionFor(extended, extensionNumber);
      return files(extension?.file, `extension ${extensionNumber} of ${containingType}`);
    }
    case "allExtensionNumbersOfType": {
      const extensions = [...registry].filter((desc) => desc.kind === "extension");
      const ours = extensions.filter((desc) => desc.extendee.typeName === question.value);
      const extensionNumber = ours.map((desc) => desc.number);
      return {
        $case: "allExtensionNumbersResponse",
        value: { baseTypeName: question.value, extensionNumber },
      };
    }
    case undefined:
      return refusal(status.INVALID_ARGUMENT, "The reflection request asks nothing.");
  }
}

/** The file that contains a type, or a method, field or value inside one. */
function fileOfSymbol(registry: FileRegistry, symbol: string): DescFile | undefined {
  const desc = registry.get(symbol) ?? registry.get(symbol.replace(/\.[^.]*$/, ""));
  return desc?.file;
}

/** A file with everything that it imports, so that the client need not ask again. */
function files(file: DescFile | undefined, wanted: string): Answer {
  if (file === undefined)
    return refusal(status.NOT_FOUND, `There is no ${wanted} in the schema of this server.`);
  const found = new Set<DescFile>();
  const queue = [file];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    queue.push(...next.dependencies);
  }
  const fileDescriptorProto = [...found].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { $case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function refusal(errorCode: number, errorMessage: string): Answer {
  return { $case: "errorResponse", value: { errorCode, errorMessage } };
}
