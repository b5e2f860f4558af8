import { readFile } from "node:fs/promises";
import { parseConfigText } from "../../agent/config/config-text.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { CommandIo } from "../command.ts";

/** The text of a file a person named, or of standard input for `-`. */
export async function readInput(path: string, io: CommandIo): Promise<string> {
  if (path === "-") return Buffer.from(await io.stdin()).toString("utf8");
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new AtollError("INVALID_ARGUMENT", `cannot read ${path}: ${errorMessage(cause)}`, { cause });
  }
}

/** An object that a person wrote in JSON or HCL: JSON begins with a brace. */
export async function readDocument(path: string, io: CommandIo): Promise<object> {
  return parseConfigText(path === "-" ? "standard input" : path, await readInput(path, io), "hcl");
}
