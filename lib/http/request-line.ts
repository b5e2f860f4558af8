import type { FastifyRequest } from "fastify";
import { AtollError } from "../contract/error-codes.ts";

/**
 * Checks that hold for every request before its route sees it: printable paths (Consul refuses the rest, since they end
 * up in logs and terminals) and the absence of namespaces and partitions, which would be silently ignored otherwise.
 */
export function checkRequestLine(request: FastifyRequest): void {
  const { url } = request;
  if (url.includes("%") && hasNonPrintable(url.split("?", 1)[0] ?? "")) {
    throw new AtollError("INVALID_ARGUMENT", "Invalid URL path: it holds non-printable characters");
  }
  if (url.startsWith("/v1/")) refuseEnterpriseScopes(request);
}

/** The query parameters of a request; a repeated one has several values, `+` is a space. */
export function queryOf(request: Pick<FastifyRequest, "url">): URLSearchParams {
  const queryAt = request.url.indexOf("?");
  return new URLSearchParams(queryAt < 0 ? "" : request.url.slice(queryAt + 1));
}

/** Whether there are any: most writes have none, and need not have an empty set of them made. */
export function hasQuery(request: FastifyRequest): boolean {
  return request.url.includes("?");
}

const scopes = [
  { parameter: "ns", header: "X-Consul-Namespace", key: "x-consul-namespace", feature: "Namespaces are" },
  { parameter: "partition", header: "X-Consul-Partition", key: "x-consul-partition", feature: "Partitions are" },
] as const;

function refuseEnterpriseScopes(request: FastifyRequest): void {
  const { headers } = request;
  const query = hasQuery(request) ? queryOf(request) : undefined;
  for (const { parameter, header, key, feature } of scopes) {
    if (hasText(headers[key])) {
      throw new AtollError("INVALID_ARGUMENT", `Invalid header: "${header}" - ${feature} a Consul Enterprise feature`);
    }
    if (hasText(query?.get(parameter))) {
      const message = `Invalid query parameter: "${parameter}" - ${feature} a Consul Enterprise feature`;
      throw new AtollError("INVALID_ARGUMENT", message);
    }
  }
}

function hasText(value: string | readonly string[] | undefined | null): boolean {
  return value !== undefined && value !== null && value.length > 0;
}

function hasNonPrintable(path: string): boolean {
  try {
    return /[\p{C}\p{Zl}\p{Zp}]/u.test(decodeURIComponent(path));
  } catch {
    return true;
  }
}
