import { formatDurationMs, parseDurationMs } from "../../lib/base/duration.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { isKvFlags, type KvExpiry, type KvOperation, kvTtlMs } from "../../lib/contract/kv.ts";

/** What the query of a write says. Throws `INVALID_ARGUMENT`. */
export type KvWriteQuery = Pick<KvOperation, "verb" | "flags" | "index" | "session">;

export function parsePutQuery(query: URLSearchParams): KvWriteQuery {
  refuseConflicting(query, ["cas", "acquire", "release"]);
  const flags = parseFlags(query);
  if (query.has("cas")) return { verb: "cas", flags, index: parseIndex(query), session: "" };
  if (query.has("acquire")) return { verb: "lock", flags, index: 0, session: query.get("acquire") ?? "" };
  if (query.has("release")) return { verb: "unlock", flags, index: 0, session: query.get("release") ?? "" };
  return { verb: "set", flags, index: 0, session: "" };
}

export function parseDeleteQuery(query: URLSearchParams): KvWriteQuery {
  refuseConflicting(query, ["recurse", "cas"]);
  const plain = { flags: "0", index: 0, session: "" };
  if (query.has("recurse")) return { ...plain, verb: "delete-tree" };
  if (query.has("cas")) return { ...plain, verb: "delete-cas", index: parseIndex(query) };
  return { ...plain, verb: "delete" };
}

/** `ttl` is a duration such as `30s`; undefined when there is none. */
export function kvExpiry(ttl: string, nowMs: number): KvExpiry | undefined {
  if (ttl === "") return undefined;
  const ttlMs = parseDurationMs(ttl);
  if (ttlMs !== undefined && ttlMs >= kvTtlMs.min && ttlMs <= kvTtlMs.max)
    return { ttl, atMs: Math.ceil(nowMs + ttlMs) };
  const [min, max] = [formatDurationMs(kvTtlMs.min), formatDurationMs(kvTtlMs.max)];
  throw new AtollError("INVALID_ARGUMENT", `Invalid ttl ${JSON.stringify(ttl)}: give a duration from ${min} to ${max}`);
}

function refuseConflicting(query: URLSearchParams, names: readonly string[]): void {
  if (names.filter((name) => query.has(name)).length < 2) return;
  query.sort();
  throw new AtollError("INVALID_ARGUMENT", `Conflicting flags: ${query.toString()}`);
}

function parseFlags(query: URLSearchParams): string {
  const flags = query.get("flags");
  if (flags === null) return "0";
  if (isKvFlags(flags)) return BigInt(flags).toString();
  throw new AtollError(
    "INVALID_ARGUMENT",
    `Invalid flags ${JSON.stringify(flags)}: give an unsigned number of 64 bits`,
  );
}

/** An index beyond what any entry can have matches none. */
function parseIndex(query: URLSearchParams): number {
  const cas = query.get("cas") ?? "";
  if (isKvFlags(cas)) return Number(cas);
  throw new AtollError("INVALID_ARGUMENT", `Invalid cas ${JSON.stringify(cas)}: give a ModifyIndex, or 0`);
}
