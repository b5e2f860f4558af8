import type { HashPolicyConfig } from "../../lib/contract/proxy-cluster.ts";
import type { RequestHead } from "../message/request-head.ts";
import { hashText } from "./text-hash.ts";

/** Fields of one name that are looked at. */
const maxValues = 100;

/**
 * The hash of what `policies` name of a canonical request, in order; one that is terminal is the last when it is there. Undefined when
 * nothing of it is there. `source` is the client's address without its port.
 */
export function requestHash(
  policies: readonly HashPolicyConfig[],
  head: RequestHead,
  source: string,
): number | undefined {
  let hash: number | undefined;
  for (const policy of policies) {
    const value = partOf(policy, head, source);
    if (value === undefined) continue;
    const own = hashText(value);
    // As Envoy's: order counts.
    hash = hash === undefined ? own : (((hash << 1) | (hash >>> 31)) ^ own) >>> 0;
    if (policy.terminal) break;
  }
  return hash;
}

/** Of a TCP connection only where it comes from is known. */
export function connectionHash(policies: readonly HashPolicyConfig[], source: string): number | undefined {
  return policies.some(({ on }) => on === "source-ip") ? hashText(source) : undefined;
}

/** `host:port` or `[host]:port` without the port. */
export function hostOf(address: string): string {
  const at = address.lastIndexOf(":");
  return at < 0 ? address : address.slice(0, at);
}

function partOf({ on, name }: HashPolicyConfig, head: RequestHead, source: string): string | undefined {
  switch (on) {
    case "header":
      return headerValue(head, name.toLowerCase());
    case "cookie":
      return cookieValue(head.block.get("cookie"), name);
    case "query":
      return queryValue(head.path, name);
    case "source-ip":
      return source === "" ? undefined : source;
  }
}

/** Several fields of one name are one list (RFC 9110 section 5.2). */
function headerValue(head: RequestHead, name: string): string | undefined {
  const { fields } = head.block;
  let value: string | undefined;
  let count = 0;
  for (let i = 0; i < fields.length && count < maxValues; i += 2) {
    if (fields[i] !== name) continue;
    value = value === undefined ? fields[i + 1] : `${value}, ${fields[i + 1]}`;
    count++;
  }
  return value;
}

/** The first of that name: the canonical head has all cookies in one field. */
function cookieValue(cookies: string | undefined, name: string): string | undefined {
  for (const pair of cookies?.split(";") ?? []) {
    const at = pair.indexOf("=");
    if (at >= 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

/** The first of that name, as it is written: nothing is decoded. */
function queryValue(path: string, name: string): string | undefined {
  const at = path.indexOf("?");
  if (at < 0) return undefined;
  for (const pair of path.slice(at + 1).split("&")) {
    const equals = pair.indexOf("=");
    if ((equals < 0 ? pair : pair.slice(0, equals)) === name) return equals < 0 ? "" : pair.slice(equals + 1);
  }
  return undefined;
}
