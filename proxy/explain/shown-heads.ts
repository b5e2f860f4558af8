import { isSecretField, maskedUrl } from "../../lib/contract/secret-fields.ts";
import type { LocalReply } from "../exchange/policy.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { FieldChange, ShownReply, ShownRequest } from "./explanation.ts";

const masked = "[masked]";

/** The canonical request, and what the rules have made of the one that was received. */
export function shownRequest(canonical: RequestHead, received: RequestHead): ShownRequest {
  const { method, scheme, authority, path } = canonical;
  return { method, scheme, authority, path: maskedUrl(path), changes: changesBetween(received, canonical) };
}

/** What is in one head and not in the other, values that may be secret masked. */
export function changesBetween(before: RequestHead, after: RequestHead): FieldChange[] {
  return [
    ...missingIn(after, before).map((pair) => ({ change: "removed" as const, ...pair })),
    ...missingIn(before, after).map((pair) => ({ change: "added" as const, ...pair })),
  ];
}

export function shownReply({ status, reason, body, fields = [] }: LocalReply, read?: string): ShownReply {
  const at = fields.indexOf("location");
  const why = reason ?? read;
  return {
    status,
    ...(why !== undefined && { reason: why }),
    ...(at >= 0 && { location: maskedUrl(fields[at + 1] ?? "") }),
    text: body.trimEnd(),
  };
}

/** Fields of `whole` that `part` has not, or not so often. */
function missingIn(part: RequestHead, whole: RequestHead): { readonly name: string; readonly value: string }[] {
  const left = new Map<string, number>();
  for (const [key] of pairsOf(part)) left.set(key, (left.get(key) ?? 0) + 1);
  return pairsOf(whole).flatMap(([key, name, value]) => {
    const count = left.get(key) ?? 0;
    left.set(key, count - 1);
    return count > 0 ? [] : [{ name, value: shownValue(name, value) }];
  });
}

function pairsOf({ block }: RequestHead): [key: string, name: string, value: string][] {
  const pairs: [string, string, string][] = [];
  for (let i = 0; i < block.fields.length; i += 2) {
    const name = block.fields[i] ?? "";
    const value = block.fields[i + 1] ?? "";
    pairs.push([`${name}\n${value}`, name, value]);
  }
  return pairs;
}

function shownValue(name: string, value: string): string {
  if (name === ":path") return maskedUrl(value);
  return isSecretField(name) ? masked : value;
}
