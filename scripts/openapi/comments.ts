/** The comments of the proto, found by descriptor. */
import type {
  DescEnum,
  DescEnumValue,
  DescField,
  DescMessage,
  DescMethod,
  DescService,
} from "@bufbuild/protobuf";

export type Commented = DescMessage | DescField | DescEnum | DescEnumValue | DescService | DescMethod;

// Numbers of the fields of descriptor.proto that a source path walks along.
const FILE_MESSAGE = 4;
const FILE_ENUM = 5;
const FILE_SERVICE = 6;
const MESSAGE_FIELD = 2;
const MESSAGE_NESTED = 3;
const MESSAGE_ENUM = 4;
const ENUM_VALUE = 2;
const SERVICE_METHOD = 2;

/** The comment above `desc` without its indentation, or "" when there is none. */
export function commentOf(desc: Commented): string {
  const file = fileOf(desc);
  const wanted = pathOf(desc).join(".");
  const location = file.proto.sourceCodeInfo?.location.find(
    (candidate) => candidate.path.join(".") === wanted,
  );
  return (location?.leadingComments ?? "")
    .split("\n")
    .map((line) => line.replace(/^ /, "").trimEnd())
    .join("\n")
    .trim();
}

function fileOf(desc: Commented): DescMessage["file"] {
  return desc.kind === "message" || desc.kind === "enum" || desc.kind === "service"
    ? desc.file
    : desc.parent.file;
}

function pathOf(desc: Commented): number[] {
  switch (desc.kind) {
    case "service":
      return [FILE_SERVICE, desc.file.services.indexOf(desc)];
    case "rpc":
      return [...pathOf(desc.parent), SERVICE_METHOD, desc.parent.methods.indexOf(desc)];
    case "message":
      return desc.parent === undefined
        ? [FILE_MESSAGE, desc.file.messages.indexOf(desc)]
        : [...pathOf(desc.parent), MESSAGE_NESTED, desc.parent.nestedMessages.indexOf(desc)];
    case "field":
      return [...pathOf(desc.parent), MESSAGE_FIELD, desc.parent.fields.indexOf(desc)];
    case "enum":
      return desc.parent === undefined
        ? [FILE_ENUM, desc.file.enums.indexOf(desc)]
        : [...pathOf(desc.parent), MESSAGE_ENUM, desc.parent.nestedEnums.indexOf(desc)];
    case "enum_value":
      return [...pathOf(desc.parent), ENUM_VALUE, desc.parent.values.indexOf(desc)];
  }
}
