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

/**
 * The comment above `desc` without its indentation, or "" when there is none. Fields of the contract, which the proto names
 * in its own way, have the names that they have in JSON.
 */
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
    .trim()
    .replace(/\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b/g, (word) => jsonNameOf(desc, word) ?? word);
}

/** The JSON name of a field that is called so in the file of `desc`, or in one that it imports. */
function jsonNameOf(desc: Commented, name: string): string | undefined {
  const file = fileOf(desc);
  const messages = [file, ...file.dependencies].flatMap((each) => each.messages);
  return messages.flatMap(({ fields }) => fields).find((field) => field.name === name)?.jsonName;
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
