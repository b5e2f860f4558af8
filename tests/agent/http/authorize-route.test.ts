import { expect, test } from "bun:test";
import type { Intention } from "../../../lib/contract/intentions.ts";
import type { IntentionsValue } from "../../../lib/contract/topics.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { startTestAgentApp } from "./test-agent-app.ts";

const roots = { index: 3, value: { activeRootId: "aa", trustDomain: "id.consul", roots: [] } };

function rule(sourceName: string, destinationName: string, more: Partial<Intention>): Intention {
  return { sourceName, destinationName, action: "deny", precedence: 9, description: "", ...more };
}

const permissions = [
  { Action: "allow", HTTP: { PathExact: "/", PathPrefix: "", PathRegex: "", Header: [], Methods: [] } } as const,
];

const intentions: IntentionsValue = {
  defaultAction: "allow",
  rules: [
    rule("*", "db", { precedence: 8 }),
    rule("web", "db", { action: "allow" }),
    rule("api", "db", { action: "allow", permissions }),
    rule("*", "*", { precedence: 5, action: "deny" }),
  ],
};

const uri = (service: string, domain = "id.consul"): string => `spiffe://${domain}/ns/default/dc/dc1/svc/${service}`;

async function ask(body: object, value = intentions) {
  using dir = createTempDir();
  const app = await startTestAgentApp({
    dataDir: dir.path,
    certificates: { caRoots: async () => roots },
    intentions: async () => value,
  });
  const answer = await app.call("POST", "/v1/agent/connect/authorize", body);
  await app.stop();
  return answer;
}

test.each([
  ["web", true, "Matched intention: ALLOW default/web => default/db (Precedence: 9)"],
  ["other", false, "Matched intention: DENY default/* => default/db (Precedence: 8)"],
  ["api", false, "Matched L7 intention: 1 PERMISSIONS default/api => default/db (Precedence: 9)"],
])("%s may connect: %j", async (source, isAuthorized, reason) => {
  const answer = await ask({ Target: "db", ClientCertURI: uri(source), ClientCertSerial: "01" });
  expect(answer.json()).toEqual({ Authorized: isAuthorized, Reason: reason });
});

test("what no intention is about follows the default, another trust domain never comes in", async () => {
  const none = { rules: [], defaultAction: "allow" } as const;
  const byDefault = await ask({ Target: "cache", ClientCertURI: uri("web") }, none);
  expect(byDefault.json()).toEqual({ Authorized: true, Reason: "Default behavior configured by ACLs" });
  const set = await ask({ Target: "cache", ClientCertURI: uri("web") }, { ...none, isDefaultSet: true });
  expect(set.json()).toEqual({ Authorized: true, Reason: "Default intention policy" });
  const stranger = await ask({ Target: "db", ClientCertURI: uri("web", "else.consul") });
  expect(stranger.json()).toEqual({
    Authorized: false,
    Reason: "Identity from an external trust domain: else.consul",
  });
});

test.each([
  [{ ClientCertURI: uri("web") }, "Target service must be specified"],
  [{ Target: "db", ClientCertURI: "web" }, "ClientCertURI not a valid Service identifier"],
  [{ Target: "db", ClientCertURI: "spiffe://id.consul/agent/client/dc/dc1/id/n" }, "not a valid Service identifier"],
])("%j is refused", async (body, message) => {
  const answer = await ask(body);
  expect(answer.status).toBe(400);
  expect(answer.text).toContain(message);
});
