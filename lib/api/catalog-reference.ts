import { type ApiReference, listing, reading } from "./route-reference.ts";

/** Routes of the catalog, health, coordinates and status. */
export const catalogReference: ApiReference = {
  "PUT /v1/catalog/register": {
    summary: "Registers a node, a service and checks, all or nothing",
    answer: "boolean",
    rule: "node:write, service:write",
  },
  "PUT /v1/catalog/deregister": {
    summary: "Takes out a node, a service or a check",
    answer: "boolean",
    rule: "node:write, service:write",
  },
  "GET /v1/catalog/datacenters": { summary: "The datacenters, the nearest first", answer: "json" },
  "GET /v1/catalog/nodes": {
    summary: "All nodes",
    query: [...listing, "near", "node-meta"],
    answer: "json",
    rule: "node:read",
  },
  "GET /v1/catalog/services": {
    summary: "The names of all services with their tags",
    query: [...listing, "node-meta", "cached"],
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/catalog/service/:service": {
    summary: "The instances of a service",
    query: [...listing, "tag", "near", "node-meta", "cached", "merge-central-config", "peer"],
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/catalog/connect/:service": {
    summary: "The instances that take mesh traffic for a service",
    query: [...listing, "tag", "near", "node-meta", "cached", "merge-central-config", "peer"],
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/catalog/node/:node": {
    summary: "A node with its services by ID",
    query: [...listing],
    answer: "json",
    rule: "node:read",
  },
  "GET /v1/catalog/node-services/:node": {
    summary: "A node with a list of its services",
    query: [...listing, "merge-central-config"],
    answer: "json",
    rule: "node:read",
  },
  "GET /v1/catalog/gateway-services/:gateway": {
    summary: "The services behind a gateway",
    query: [...reading],
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/health/node/:node": {
    summary: "The checks of a node",
    query: [...listing],
    answer: "json",
    rule: "node:read",
  },
  "GET /v1/health/checks/:service": {
    summary: "The checks of a service",
    query: [...listing, "near", "node-meta"],
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/health/state/:state": {
    summary: "The checks in a state",
    query: [...listing, "near", "node-meta"],
    answer: "json",
    rule: "node:read",
  },
  "GET /v1/health/service/:service": {
    summary: "The instances of a service with their nodes and checks",
    query: [...listing, "passing", "tag", "near", "node-meta", "cached", "merge-central-config", "peer"],
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/health/connect/:service": {
    summary: "The instances that take mesh traffic, with their nodes and checks",
    query: [...listing, "passing", "tag", "near", "node-meta", "cached", "merge-central-config", "peer"],
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/health/ingress/:service": {
    summary: "The ingress gateways before a service",
    query: [...listing, "passing", "near", "node-meta", "cached"],
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/coordinate/datacenters": { summary: "The coordinates of the servers of all datacenters", answer: "json" },
  "GET /v1/coordinate/nodes": {
    summary: "The coordinates of all nodes",
    query: [...reading],
    answer: "json",
    rule: "node:read",
  },
  "GET /v1/coordinate/node/:node": {
    summary: "The coordinates of a node",
    query: [...reading],
    answer: "json",
    rule: "node:read",
  },
  "PUT /v1/coordinate/update": { summary: "Sets the coordinates of a node", answer: "nothing", rule: "node:write" },
  "GET /v1/status/leader": { summary: "The address of the leader", answer: "json" },
  "GET /v1/status/peers": { summary: "The addresses of all servers", answer: "json" },
};
