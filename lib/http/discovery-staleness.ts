import type { IncomingMessage } from "node:http";

/** Parameters that choose how fresh a read is. */
const modes = new Set(["stale", "consistent", "leader", "cached", "max_stale"]);

/**
 * Consul's `discovery_max_stale`: the URL of a read of the catalog or of health that says nothing of how fresh it has to be,
 * with the age that the configuration allows. It is the same request from there on as one that had said it.
 */
export function withDiscoveryStaleness(
  { method, url = "/" }: Pick<IncomingMessage, "method" | "url">,
  ms: number,
): string {
  if (method !== "GET" || !/^\/v1\/(?:catalog|health)\//.test(url)) return url;
  const queryAt = url.indexOf("?");
  if (queryAt < 0) return `${url}?max_stale=${ms}ms`;
  const isSaid = [...new URLSearchParams(url.slice(queryAt)).keys()].some((name) => modes.has(name));
  return isSaid ? url : `${url}&max_stale=${ms}ms`;
}
