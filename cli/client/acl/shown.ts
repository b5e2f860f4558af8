import { readFile } from "node:fs/promises";
import { errorMessage } from "../../../lib/base/errors.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { printJson } from "../client-command.ts";
import type { CommandIo } from "../../command.ts";

/** What the commands of `atoll acl` have in common: `-format`, `-meta`, and values from files. */
export const shownFlags = {
  format: { type: "string", placeholder: "format", summary: "Print as pretty, the default, or as json." },
  meta: { type: "boolean", summary: "Print the indexes too." },
} as const;

export interface ShownFlags {
  readonly format?: string | undefined;
  readonly meta?: boolean | undefined;
}

/** Prints `value` as JSON where that is asked for, else what `pretty` makes of it. Throws `INVALID_ARGUMENT`. */
export function show<T>(io: CommandIo, value: T, flags: ShownFlags, pretty: (value: T) => string): void {
  const { format = "pretty" } = flags;
  if (format === "json") {
    printJson(io, value);
    return;
  }
  if (format !== "pretty") {
    throw new AtollError("INVALID_ARGUMENT", `flag -format must be pretty or json, found "${format}"`);
  }
  io.stdout(pretty(value));
}

/** Lines of `Name:   value`, those without a value left out unless they always belong there. */
export function fieldLines(
  fields: readonly (readonly [name: string, value: string | undefined])[],
  indent = "",
): string {
  const shown = fields.flatMap(([name, value]) => (value === undefined ? [] : [[`${name}:`, value] as const]));
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown
    .map(([name, value]) => `${indent}${name.padEnd(width)}  ${value}`.trimEnd())
    .map((line) => `${line}\n`)
    .join("");
}

/** The text itself, or with `@path` that of a file. */
export async function textOrFile(flag: string, text: string): Promise<string> {
  if (!text.startsWith("@")) return text;
  try {
    return await readFile(text.slice(1), "utf8");
  } catch (cause) {
    throw new AtollError("INVALID_ARGUMENT", `flag -${flag}: cannot read ${text.slice(1)}: ${errorMessage(cause)}`, {
      cause,
    });
  }
}

/** As Consul says that a flag is missing. */
export function required(flag: string, value: string | undefined): string {
  if (value !== undefined && value !== "") return value;
  throw new AtollError("INVALID_ARGUMENT", `Missing required '-${flag}' flag`);
}
