import { type ApiReference, reading } from "./route-reference.ts";

/** Routes of keys, sessions, events and prepared queries. */
export const kvReference: ApiReference = {
  "GET /v1/kv": {
    summary: "All keys, or their names",
    query: [...reading, "recurse", "keys", "separator"],
    answer: "json",
    rule: "key:read, key:list",
  },
  "GET /v1/kv/*": {
    summary: "A key, the keys below it, or their names",
    query: [...reading, "recurse", "raw", "keys", "separator"],
    answer: "json",
    rule: "key:read, key:list",
    path: "/v1/kv/{key}",
  },
  "PUT /v1/kv/*": {
    summary: "Writes the value of a key",
    query: ["flags", "cas", "acquire", "release", "ttl"],
    body: "bytes",
    answer: "boolean",
    rule: "key:write",
    path: "/v1/kv/{key}",
  },
  "DELETE /v1/kv/*": {
    summary: "Deletes a key, or all below it",
    query: ["recurse", "cas"],
    answer: "boolean",
    rule: "key:write",
    path: "/v1/kv/{key}",
  },
  "PUT /v1/txn": {
    summary: "Carries out up to 128 operations, all or none",
    body: "json",
    answer: "json",
    rule: "of each operation",
  },
  "PUT /v1/session/create": { summary: "Begins a session", body: "json", answer: "json", rule: "session:write" },
  "PUT /v1/session/destroy/:session": {
    summary: "Ends a session and lets go of what it holds",
    answer: "boolean",
    rule: "session:write",
  },
  "PUT /v1/session/renew/:session": { summary: "Renews a session with a TTL", answer: "json", rule: "session:write" },
  "GET /v1/session/info/:session": {
    summary: "One session",
    query: [...reading],
    answer: "json",
    rule: "session:read",
  },
  "GET /v1/session/node/:node": {
    summary: "The sessions of a node",
    query: [...reading],
    answer: "json",
    rule: "session:read",
  },
  "GET /v1/session/list": { summary: "All sessions", query: [...reading], answer: "json", rule: "session:read" },
  "PUT /v1/event/fire/:name": {
    summary: "Tells the nodes something",
    query: ["node", "service", "tag"],
    body: "bytes",
    answer: "json",
    rule: "event:write",
  },
  "GET /v1/event/list": {
    summary: "The newest events",
    query: ["name", "index", "wait"],
    answer: "json",
    rule: "event:read",
  },
  "POST /v1/query": { summary: "Creates a prepared query", answer: "json", rule: "query:write" },
  "GET /v1/query": { summary: "All prepared queries", query: [...reading], answer: "json", rule: "query:read" },
  "GET /v1/query/:id": { summary: "One prepared query", query: [...reading], answer: "json", rule: "query:read" },
  "PUT /v1/query/:id": { summary: "Replaces a prepared query", answer: "nothing", rule: "query:write" },
  "DELETE /v1/query/:id": { summary: "Deletes a prepared query", answer: "nothing", rule: "query:write" },
  "GET /v1/query/:id/execute": {
    summary: "The instances that a query asks for",
    query: ["limit", "near", "connect", "cached", "stale", "consistent"],
    answer: "json",
    rule: "service:read",
  },
  "GET /v1/query/:id/explain": { summary: "A query as its template fills it in", answer: "json", rule: "query:read" },
};
