/** The descriptor set of the contract. */
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { DESCRIPTOR_SET_BASE64 } from "./gen/descriptors.ts";

const DESCRIPTOR_SET = fromBinary(FileDescriptorSetSchema, Buffer.from(DESCRIPTOR_SET_BASE64, "base64"));

export const REGISTRY = createFileRegistry(DESCRIPTOR_SET);
