import type { CommandIo } from "./command.ts";
import type { FlagValues } from "./flags.ts";
import { clientCommand } from "./client/client-command.ts";
import type { HttpApi } from "./http-api.ts";
import { keyArgument, keyPath, type KvEntry, mustKey, parseEntries, refuseCleaned } from "./kv-client.ts";

const flags = {
  base64: { type: "boolean", summary: "Print values in base64." },
  detailed: { type: "boolean", summary: "Print everything that is known of an entry." },
  keys: { type: "boolean", summary: "Print the keys below the given prefix and not their values." },
  recurse: { type: "boolean", summary: "Print all entries whose keys begin with the given prefix." },
  separator: {
    type: "string",
    placeholder: "text",
    summary: 'With -keys: keys are cut behind this, "/" by default; empty for whole keys.',
  },
} as const;

export const getKey = clientCommand({
  summary: "Print the value of a key, or what is below a prefix.",
  synopsis: "kv get [options] [KEY_OR_PREFIX]",
  flags,
  maxPositionals: 1,
  examples: ["kv get redis/config/connections", "kv get -recurse redis/", "kv get -keys redis/"],
  async run({ api, flags: given, positionals, io }) {
    if (given.keys === true) return printKeys({ api, io, given, prefix: keyArgument(positionals) });
    if (given.recurse === true) return printEntries({ api, io, given, prefix: keyArgument(positionals) });
    return printEntry({ api, io, given, key: mustKey(positionals) });
  },
});

type Given = FlagValues<typeof flags>;

interface Printing {
  readonly api: HttpApi;
  readonly io: CommandIo;
  readonly given: Given;
}

async function printKeys({ api, io, given, prefix }: Printing & { readonly prefix: string }): Promise<number> {
  const separator = given.separator ?? "/";
  const answer = await ask(api, { path: keyPath(refuseCleaned(prefix)), query: { keys: "", separator } });
  if (answer === undefined) return 0;
  const keys: unknown = JSON.parse(answer.toString("utf8"));
  if (Array.isArray(keys)) for (const key of keys) io.stdout(`${String(key)}\n`);
  return 0;
}

async function printEntries({ api, io, given, prefix }: Printing & { readonly prefix: string }): Promise<number> {
  const answer = await ask(api, { path: keyPath(refuseCleaned(prefix)), query: { recurse: "" } });
  if (answer === undefined) return 0;
  for (const [number, entry] of parseEntries(answer).entries()) {
    if (given.detailed === true) {
      if (number > 0) io.stdout("\n");
      printDetails(io, entry, given);
    } else {
      io.stdout(Buffer.concat([Buffer.from(`${entry.Key}:`), valueBytes(entry, given), Buffer.from("\n")]));
    }
  }
  return 0;
}

async function printEntry({ api, io, given, key }: Printing & { readonly key: string }): Promise<number> {
  const answer = await ask(api, { path: keyPath(key), query: {} });
  const [entry] = answer === undefined ? [] : parseEntries(answer);
  if (entry === undefined) {
    io.stderr(`Error! No key exists at: ${key}\n`);
    return 1;
  }
  if (given.detailed === true) printDetails(io, entry, given);
  else io.stdout(Buffer.concat([valueBytes(entry, given), Buffer.from("\n")]));
  return 0;
}

async function ask(
  api: HttpApi,
  { path, query }: { readonly path: string; readonly query: Readonly<Record<string, string>> },
): Promise<Buffer | undefined> {
  return api.find({ method: "GET", path, query });
}

/** The names are one column of Consul's table. */
function printDetails(io: CommandIo, entry: KvEntry, given: Given): void {
  const facts = [
    ["CreateIndex", String(entry.CreateIndex)],
    ["Flags", entry.Flags],
    ["Key", entry.Key],
    ["LockIndex", String(entry.LockIndex)],
    ["ModifyIndex", String(entry.ModifyIndex)],
    ["Session", entry.Session ?? "-"],
    ...(entry.TTL === undefined
      ? []
      : [
          ["TTL", entry.TTL],
          ["ExpiresAt", entry.ExpiresAt ?? ""],
        ]),
  ] as const;
  const width = "CreateIndex".length + 6;
  for (const [name, value] of facts) io.stdout(`${(name ?? "").padEnd(width)}${value}\n`);
  io.stdout(Buffer.concat([Buffer.from("Value".padEnd(width)), valueBytes(entry, given), Buffer.from("\n")]));
}

function valueBytes(entry: KvEntry, given: Given): Buffer {
  return given.base64 === true ? Buffer.from(entry.Value ?? "") : Buffer.from(entry.Value ?? "", "base64");
}
