import { expect, test } from "bun:test";
import { auditCreated, auditResources } from "../../../lib/audit/audit-resources.ts";

const secret = "5ecre7-5ecre7";
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test.each<[string, unknown, unknown, Record<string, string>?]>([
  ["/v1/kv/a/b", Buffer.from(secret), [{ type: "key", name: "a/b", bytes: 13, sha256: "d5b7d0c27e623d5b" }]],
  ["/v1/kv/", undefined, [{ type: "key", name: "" }]],
  [
    "/v1/catalog/register",
    { Node: "n", Service: { ID: "w1", Service: "web" }, Check: { Name: "c1" }, Checks: [{ CheckID: "c2" }] },
    [
      { type: "node", name: "n" },
      { type: "service", name: "w1", node: "n" },
      { type: "check", name: "c1", node: "n" },
      { type: "check", name: "c2", node: "n" },
    ],
  ],
  ["/v1/catalog/deregister", { node: "n", service_id: "w1" }, [{ type: "service", name: "w1", node: "n" }]],
  ["/v1/catalog/deregister", bytes({ Node: "n" }), [{ type: "node", name: "n" }]],
  ["/v1/config", bytes({ kind: "mesh", Name: "mesh" }), [{ type: "config-entry", name: "mesh/mesh" }]],
  ["/v1/config/service-defaults/web", undefined, [{ type: "config-entry", name: "service-defaults/web" }]],
  ["/v1/connect/intentions/exact", {}, [{ type: "intention", name: "a => b" }], { source: "a", destination: "b" }],
  ["/v1/connect/intentions", { SourceName: "a", DestinationName: "b" }, [{ type: "intention", name: "a => b" }]],
  ["/v1/connect/intentions/8f", {}, [{ type: "intention", name: "8f" }]],
  ["/v1/session/create", { Name: "s", Node: "n" }, [{ type: "session", name: "s", node: "n" }]],
  ["/v1/session/destroy/8f", undefined, [{ type: "session", name: "destroy/8f" }]],
  ["/v1/acl/token", { AccessorID: "8f", SecretID: secret }, [{ type: "acl-token", name: "8f" }]],
  ["/v1/acl/token/8f/clone", { SecretID: secret }, [{ type: "acl-token", name: "8f/clone" }]],
  ["/v1/acl/policy", { Name: "p", Rules: secret }, [{ type: "acl-policy", name: "p" }]],
  ["/v1/acl/policy/8f", { Name: "p" }, [{ type: "acl-policy", name: "8f" }]],
  [
    "/v1/acl/auth-method",
    { Name: "k", Config: { ServiceAccountJWT: secret } },
    [{ type: "acl-auth-method", name: "k" }],
  ],
  ["/v1/acl/binding-rule", { AuthMethod: "k" }, [{ type: "acl-binding-rule", name: "k" }]],
  ["/v1/acl/login", bytes({ AuthMethod: "k", BearerToken: secret }), [{ type: "acl-auth-method", name: "k" }]],
  ["/v1/acl/bootstrap", { BootstrapSecret: secret }, [{ type: "acl", name: "bootstrap" }]],
  ["/v1/agent/token/default", { Token: secret }, [{ type: "agent-token", name: "default" }]],
  ["/v1/agent/service/register", { Name: "web", Token: secret }, [{ type: "service", name: "web" }]],
  ["/v1/agent/service/deregister/web", undefined, [{ type: "agent-service", name: "deregister/web" }]],
  ["/v1/query", { Name: "q", Token: secret }, [{ type: "query", name: "q" }]],
  ["/v1/event/fire/deploy", Buffer.from(secret), [{ type: "event", name: "fire/deploy" }]],
  ["/v1/connect/ca/configuration", { Config: { PrivateKey: secret } }, [{ type: "connect", name: "ca/configuration" }]],
  [
    "/v1/txn",
    bytes([
      { KV: { Verb: "set", Key: "k", Value: Buffer.from(secret).toString("base64") } },
      { KV: { Verb: "delete", Key: "l" } },
      { Node: { Verb: "set", Node: { Node: "n" } } },
      { Service: { Verb: "delete", Node: "n", Service: { ID: "w1" } } },
      { Check: { Verb: "delete", Check: { Node: "n", CheckID: "c1" } } },
      7,
    ]),
    [
      { type: "key", name: "k", operation: "set", bytes: 13, sha256: "d5b7d0c27e623d5b" },
      { type: "key", name: "l", operation: "delete" },
      { type: "node", name: "n", operation: "set" },
      { type: "service", name: "w1", node: "n", operation: "delete" },
      { type: "check", name: "c1", node: "n", operation: "delete" },
    ],
  ],
  ["/v1/txn", Buffer.from("[{"), []],
  ["/v1/catalog/register", Buffer.from("null"), [{ type: "node", name: "" }]],
])("%s names what it changes and no secret", (path, body, resources, query = {}) => {
  const found = auditResources({ path, query, body });
  expect(found).toEqual(resources as typeof found);
  expect(JSON.stringify(found)).not.toContain(secret);
});

test("what is made is named by the answer", () => {
  const answer = bytes({ AccessorID: "8f", SecretID: secret, ID: "9a" });
  expect(auditCreated("/v1/acl/login", answer)).toEqual({ type: "acl-token", name: "8f" });
  expect(auditCreated("/v1/acl/token", answer.toString())).toEqual({ type: "acl-token", name: "8f" });
  expect(auditCreated("/v1/session/create", answer)).toEqual({ type: "session", name: "9a" });
  expect(auditCreated("/v1/kv/a", Buffer.from("true"))).toBeUndefined();
  expect(auditCreated("/v1/acl/login", Buffer.from("Permission denied"))).toBeUndefined();
});

test("names and their number are bounded", () => {
  const many = Array.from({ length: 500 }, () => ({ KV: { Verb: "set", Key: "k".repeat(10_000) } }));
  const found = auditResources({ path: "/v1/txn", query: {}, body: many });
  expect(found).toHaveLength(128);
  expect(found[0]?.name).toHaveLength(513);
});
