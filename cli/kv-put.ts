import { AtollError } from "../lib/contract/error-codes.ts";
import { isKvFlags } from "../lib/contract/kv.ts";
import { clientCommand } from "./client/client-command.ts";
import type { FlagValues } from "./flags.ts";
import { keyPath, mustKey, readData } from "./kv-client.ts";

const flags = {
  acquire: { type: "boolean", summary: "Lock the key for -session, and make it when it is not there." },
  base64: { type: "boolean", summary: "The data is base64 and stands for bytes." },
  cas: {
    type: "boolean",
    summary: "Write only when the key is still at -modify-index; 0 for a key that is not there.",
  },
  flags: { type: "string", placeholder: "number", summary: "A number of 64 bits that is kept with the key." },
  "modify-index": { type: "integer", placeholder: "index", summary: "What -cas compares with." },
  release: { type: "boolean", summary: "Give up the lock that -session holds." },
  session: { type: "string", placeholder: "id", summary: "The session that locks or holds the key." },
  ttl: { type: "string", placeholder: "duration", summary: "The key goes by itself after so long." },
} as const;

export const putKey = clientCommand({
  summary: "Write the value of a key.",
  synopsis: "kv put [options] KEY [DATA]",
  description: "With @file the data is that of a file, with - that of standard input; without any the value is empty.",
  flags,
  maxPositionals: 2,
  examples: ["kv put redis/config/connections 5", "kv put config/app @app.json", "kv put blob -"],
  async run({ api, flags: given, positionals, io }) {
    const key = mustKey(positionals);
    const query = queryOf(given);
    const data = await readData(positionals[1] ?? "", io);
    const body = given.base64 === true ? decodeBase64(data) : data;
    const answer = await api.json({ method: "PUT", path: keyPath(key), query, body });
    const text = answer === true ? successOf(given, key) : failureOf(given, key);
    if (answer === true) io.stdout(`${text}\n`);
    else io.stderr(`${text}\n`);
    return answer === true ? 0 : 1;
  },
});

type Given = FlagValues<typeof flags>;

function queryOf(given: Given): Record<string, string> {
  const { session = "" } = given;
  if ((given.acquire === true || given.release === true) && session === "") {
    throw new AtollError("INVALID_ARGUMENT", "Missing -session (required with -acquire and -release)");
  }
  if (given.flags !== undefined && !isKvFlags(given.flags)) {
    throw new AtollError(
      "INVALID_ARGUMENT",
      `flag -flags must be an unsigned number of 64 bits, found "${given.flags}"`,
    );
  }
  return {
    ...(given.flags === undefined ? {} : { flags: given.flags }),
    ...(given.cas === true ? { cas: String(given["modify-index"] ?? 0) } : {}),
    ...(given.acquire === true ? { acquire: session } : {}),
    ...(given.release === true ? { release: session } : {}),
    ...(given.ttl === undefined ? {} : { ttl: given.ttl }),
  };
}

function successOf(given: Given, key: string): string {
  if (given.acquire === true) return `Success! Lock acquired on: ${key}`;
  return given.release === true ? `Success! Lock released on: ${key}` : `Success! Data written to: ${key}`;
}

function failureOf(given: Given, key: string): string {
  if (given.acquire === true) return "Error! Did not acquire lock";
  return given.release === true ? "Error! Did not release lock" : `Error! Did not write to ${key}: CAS failed`;
}

function decodeBase64(data: Uint8Array): Uint8Array {
  const text = Buffer.from(data).toString("latin1").replace(/\s/g, "");
  if (/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return Buffer.from(text, "base64");
  throw new AtollError("INVALID_ARGUMENT", "Cannot base 64 decode data");
}
