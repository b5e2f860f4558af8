/** What the commands of `atoll kv` share: keys in URLs, entries in answers, data from a file or standard input. */
import { readFile } from "node:fs/promises";
import { Type } from "typebox";
import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import { errorMessage } from "../lib/base/errors.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import type { CommandIo } from "./command.ts";

const Entry = Type.Object({
  LockIndex: Type.Integer(),
  Key: Type.String(),
  /** Digits: numbers of 64 bits. */
  Flags: Type.String(),
  Value: Type.Union([Type.String(), Type.Null()]),
  Session: Type.Optional(Type.String()),
  TTL: Type.Optional(Type.String()),
  ExpiresAt: Type.Optional(Type.String()),
  CreateIndex: Type.Integer(),
  ModifyIndex: Type.Integer(),
});
export type KvEntry = Static<typeof Entry>;

/** The first argument; people write keys as paths, and none begins with a slash. */
export function keyArgument(positionals: readonly string[]): string {
  return (positionals[0] ?? "").replace(/^\//, "");
}

export function mustKey(positionals: readonly string[]): string {
  const key = keyArgument(positionals);
  if (key === "") throw new AtollError("INVALID_ARGUMENT", "Missing KEY argument");
  return refuseCleaned(key);
}

/** Slashes stay as they are, so that a URL shows the key. */
export function keyPath(key: string): string {
  return `/v1/kv/${key.split("/").map(encodeURIComponent).join("/")}`;
}

/** What a URL is made of is cleaned of such segments: it would name another key. */
export function refuseCleaned(key: string): string {
  if (!key.split("/").some((segment) => segment === "." || segment === "..")) return key;
  throw new AtollError(
    "INVALID_ARGUMENT",
    `key ${JSON.stringify(key)} has the segment "." or "..", which no key may have`,
  );
}

export function parseEntries(body: Buffer): readonly KvEntry[] {
  const entries: unknown = parseWithFlags(body.toString("utf8"));
  if (Compile(Type.Array(Entry)).Check(entries)) return entries;
  throw new AtollError("INTERNAL", "the answer is no list of keys and values");
}

/** Flags as digits: read as a number, one of 64 bits would be another. Throws a `SyntaxError`. */
export function parseWithFlags(text: string): unknown {
  return JSON.parse(text, (key: string, value: unknown, context?: { readonly source?: string }) =>
    key.toLowerCase() === "flags" && typeof value === "number" ? (context?.source ?? String(value)) : value,
  );
}

/** `@path` is a file, `-` standard input, and anything else stands for itself; a backslash before `@` too. */
export async function readData(argument: string, io: Pick<CommandIo, "stdin">): Promise<Uint8Array> {
  if (argument === "-") return io.stdin();
  if (!argument.startsWith("@")) return Buffer.from(argument.startsWith("\\@") ? argument.slice(1) : argument);
  const path = argument.slice(1);
  try {
    return await readFile(path);
  } catch (thrown) {
    throw new AtollError("INVALID_ARGUMENT", `Failed to read file: ${errorMessage(thrown)}`, { cause: thrown });
  }
}
