import { AtollError } from "../lib/contract/error-codes.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import { createHttpApi, httpFlags } from "./http-api.ts";
import { keyArgument, keyPath, mustKey, refuseCleaned } from "./kv-client.ts";
import type { Subcommand } from "./subcommands.ts";

const flags = {
  "http-addr": httpFlags["http-addr"],
  cas: { type: "boolean", summary: "Delete only when the key is still at -modify-index." },
  "modify-index": { type: "integer", placeholder: "index", summary: "What -cas compares with." },
  recurse: { type: "boolean", summary: "Delete all keys that begin with the given prefix." },
} as const;

export const deleteKey: Subcommand = {
  summary: "Delete a key, or everything below a prefix.",
  usage: formatUsage({
    synopsis: "atoll kv delete [options] KEY_OR_PREFIX",
    description: "Deletes a key, or with -recurse everything below a prefix.",
    flags,
    examples: ["atoll kv delete redis/config/connections", "atoll kv delete -recurse redis/"],
  }),
  async run(args, io) {
    const { flags: given, positionals } = parseFlags({ args, flags, maxPositionals: 1 });
    const isTree = given.recurse === true;
    const key = isTree ? refuseCleaned(keyArgument(positionals)) : mustKey(positionals);
    if (isTree && positionals.length === 0) throw new AtollError("INVALID_ARGUMENT", "Missing KEY argument");
    if (isTree && given.cas === true) {
      throw new AtollError("INVALID_ARGUMENT", "Cannot specify both -cas and -recurse!");
    }
    const index = given["modify-index"] ?? 0;
    if (given.cas === true && index <= 0) {
      throw new AtollError("INVALID_ARGUMENT", "Must specify -modify-index greater than 0 with -cas");
    }
    const query: Record<string, string> = isTree ? { recurse: "" } : given.cas === true ? { cas: String(index) } : {};
    const api = createHttpApi({ address: given["http-addr"], env: io.env });
    const answer = await api.json({ method: "DELETE", path: keyPath(key), query });
    if (answer !== true) {
      io.stderr(`Error! Did not delete key ${key}: CAS failed\n`);
      return 1;
    }
    io.stdout(isTree ? `Success! Deleted keys with prefix: ${key}\n` : `Success! Deleted key: ${key}\n`);
    return 0;
  },
};
