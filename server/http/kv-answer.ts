import type { KvRecord } from "../../lib/contract/kv.ts";

/** An entry as Consul answers it. What only Atoll has, the end of an entry, is there for entries that end. */
export function kvAnswer(record: KvRecord, options: { readonly hasValue: boolean } = { hasValue: true }): object {
  const { Expiry } = record;
  return {
    LockIndex: record.LockIndex,
    Key: record.Key,
    Flags: jsonNumber(record.Flags),
    Value: options.hasValue && record.Value !== "" ? record.Value : null,
    ...(record.Session !== "" && { Session: record.Session }),
    ...(Expiry !== undefined && { TTL: Expiry.ttl, ExpiresAt: new Date(Expiry.atMs).toISOString() }),
    CreateIndex: record.CreateIndex,
    ModifyIndex: record.ModifyIndex,
  };
}

/** Digits as they are: above 2^53 a number of JavaScript would be another one. */
function jsonNumber(digits: string): unknown {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : JSON.rawJSON(BigInt(digits).toString());
}
