/**
 * What every route asks of a token: one row each, and the matrix test fails for a route that has none. Rules are written
 * `resource:access:name`; a token needs all of a row's.
 */
export interface MatrixRow {
  /** As it is registered. */
  readonly route: string;
  /**
   * `demand`: 403 without the rules. `filter`: 200, and what the rules are about is left out without them. `any`: whatever a
   * token may do, as long as it is one. `own`: the same, and one has to be brought. `open`: no token is looked at.
   */
  readonly kind: "demand" | "filter" | "any" | "own" | "open";
  readonly rules: readonly string[];
  /** Instead of the route with its parameters filled in by {@link parameters}. */
  readonly url?: string;
  readonly body?: unknown;
  /** What a filtered answer shows to who may see it. */
  readonly marker?: string;
  /** Instead of 403. */
  readonly denial?: "409";
}

const web = { read: "service:read:web", write: "service:write:web" } as const;
const node = { read: "node:read:vm1", write: "node:write:vm1" } as const;

const demand = (route: string, rules: string | readonly string[], more: Partial<MatrixRow> = {}): MatrixRow => ({
  route,
  kind: "demand",
  rules: typeof rules === "string" ? [rules] : rules,
  ...more,
});
const filter = (route: string, rules: string | readonly string[], marker: string, more: Partial<MatrixRow> = {}) =>
  demand(route, rules, { kind: "filter", marker, ...more });
const plain = (kind: "any" | "own" | "open", route: string, more: Partial<MatrixRow> = {}): MatrixRow => ({
  route,
  kind,
  rules: [],
  ...more,
});

/** What stands for a parameter in a URL; `set-up.ts` has registered these. */
export const parameters: Readonly<Record<string, string>> = {
  ":service": "web",
  ":session": "{session}",
  ":gateway": "web",
  ":node": "vm1",
  ":state": "any",
  ":kind": "service-defaults",
  ":accessor": "6b3b1c0e-0000-4000-8000-000000000000",
  ":id": "6b3b1c0e-0000-4000-8000-000000000000",
  ":name": "web",
  "*": "web",
};

const agent = [
  demand("GET /v1/agent/self", "agent:read:vm1"),
  filter("GET /v1/agent/members", node.read, "vm1"),
  demand("PUT /v1/agent/force-leave/*", "operator:write", { url: "/v1/agent/force-leave/vm1" }),
  // Nobody answers there: what counts is that the token was asked first.
  demand("PUT /v1/agent/join/*", "agent:write:vm1", { url: "/v1/agent/join/127.0.0.1:1" }),
  demand("PUT /v1/agent/leave", "agent:write:vm1"),
  demand("GET /v1/agent/metrics", "agent:read:vm1"),
  demand("GET /v1/agent/metrics/stream", "agent:read:vm1"),
  demand("GET /v1/agent/monitor", "agent:read:vm1"),
  plain("open", "GET /v1/agent/version"),
  demand("GET /v1/agent/host", "operator:read"),
  demand("PUT /v1/agent/reload", "agent:write:vm1"),
  demand("PUT /v1/agent/maintenance", node.write, { url: "/v1/agent/maintenance?enable=false" }),
  filter("GET /v1/agent/services", web.read, '"web"'),
  demand("GET /v1/agent/service/:id", web.read, { url: "/v1/agent/service/web" }),
  demand("PUT /v1/agent/service/register", web.write, { body: { Name: "web" } }),
  demand("PUT /v1/agent/service/deregister/*", web.write),
  demand("PUT /v1/agent/service/maintenance/*", web.write, { url: "/v1/agent/service/maintenance/web?enable=false" }),
  filter("GET /v1/agent/checks", web.read, "web-ttl"),
  demand("PUT /v1/agent/check/register", node.write, { body: { Name: "disk", TTL: "10m" } }),
  demand("PUT /v1/agent/check/deregister/*", web.write, { url: "/v1/agent/check/deregister/web-ttl" }),
  ...["pass", "warn", "fail"].map((how) =>
    demand(`PUT /v1/agent/check/${how}/*`, web.write, { url: `/v1/agent/check/${how}/web-ttl` }),
  ),
  demand("PUT /v1/agent/check/update/*", web.write, {
    url: "/v1/agent/check/update/web-ttl",
    body: { Status: "passing" },
  }),
  demand("GET /v1/agent/health/service/id/*", web.read),
  demand("GET /v1/agent/health/service/name/*", web.read),
  plain("open", "GET /v1/agent/connect/ca/roots"),
  demand("GET /v1/agent/connect/ca/leaf/*", web.write),
  demand("POST /v1/agent/connect/authorize", web.write, {
    body: { Target: "web", ClientCertURI: "spiffe://elsewhere/ns/default/dc/dc1/svc/web" },
  }),
  demand("PUT /v1/agent/token/*", "agent:write:vm1", { url: "/v1/agent/token/dns", body: { Token: "" } }),
];

const catalog = [
  plain("open", "GET /v1/openapi.json"),
  plain("open", "GET /v1/status/leader"),
  plain("open", "GET /v1/status/peers"),
  plain("open", "GET /v1/catalog/datacenters"),
  filter("GET /v1/catalog/nodes", node.read, "vm1"),
  filter("GET /v1/catalog/services", web.read, '"web"'),
  filter("GET /v1/catalog/service/:service", [web.read, node.read], '"web"'),
  filter("GET /v1/catalog/connect/:service", [web.read, node.read], '"web"'),
  filter("GET /v1/catalog/node/:node", node.read, "vm1"),
  filter("GET /v1/catalog/node-services/:node", node.read, "vm1"),
  demand("GET /v1/catalog/gateway-services/:gateway", web.read),
  demand("PUT /v1/catalog/register", web.write, {
    body: { Node: "vm1", SkipNodeUpdate: true, Service: { ID: "web", Service: "web" } },
  }),
  demand("PUT /v1/catalog/deregister", node.write, { body: { Node: "vm1", CheckID: "none" } }),
  filter("GET /v1/health/service/:service", [web.read, node.read], '"web"'),
  filter("GET /v1/health/connect/:service", [web.read, node.read], '"web"'),
  // No gateway is an ingress for anything yet.
  plain("any", "GET /v1/health/ingress/:service"),
  filter("GET /v1/health/node/:node", node.read, "serfHealth"),
  filter("GET /v1/health/checks/:service", [web.read, node.read], "web-ttl"),
  filter("GET /v1/health/state/:state", [web.read, node.read], "web-ttl"),
];

const coordinates = [
  plain("open", "GET /v1/coordinate/datacenters"),
  filter("GET /v1/coordinate/nodes", node.read, "vm1"),
  demand("GET /v1/coordinate/node/:node", node.read),
  demand("PUT /v1/coordinate/update", node.write, {
    body: { Node: "vm1", Coord: { Vec: [0, 0, 0, 0, 0, 0, 0, 0] } },
  }),
];

const mesh = [
  demand("PUT /v1/config", web.write, { body: { Kind: "service-defaults", Name: "web", Protocol: "http" } }),
  filter("GET /v1/config/:kind", web.read, '"web"'),
  demand("GET /v1/config/:kind/:name", web.read),
  demand("DELETE /v1/config/:kind/:name", web.write, { url: "/v1/config/service-resolver/web" }),
  demand("GET /v1/discovery-chain/:service", web.read),
  demand("POST /v1/discovery-chain/:service", web.read, { body: {} }),
  demand("GET /v1/exported-services", "mesh:read"),
  filter("GET /v1/connect/intentions", "intention:read:web", '"web"'),
  demand("POST /v1/connect/intentions", "intention:write:web", {
    body: { SourceName: "api", DestinationName: "web", Action: "allow" },
  }),
  demand("GET /v1/connect/intentions/exact", "intention:read:web", {
    url: "/v1/connect/intentions/exact?source=web&destination=web",
  }),
  demand("PUT /v1/connect/intentions/exact", "intention:write:web", {
    url: "/v1/connect/intentions/exact?source=web&destination=web",
    body: { Action: "allow" },
  }),
  demand("DELETE /v1/connect/intentions/exact", "intention:write:web", {
    url: "/v1/connect/intentions/exact?source=none&destination=web",
  }),
  demand("GET /v1/connect/intentions/match", "intention:read:web", {
    url: "/v1/connect/intentions/match?by=destination&name=web",
  }),
  demand("GET /v1/connect/intentions/check", web.read, {
    url: "/v1/connect/intentions/check?source=api&destination=web",
  }),
  demand("GET /v1/connect/intentions/:id", "intention:read:web", { url: "/v1/connect/intentions/{intention}" }),
  demand("PUT /v1/connect/intentions/:id", "intention:write:web", {
    url: "/v1/connect/intentions/{intention}",
    body: { SourceName: "web", DestinationName: "web", Action: "allow" },
  }),
  demand("DELETE /v1/connect/intentions/:id", "intention:write:web", { url: "/v1/connect/intentions/{intention}" }),
  plain("open", "GET /v1/connect/ca/roots"),
  demand("GET /v1/connect/ca/configuration", "operator:read"),
  demand("PUT /v1/connect/ca/configuration", "operator:write", { body: {} }),
  demand("PUT /v1/connect/ca/rotate", "operator:write", { body: {} }),
  demand("POST /v1/peering/token", "peering:write", { body: { PeerName: "east" } }),
  demand("POST /v1/peering/establish", "peering:write", { body: { PeerName: "west", PeeringToken: "none" } }),
  demand("GET /v1/peering/:name", "peering:read"),
  demand("DELETE /v1/peering/:name", "peering:write"),
  demand("GET /v1/peerings", "peering:read"),
];

const queriesAndEvents = [
  demand("POST /v1/query", "query:write:other", { body: { Name: "other", Service: { Service: "web" } } }),
  filter("GET /v1/query", "query:read:web", '"web"'),
  demand("GET /v1/query/:id", "query:read:web", { url: "/v1/query/{query}" }),
  demand("PUT /v1/query/:id", "query:write:web", {
    url: "/v1/query/{query}",
    body: { Name: "web", Service: { Service: "web" } },
  }),
  demand("DELETE /v1/query/:id", "query:write:web", { url: "/v1/query/{query}" }),
  demand("GET /v1/query/:id/explain", "query:read:web", { url: "/v1/query/web/explain" }),
  filter("GET /v1/query/:id/execute", [web.read, node.read], "vm1", { url: "/v1/query/web/execute" }),
  demand("PUT /v1/event/fire/:name", "event:write:web"),
  filter("GET /v1/event/list", "event:read:web", '"web"'),
];

const keysAndSessions = [
  filter("GET /v1/kv", "key:read:web", '"web"', { url: "/v1/kv?recurse" }),
  demand("GET /v1/kv/*", "key:read:web"),
  demand("PUT /v1/kv/*", "key:write:web"),
  demand("DELETE /v1/kv/*", "key:write:web"),
  demand("PUT /v1/txn", "key:write:web", {
    body: [{ KV: { Verb: "set", Key: "web", Value: "" } }],
    denial: "409",
  }),
  demand("PUT /v1/session/create", "session:write:vm1", { body: { Node: "vm1" } }),
  demand("PUT /v1/session/destroy/:session", "session:write:vm1"),
  demand("PUT /v1/session/renew/:session", "session:write:vm1"),
  filter("GET /v1/session/info/:session", "session:read:vm1", "vm1"),
  filter("GET /v1/session/node/:node", "session:read:vm1", "vm1"),
  filter("GET /v1/session/list", "session:read:vm1", "vm1"),
];

const operator = [
  ...["GET", "POST", "PUT", "DELETE"].map((method) =>
    demand(`${method} /v1/operator/keyring`, method === "GET" ? "keyring:read" : "keyring:write", {
      ...(method !== "GET" && { body: { Key: "none" } }),
    }),
  ),
  demand("GET /v1/operator/usage", "operator:read"),
  demand("GET /v1/operator/raft/configuration", "operator:read"),
  demand("DELETE /v1/operator/raft/peer", "operator:write", { url: "/v1/operator/raft/peer?id=none" }),
  demand("POST /v1/operator/raft/transfer-leader", "operator:write", {
    url: "/v1/operator/raft/transfer-leader?id=none",
  }),
  demand("POST /v1/operator/raft/learner", "operator:write"),
  demand("POST /v1/operator/raft/promote", "operator:write", { url: "/v1/operator/raft/promote?id=none" }),
  demand("GET /v1/operator/autopilot/configuration", "operator:read"),
  demand("PUT /v1/operator/autopilot/configuration", "operator:write", { body: {} }),
  demand("GET /v1/operator/autopilot/health", "operator:read"),
  demand("GET /v1/operator/autopilot/state", "operator:read"),
  demand("GET /v1/snapshot", "acl:write"),
  demand("PUT /v1/snapshot", "acl:write", { body: "no snapshot" }),
];

const internal = [
  filter("GET /v1/internal/members", node.read, "vm1"),
  demand("PUT /v1/internal/force-leave/*", "operator:write", { url: "/v1/internal/force-leave/vm1" }),
  filter("GET /v1/internal/ui/nodes", node.read, "vm1"),
  demand("GET /v1/internal/ui/node/:node", node.read),
  filter("GET /v1/internal/ui/services", web.read, '"web"'),
  demand("GET /v1/internal/ui/service-topology/:service", web.read),
  demand("GET /v1/internal/ui/gateway-services-nodes/:gateway", web.read),
  demand("GET /v1/internal/ui/gateway-intentions/:gateway", "intention:read:web"),
  demand("GET /v1/internal/ui/catalog-overview", "operator:read"),
  demand("GET /v1/internal/ui/exported-services", "peering:read"),
  plain("open", "GET /v1/internal/ui/metrics-proxy/*"),
  demand("PUT /v1/internal/service-virtual-ip", "mesh:write", { body: { Service: "web" } }),
  demand("GET /v1/internal/service-virtual-ip/:service", web.read),
  filter("GET /v1/internal/address/:address", node.read, "vm1", { url: "/v1/internal/address/127.0.0.1" }),
  filter("GET /v1/internal/capital-names", "service:read:Capital", "Capital"),
  demand("GET /v1/internal/federation-states", "operator:read"),
  demand("GET /v1/internal/federation-states/mesh-gateways", "operator:read"),
];

const accessControl = [
  plain("open", "PUT /v1/acl/bootstrap"),
  demand("GET /v1/acl/replication", "acl:read"),
  demand("GET /v1/acl/tokens", "acl:read"),
  plain("any", "GET /v1/acl/token/self"),
  demand("PUT /v1/acl/token", "acl:write", { body: {} }),
  demand("GET /v1/acl/token/:accessor", "acl:read"),
  demand("PUT /v1/acl/token/:accessor", "acl:write", { body: {} }),
  demand("DELETE /v1/acl/token/:accessor", "acl:write"),
  demand("PUT /v1/acl/token/:accessor/clone", "acl:write"),
  demand("GET /v1/acl/policies", "acl:read"),
  demand("PUT /v1/acl/policy", "acl:write", { body: {} }),
  demand("GET /v1/acl/policy/:id", "acl:read"),
  demand("PUT /v1/acl/policy/:id", "acl:write", { body: {} }),
  demand("DELETE /v1/acl/policy/:id", "acl:write"),
  demand("GET /v1/acl/policy/name/*", "acl:read"),
  demand("GET /v1/acl/roles", "acl:read"),
  demand("PUT /v1/acl/role", "acl:write", { body: {} }),
  demand("GET /v1/acl/role/:id", "acl:read"),
  demand("PUT /v1/acl/role/:id", "acl:write", { body: {} }),
  demand("DELETE /v1/acl/role/:id", "acl:write"),
  demand("GET /v1/acl/role/name/:name", "acl:read"),
  demand("GET /v1/acl/templated-policies", "acl:read"),
  demand("GET /v1/acl/templated-policy/name/*", "acl:read", { url: "/v1/acl/templated-policy/name/builtin/dns" }),
  demand("POST /v1/acl/templated-policy/preview/*", "acl:read", {
    url: "/v1/acl/templated-policy/preview/builtin/dns",
  }),
  plain("any", "POST /v1/internal/acl/authorize", { body: [] }),
  plain("any", "GET /v1/internal/acl/resolve"),
  plain("open", "POST /v1/acl/login", { body: { AuthMethod: "none", BearerToken: "none" } }),
  plain("own", "POST /v1/acl/logout"),
  ...["binding-rule", "auth-method"].flatMap((what) => [
    demand(`GET /v1/acl/${what}s`, "acl:read"),
    demand(`PUT /v1/acl/${what}`, "acl:write", { body: {} }),
    ...["GET", "PUT", "DELETE"].map((method) =>
      demand(
        `${method} /v1/acl/${what}/${what === "binding-rule" ? ":id" : ":name"}`,
        method === "GET" ? "acl:read" : "acl:write",
        { ...(method === "PUT" && { body: {} }) },
      ),
    ),
  ]),
];

export const matrixRows: readonly MatrixRow[] = [
  ...agent,
  ...catalog,
  ...coordinates,
  ...mesh,
  ...queriesAndEvents,
  ...keysAndSessions,
  ...operator,
  ...internal,
  ...accessControl,
];
