/**
 * What every route of `/v1` is for, as the OpenAPI document says it: one entry per method and path. What a route takes as its body and in
 * its path is in its own schema; here is what no schema has.
 */
export interface RouteReference {
  /** One sentence without a full stop. */
  readonly summary: string;
  /** Names of `queryParameters`, besides those that every route takes. */
  readonly query?: readonly QueryParameterName[];
  /** Of what is no JSON that a schema describes. */
  readonly body?: "bytes" | "json";
  readonly answer: AnswerKind;
  /** The rule that a token needs, as in a policy: `service:read`; absent for routes that ask for none. */
  readonly rule?: string;
  /** The path as it is told, where the route's own has a `*`. */
  readonly path?: string;
}

export type AnswerKind = "json" | "boolean" | "text" | "nothing" | "bytes" | "stream";

/** By `METHOD /v1/path`, as the routes are registered. */
export type ApiReference = Readonly<Record<string, RouteReference>>;

interface QueryParameter {
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

const text = { type: "string" } as const;
/** Present without a value, or with one that Go's ParseBool takes. */
const flag = { type: "string", enum: ["", "1", "0", "true", "false"] } as const;
const list = { type: "array", items: { type: "string" } } as const;
const count = { type: "integer", minimum: 0 } as const;

function parameter(description: string, schema: QueryParameter["schema"] = text): QueryParameter {
  return { description, schema };
}

export const queryParameters = {
  acquire: parameter("takes the lock of the key for this session"),
  "acl-enable": parameter("ignored", flag),
  address: parameter("host:port of a server"),
  authmethod: parameter("only what this auth method made"),
  by: parameter("which side of the intentions is named", { type: "string", enum: ["source", "destination"] }),
  cached: parameter("answers from what this server keeps up to date", flag),
  cas: parameter("writes only at this ModifyIndex; 0 only where nothing is", count),
  "compile-dc": parameter("the datacenter that the chain is compiled for"),
  connect: parameter("asks for instances that take mesh traffic", flag),
  consistent: parameter("has the leader make sure that it still is one", flag),
  dc: parameter("the datacenter that is asked; there is one"),
  destination: parameter("the callee, or *"),
  enable: parameter("true or false", { type: "string" }),
  expanded: parameter("with the rules of all policies and roles", flag),
  filter: parameter("an expression over the entries (go-bexpr)"),
  flags: parameter("a number that is kept beside the value", count),
  format: parameter("text or prometheus instead of JSON"),
  global: parameter("of all datacenters; there is one", flag),
  hash: parameter("blocks while the content hash is this one"),
  id: parameter("of a server"),
  index: parameter("blocks until the index of the answer is larger; 0 answers at once", count),
  keys: parameter("only the names of the keys", flag),
  limit: parameter("at most so many", count),
  loglevel: parameter("lines of this level and above"),
  logjson: parameter("lines as JSON", flag),
  max_stale: parameter("a duration; who is further behind asks the leader"),
  "merge-central-config": parameter("with proxy-defaults and service-defaults merged into each instance", flag),
  name: parameter("of a service or event"),
  near: parameter("sorts by distance from this node, or from the agent's own (_agent)"),
  node: parameter("a regular expression for node names"),
  "node-meta": parameter("key:value that the node must have; may be given several times", list),
  note: parameter("kept as the check's output"),
  passing: parameter("only instances whose checks all pass", flag),
  peer: parameter("of another cluster; there is none yet"),
  pem: parameter("as a chain of certificates", flag),
  policy: parameter("only what has this policy"),
  pretty: parameter("indents JSON", flag),
  prune: parameter("takes the node out of the catalog for good", flag),
  raw: parameter("the value itself", flag),
  reason: parameter("kept as the check's note"),
  recurse: parameter("everything below the key", flag),
  release: parameter("gives back the lock of this session"),
  "replace-existing-checks": parameter("checks that are not in the body go", flag),
  role: parameter("only what has this role"),
  segment: parameter("of a gossip pool; there is none"),
  separator: parameter("lists keys only up to and with it"),
  service: parameter("a regular expression for service names"),
  servicename: parameter("only what has an identity of this service"),
  source: parameter("the caller, or *"),
  stale: parameter("any server answers, however old its state is", flag),
  tag: parameter("a tag that the instance must have; may be given several times", list),
  token: parameter("deprecated: send it as X-Consul-Token"),
  ttl: parameter("the entry expires after this duration (not in Consul)"),
  wait: parameter("the longest time to block, such as 30s; 5 minutes when absent, 10 at most"),
  wan: parameter("of the servers of all datacenters; there is one", flag),
} as const satisfies Readonly<Record<string, QueryParameter>>;
export type QueryParameterName = keyof typeof queryParameters;

/** What every route takes. */
export const commonParameters: readonly QueryParameterName[] = ["dc", "pretty", "token"];
/** What every read of the replicated state takes. */
export const reading = ["index", "wait", "stale", "consistent", "max_stale"] as const;
/** What lists take besides. */
export const listing = [...reading, "filter"] as const;
