import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { errorMessage } from "../lib/base/errors.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { isKvFlags } from "../lib/contract/kv.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import { createHttpApi, httpFlags } from "./http-api.ts";
import { keyArgument, keyPath, parseEntries, parseWithFlags, readData, refuseCleaned } from "./kv-client.ts";
import type { Subcommand } from "./subcommands.ts";

export const exportKeys: Subcommand = {
  summary: "Print what is below a prefix, for `kv import`.",
  usage: formatUsage({
    synopsis: "atoll kv export [options] [PREFIX]",
    description: "Prints the entries below a prefix, or all of them, as JSON that `kv import` reads.",
    flags: httpFlags,
    examples: ["atoll kv export vault/ > vault.json"],
  }),
  async run(args, io) {
    const { flags, positionals } = parseFlags({ args, flags: httpFlags, maxPositionals: 1 });
    const path = keyPath(refuseCleaned(keyArgument(positionals)));
    const api = createHttpApi({ address: flags["http-addr"], env: io.env });
    const query: Record<string, string> = flags.stale === true ? { recurse: "", stale: "" } : { recurse: "" };
    const answer = await api.find({ method: "GET", path, query });
    const exported = (answer === undefined ? [] : parseEntries(answer)).map(({ Key, Flags, Value }) => ({
      key: Key,
      flags: JSON.rawJSON(Flags),
      value: Value ?? "",
    }));
    io.stdout(`${JSON.stringify(exported, null, "\t")}\n`);
    return 0;
  },
};

const importFlags = {
  "http-addr": httpFlags["http-addr"],
  prefix: { type: "string", placeholder: "prefix", summary: "Goes before every key." },
} as const;

const Exported = Type.Array(
  Type.Object({ key: Type.String(), flags: Type.Optional(Type.String()), value: Type.Optional(Type.String()) }),
);

export const importKeys: Subcommand = {
  summary: "Write what `kv export` has printed.",
  usage: formatUsage({
    synopsis: "atoll kv import [options] DATA",
    description:
      "Writes every entry of an export: the JSON itself, with @file that of a file, with - that of standard input.",
    flags: importFlags,
    examples: ["atoll kv import @vault.json", "cat vault.json | atoll kv import -prefix=sub/ -"],
  }),
  async run(args, io) {
    const { flags, positionals } = parseFlags({ args, flags: importFlags, maxPositionals: 1 });
    const [argument = ""] = positionals;
    if (argument === "") throw new AtollError("INVALID_ARGUMENT", "Missing DATA argument");
    const entries = parseExport(Buffer.from(await readData(argument, io)).toString("utf8"));
    const api = createHttpApi({ address: flags["http-addr"], env: io.env });
    for (const entry of entries) {
      const key = refuseCleaned(`${flags.prefix ?? ""}${entry.key}`);
      const body = Buffer.from(entry.value ?? "", "base64");
      await api.call({ method: "PUT", path: keyPath(key), query: { flags: entry.flags ?? "0" }, body });
      io.stdout(`Imported: ${key}\n`);
    }
    return 0;
  },
};

function parseExport(text: string) {
  let value: unknown;
  try {
    value = parseWithFlags(text);
  } catch (thrown) {
    throw new AtollError("INVALID_ARGUMENT", `Cannot unmarshal data: ${errorMessage(thrown)}`, { cause: thrown });
  }
  if (!Compile(Exported).Check(value)) {
    throw new AtollError(
      "INVALID_ARGUMENT",
      "Cannot unmarshal data: it is no list of entries with key, flags and value",
    );
  }
  const wrong = value.find(({ key, flags = "0" }) => key === "" || !isKvFlags(flags));
  if (wrong === undefined) return value;
  throw new AtollError("INVALID_ARGUMENT", `the entry of key "${wrong.key}" has no key, or flags that are no number`);
}
