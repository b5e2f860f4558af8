import type { FastifyRequest } from "fastify";
import { AtollError } from "../contract/error-codes.ts";

/**
 * Checks that hold for every request before its route sees it: printable paths (Consul refuses the rest, since they end
 * up in logs and terminals) and the absence of namespaces and partitions, which would be silently ignored otherwise.
 */
export function checkRequestLine(request: FastifyRequest): void {
  const [path = ""] = request.url.split("?", 1);
  if (path.includes("%") && hasNonPrintable(path)) {
    throw new AtollError("INVALID_ARGUMENT", "Invalid URL path: it holds non-printable characters");
  }
  if (path.startsWith("/v1/")) refuseEnterpriseScopes(request);
}

/** The query parameters of a request; a repeated one has several values, `+` is a space. */
export function queryOf(request: FastifyRequest): URLSearchParams {
  const queryAt = request.url.indexOf("?");
  return new URLSearchParams(queryAt < 0 ? "" : request.url.slice(queryAt + 1));
}

const scopes = [
  { parameter: "ns", header: "X-Consul-Namespace", feature: "Namespaces are" },
  { parameter: "partition", header: "X-Consul-Partition", feature: "Partitions are" },
] as const;

function refuseEnterpriseScopes(request: FastifyRequest): void {
  const query = request.url.includes("?") ? queryOf(request) : undefined;
  for (const { parameter, header, feature } of scopes) {
    const reason = `${feature} a Consul Enterprise feature`;
    if (hasText(request.headers[header.toLowerCase()])) {
      throw new AtollError("INVALID_ARGUMENT", `Invalid header: "${header}" - ${reason}`);
    }
    if (hasText(query?.get(parameter))) {
      throw new AtollError("INVALID_ARGUMENT", `Invalid query parameter: "${parameter}" - ${reason}`);
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
