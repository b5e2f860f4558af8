import type { FastifyRequest } from "fastify";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { queryOf } from "../../lib/http/request-line.ts";

/** The query parameters by which intentions are named. Throws `INVALID_ARGUMENT` in Consul's words. */
export function parsePair(request: FastifyRequest): { readonly source: string; readonly destination: string } {
  const query = queryOf(request);
  return { source: mustService(query, "source"), destination: mustService(query, "destination") };
}

export function parseMatch(request: FastifyRequest): {
  readonly by: "source" | "destination";
  readonly names: readonly string[];
} {
  const query = queryOf(request);
  const by = query.get("by");
  if (!by) throw refusal("required query parameter 'by' not set");
  if (by !== "source" && by !== "destination") {
    throw refusal("'by' parameter must be one of 'source' or 'destination'");
  }
  const names = query.getAll("name");
  if (names.length === 0 || names.includes("")) throw refusal("required query parameter 'name' not set");
  if (names.length > maxNames) throw refusal(`at most ${maxNames} names can be matched at once`);
  return { by, names };
}

const maxNames = 256;

/** A name as it is given, without the only namespace and partition that there are: `default/web` and `default/default/web`. */
export function plainServiceName(text: string): string {
  const parts = text.split("/");
  const name = parts.at(-1) ?? "";
  const scopes = parts.slice(0, -1);
  if (scopes.length <= 2 && scopes.every((scope) => scope === "default") && name !== "") return name;
  throw refusal(`"${text}": namespaces and partitions other than "default" are a Consul Enterprise feature`);
}

function mustService(query: URLSearchParams, parameter: "source" | "destination"): string {
  const text = query.get(parameter);
  if (!text) throw refusal(`required query parameter '${parameter}' not set`);
  const name = plainServiceName(text);
  if (name !== "*" && name.includes("*")) {
    throw refusal(`${parameter}: wildcard character '*' cannot be used with partial values`);
  }
  return name;
}

function refusal(message: string): AtollError {
  return new AtollError("INVALID_ARGUMENT", message);
}
