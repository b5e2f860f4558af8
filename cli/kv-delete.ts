import { AtollError } from "../lib/contract/error-codes.ts";
import { clientCommand } from "./client/client-command.ts";
import { keyArgument, keyPath, mustKey, refuseCleaned } from "./kv-client.ts";

const flags = {
  cas: { type: "boolean", summary: "Delete only when the key is still at -modify-index." },
  "modify-index": { type: "integer", placeholder: "index", summary: "What -cas compares with." },
  recurse: { type: "boolean", summary: "Delete all keys that begin with the given prefix." },
} as const;

export const deleteKey = clientCommand({
  summary: "Delete a key, or everything below a prefix.",
  synopsis: "kv delete [options] KEY_OR_PREFIX",
  flags,
  maxPositionals: 1,
  examples: ["kv delete redis/config/connections", "kv delete -recurse redis/"],
  async run({ api, flags: given, positionals, io }) {
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
    const answer = await api.json({ method: "DELETE", path: keyPath(key), query });
    if (answer !== true) {
      io.stderr(`Error! Did not delete key ${key}: CAS failed\n`);
      return 1;
    }
    io.stdout(isTree ? `Success! Deleted keys with prefix: ${key}\n` : `Success! Deleted key: ${key}\n`);
    return 0;
  },
});
