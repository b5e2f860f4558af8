import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { errorMessage } from "../lib/base/errors.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { isKvFlags } from "../lib/contract/kv.ts";
import { clientCommand } from "./client/client-command.ts";
import { keyArgument, keyPath, parseEntries, parseWithFlags, readData, refuseCleaned } from "./kv-client.ts";

export const exportKeys = clientCommand({
  summary: "Print what is below a prefix, for `kv import`.",
  synopsis: "kv export [options] [PREFIX]",
  flags: {},
  maxPositionals: 1,
  examples: ["kv export vault/ > vault.json"],
  async run({ api, positionals, io }) {
    const path = keyPath(refuseCleaned(keyArgument(positionals)));
    const query = { recurse: "" };
    const answer = await api.find({ method: "GET", path, query });
    const exported = (answer === undefined ? [] : parseEntries(answer)).map(({ Key, Flags, Value }) => ({
      key: Key,
      flags: JSON.rawJSON(Flags),
      value: Value ?? "",
    }));
    io.stdout(`${JSON.stringify(exported, null, "\t")}\n`);
    return 0;
  },
});

const importFlags = {
  prefix: { type: "string", placeholder: "prefix", summary: "Goes before every key." },
} as const;

const Exported = Type.Array(
  Type.Object({ key: Type.String(), flags: Type.Optional(Type.String()), value: Type.Optional(Type.String()) }),
);

export const importKeys = clientCommand({
  summary: "Write what `kv export` has printed.",
  synopsis: "kv import [options] DATA",
  description: "The JSON itself, with @file that of a file, with - that of standard input.",
  flags: importFlags,
  maxPositionals: 1,
  examples: ["kv import @vault.json", "kv import -prefix=sub/ - < vault.json"],
  async run({ api, flags, positionals, io }) {
    const [argument = ""] = positionals;
    if (argument === "") throw new AtollError("INVALID_ARGUMENT", "Missing DATA argument");
    const entries = parseExport(Buffer.from(await readData(argument, io)).toString("utf8"));
    for (const entry of entries) {
      const key = refuseCleaned(`${flags.prefix ?? ""}${entry.key}`);
      const body = Buffer.from(entry.value ?? "", "base64");
      await api.call({ method: "PUT", path: keyPath(key), query: { flags: entry.flags ?? "0" }, body });
      io.stdout(`Imported: ${key}\n`);
    }
    return 0;
  },
});

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
