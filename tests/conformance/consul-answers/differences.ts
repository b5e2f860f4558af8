import type { Step } from "./step.ts";

/** Where Atoll answers otherwise, and why; an answer that is no longer another one must leave the list. */
const stricter = "what means nothing is refused, not kept";
const emptyId = "an id that is empty is missing, not unknown";
const upstreamType = "upstreams are kept with their defaults";
const checkShape = "checks are told as /v1/agent/checks tells them";
const noGossip = "there is no gossip: no tags, ports and keys of it";
const chainTargets =
  "proxies choose a subset's endpoints themselves: its name is in no server name; nor are there gateways";
const hidden = "a secret is told once, when it is made: only its hash is kept";
const ownWords = "the built-in policies have descriptions of our own";
const later = "Consul has it since a later version";

export type Difference = readonly [request: string, why: string, body?: string];

export const differences: readonly Difference[] = [
  ["GET /v1/catalog/connect/web", upstreamType],
  ['GET /v1/catalog/node/vm2?filter=Kind=="connect-proxy"', upstreamType],
  ["GET /v1/health/connect/web", upstreamType],
  ["GET /v1/health/state/nothing", stricter],
  ["PUT /v1/catalog/register", stricter, '"Service":{}'],
  ["PUT /v1/catalog/register", stricter, '"Kind":"nothing"'],
  ["PUT /v1/catalog/register", stricter, '"Passing":-1'],
  ["PUT /v1/catalog/register", stricter, '"Status":"well"'],
  ["GET /v1/catalog/node/vm9", stricter],
  ["GET /v1/health/node/vm9", stricter],
  ["GET /v1/catalog/nodes?ns=team", later],
  ["GET /v1/agent/services", upstreamType],
  ["GET /v1/agent/service/side-sidecar-proxy", upstreamType],
  ["GET /v1/agent/health/service/id/api1", checkShape],
  ["GET /v1/agent/health/service/name/api", checkShape],
  ["PUT /v1/agent/check/pass/", emptyId],
  ["PUT /v1/agent/check/deregister/", emptyId],
  ["PUT /v1/agent/service/deregister/", emptyId],
  ["PUT /v1/agent/service/register", stricter, '"Kind":"mesh"'],
  ["PUT /v1/agent/service/register", "a field that is not known is logged, so that newer clients work", '"Unknown"'],
  ["GET /v1/agent/checks?filter=CheckID==_node_maintenance", "values may begin with an underscore"],
  ["GET /v1/agent/members?wan=1", noGossip],
  ["POST /v1/agent/connect/authorize", "an identity of another trust domain is nobody's here", "spiffe://11111111"],
  ["GET /v1/agent/checks", "the output of an alias names the node"],
  ["PUT /v1/txn", "a service is deleted by its ID alone", '"Verb":"delete"'],
  ["POST /v1/query", "a token means nothing without ACLs", '"Token"'],
  ["GET /v1/coordinate/datacenters?dc=dc9", "a datacenter that is not known is refused everywhere"],
  ["GET /v1/coordinate/node/", emptyId],
  ["GET /v1/operator/autopilot/configuration", "defaults have no index until somebody writes them"],
  ["GET /v1/operator/keyring?relay-factor=9", noGossip],
  ["GET /v1/operator/keyring?local-only=perhaps", noGossip],
  ["GET /v1/exported-services", later],
  ["GET /v1/config/", "a list is of one kind"],
  ["GET /v1/config/service-defaults?filter=Name==web", later],
  ["GET /v1/discovery-chain/web", chainTargets],
  ["GET /v1/discovery-chain/web?compile-dc=dc2", chainTargets],
  ["POST /v1/discovery-chain/web", chainTargets, "Override"],
  ["PUT /v1/config", stricter, '"Protocol":5'],
  ["PUT /v1/config", stricter, '"Port":0'],
  ["PUT /v1/config?cas=1", "a stale index is refused also where the entry would not change"],
  ["DELETE /v1/config/service-defaults", "an entry has a name, so there is no such path to delete"],
  ["GET /v1/connect/intentions/nothing", "no intention has such an ID"],
  ["POST /v1/connect/intentions", "what is missing is named", "{}"],
  ["GET /v1/connect/intentions/<intention>", "intentions have no times of their own: they are parts of entries"],
  ["GET /v1/connect/intentions/exact?source=old&destination=way", "intentions have no times of their own"],
  ["GET /v1/acl/token/self", "the anonymous token is a token"],
  ["GET /v1/acl/policies", ownWords],
  ["GET /v1/acl/policy/name/global-management", ownWords],
  ["GET /v1/acl/policy/00000000-0000-0000-0000-000000000001", ownWords],
  ["GET /v1/acl/token/00000000-0000-0000-0000-000000000002", hidden],
  ["GET /v1/acl/tokens?policy=x", "nothing has such an ID"],
  ["PUT /v1/acl/policy", stricter, "thing "],
  ["GET /v1/acl/policy/", "nothing has such an ID"],
  ["GET /v1/acl/tokens?role=<role>", hidden],
  ["PUT /v1/acl/token/<accessor>", hidden, "still a reader"],
  ["PUT /v1/acl/token/11111111-2222-3333-4444-555555555555/clone", "a clone needs no body"],
  ["GET /v1/acl/token/<accessor>", hidden],
  ["GET /v1/acl/token/<accessor>?expanded=true", hidden],
  ["GET /v1/agent/members", noGossip],
  ["GET /v1/health/service/consul", noGossip],
  ["GET /v1/internal/ui/services", noGossip],
  ["DELETE /v1/acl/token/nothing", "a token that is not there is deleted already"],
];

export function differenceOf(step: Step): Difference | undefined {
  const body = step.body === undefined ? "" : JSON.stringify(step.body);
  return differences.find(({ 0: request, 2: part }) => request === step.request && body.includes(part ?? ""));
}
