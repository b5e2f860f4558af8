import { isDeepStrictEqual } from "node:util";
import type { Indexed } from "../../lib/contract/catalog.ts";

/**
 * The record that writing `fields` at `index` makes of `existing`, or undefined when that would change nothing: an
 * idempotent write must not move any index.
 */
export function upserted<T extends object>(
  existing: (T & Indexed) | undefined,
  fields: T,
  index: number,
): (T & Indexed) | undefined {
  if (existing === undefined) return { ...fields, CreateIndex: index, ModifyIndex: index };
  const unchanged = { ...fields, CreateIndex: existing.CreateIndex, ModifyIndex: existing.ModifyIndex };
  if (isDeepStrictEqual(unchanged, existing)) return undefined;
  return { ...unchanged, ModifyIndex: index };
}
