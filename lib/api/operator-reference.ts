import { type ApiReference, reading } from "./route-reference.ts";

/** Routes of operators, snapshots, web pages and agents among themselves. */
export const operatorReference: ApiReference = {
  "GET /v1/operator/raft/configuration": {
    summary: "The servers that replicate the log",
    query: ["stale"],
    answer: "json",
    rule: "operator:read",
  },
  "DELETE /v1/operator/raft/peer": {
    summary: "Takes a server out",
    query: ["id", "address"],
    answer: "nothing",
    rule: "operator:write",
  },
  "POST /v1/operator/raft/transfer-leader": {
    summary: "Hands leadership over",
    query: ["id"],
    answer: "json",
    rule: "operator:write",
  },
  "POST /v1/operator/raft/learner": {
    summary: "Adds a server without a vote (not in Consul)",
    query: ["id", "address"],
    answer: "nothing",
    rule: "operator:write",
  },
  "POST /v1/operator/raft/promote": {
    summary: "Gives a server a vote (not in Consul)",
    query: ["id"],
    answer: "nothing",
    rule: "operator:write",
  },
  "GET /v1/operator/autopilot/configuration": {
    summary: "How autopilot looks after the servers",
    answer: "json",
    rule: "operator:read",
  },
  "PUT /v1/operator/autopilot/configuration": {
    summary: "Changes how autopilot looks after the servers",
    query: ["cas"],
    answer: "boolean",
    rule: "operator:write",
  },
  "GET /v1/operator/autopilot/health": {
    summary: "The health of the servers, 429 when they are not well",
    answer: "json",
    rule: "operator:read",
  },
  "GET /v1/operator/autopilot/state": {
    summary: "The health of the servers, in more detail",
    answer: "json",
    rule: "operator:read",
  },
  "GET /v1/operator/keyring": { summary: "The keys of gossip: there are none", answer: "json", rule: "keyring:read" },
  "POST /v1/operator/keyring": { summary: "Refused: there is no gossip", answer: "json", rule: "keyring:write" },
  "PUT /v1/operator/keyring": { summary: "Refused: there is no gossip", answer: "json", rule: "keyring:write" },
  "DELETE /v1/operator/keyring": { summary: "Refused: there is no gossip", answer: "json", rule: "keyring:write" },
  "GET /v1/operator/usage": {
    summary: "How many nodes, services and instances there are",
    query: ["global", "stale"],
    answer: "json",
    rule: "operator:read",
  },
  "GET /v1/snapshot": {
    summary: "The state of the servers as an archive",
    query: ["stale"],
    answer: "bytes",
    rule: "management",
  },
  "PUT /v1/snapshot": {
    summary: "Replaces the state of the servers by that of an archive",
    body: "bytes",
    answer: "nothing",
    rule: "management",
  },
  "PUT /v1/internal/service-virtual-ip": {
    summary: "Gives a service virtual addresses of one's own",
    answer: "json",
    rule: "service:write",
  },
  "GET /v1/internal/service-virtual-ip/:service": {
    summary: "The virtual addresses of a service (not in Consul)",
    query: [...reading],
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/internal/address/:address": {
    summary: "What has an address (not in Consul)",
    answer: "json",
    rule: "node:read, service:read",
  },
  "GET /v1/internal/members": {
    summary: "What agents answer as their members (not in Consul)",
    answer: "json",
    rule: "node:read",
  },
  "PUT /v1/internal/force-leave/*": {
    summary: "Takes a node out that lost its lease (not in Consul)",
    query: ["prune"],
    answer: "nothing",
    rule: "operator:write",
    path: "/v1/internal/force-leave/{node}",
  },
  "GET /v1/internal/federation-states": {
    summary: "What is known of other datacenters: nothing",
    answer: "json",
    rule: "operator:read",
  },
  "GET /v1/internal/federation-states/mesh-gateways": {
    summary: "The mesh gateways of other datacenters: none",
    answer: "json",
    rule: "operator:read",
  },
  "GET /v1/internal/ui/nodes": { summary: "All nodes with what is on them", answer: "json", rule: "node:read" },
  "GET /v1/internal/ui/node/:node": { summary: "One node with what is on it", answer: "json", rule: "node:read" },
  "GET /v1/internal/ui/services": { summary: "All services with counts", answer: "json", rule: "service:read" },
  "GET /v1/internal/ui/catalog-overview": {
    summary: "Counts over the whole catalog",
    answer: "json",
    rule: "operator:read",
  },
  "GET /v1/internal/ui/service-topology/:service": {
    summary: "Who calls a service and whom it calls",
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/internal/ui/gateway-services-nodes/:gateway": {
    summary: "The instances of a gateway",
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/internal/ui/gateway-intentions/:gateway": {
    summary: "The intentions of a gateway",
    answer: "json",
    rule: "intentions:read",
  },
  "GET /v1/internal/ui/exported-services": {
    summary: "The services that peers are given",
    answer: "json",
    rule: "peering:read",
  },
  "GET /v1/internal/ui/metrics-proxy/*": {
    summary: "Refused: there is no metrics provider",
    answer: "text",
    path: "/v1/internal/ui/metrics-proxy/{path}",
  },
  "GET /v1/openapi.json": { summary: "This document", answer: "json" },
};
