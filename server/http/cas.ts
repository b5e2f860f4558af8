import { AtollError } from "../../lib/contract/error-codes.ts";

/** `?cas=N`: only when the record is still at index N; 0 = only when there is none. */
export function parseCas(query: URLSearchParams): { readonly expectedIndex?: number } {
  const text = query.get("cas") ?? "";
  if (text === "") return {};
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return { expectedIndex: Number(text) };
  throw new AtollError("INVALID_ARGUMENT", `Invalid cas value "${text}": it must be a ModifyIndex, or 0`);
}
