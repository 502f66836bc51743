/** Proto enums on the command line and in tables: PM_EARLY is written pm-early, in upper or lower case. */
import { Argument, InvalidArgumentError, Option } from "commander";

/** An enum as ts-proto generates it. */
type EnumValues<V extends number> = Readonly<Record<string, V>>;

/**
 * The names that a caller may give. 0 means "unspecified", and -1 stands for values newer than this program.
 */
export function enumChoices(values: EnumValues<number>): string[] {
  return Object.entries(values).flatMap(([name, value]) => (value > 0 ? [toWord(name)] : []));
}

/** An option that takes such a name. */
export function enumOption(flags: string, description: string, values: EnumValues<number>): Option {
  return new Option(flags, description).choices(enumChoices(values)).argParser(enumParser(values));
}

/** An argument that takes such a name. */
export function enumArgument(name: string, description: string, values: EnumValues<number>): Argument {
  return new Argument(name, description).choices(enumChoices(values)).argParser(enumParser(values));
}

/** Makes a parser for such a name. The parser throws InvalidArgumentError. */
export function enumParser<V extends number>(values: EnumValues<V>): (text: string) => V {
  return (text) => {
    const name = text.toUpperCase().replaceAll("-", "_");
    const value = values[name];
    if (value !== undefined && value > 0) return value;
    throw new InvalidArgumentError(`Choose from ${enumChoices(values).join(", ")}.`);
  };
}

/** The name of a value as in the proto; a dash for "unspecified". */
export function enumName(values: EnumValues<number>, value: number): string {
  if (value === 0) return "-";
  return Object.entries(values).find(([, candidate]) => candidate === value)?.[0] ?? String(value);
}

function toWord(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}
