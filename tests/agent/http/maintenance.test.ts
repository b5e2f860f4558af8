import { expect, test } from "bun:test";
import { reloadConfigured } from "../../../agent/config/reload.ts";
import { createMaintenance } from "../../../agent/maintenance.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { service, startTestAgent } from "../test-registrations.ts";
import { startTestAgentApp, type TestAgentApp } from "./test-agent-app.ts";

async function check(app: TestAgentApp, id: string): Promise<unknown> {
  return (await app.call("GET", "/v1/agent/checks")).json()[id];
}

function inCatalog(app: TestAgentApp): string[] {
  return app.agent.catalog.state.reader.nodeChecks("vm1").value.map((one) => `${one.CheckID} ${one.Status}`);
}

test("a service in maintenance is critical in the catalog and worse than critical in the agent's health", async () => {
  using dir = createTempDir();
  const app = await startTestAgentApp({ dataDir: dir.path });
  const web = { Name: "web", ID: "web/1", Check: { CheckID: "beat", TTL: "1h", Status: "passing" } };
  await app.call("PUT", "/v1/agent/service/register", web);
  const health = async (): Promise<string> => {
    const answer = await app.call("GET", "/v1/agent/health/service/id/web/1?format=text");
    return `${answer.status} ${answer.text}`;
  };
  expect(await health()).toBe("200 passing");
  const on = await app.call("PUT", "/v1/agent/service/maintenance/web/1?enable=true&reason=new+disk");
  expect([on.status, on.text]).toEqual([200, ""]);
  expect(await health()).toBe("503 maintenance");
  expect((await app.call("GET", "/v1/agent/health/service/name/web")).json()).toMatchObject([
    { AggregatedStatus: "maintenance" },
  ]);
  expect(await check(app, "_service_maintenance:web/1")).toMatchObject({
    Node: "vm1",
    Name: "Service Maintenance Mode",
    Status: "critical",
    Notes: "new disk",
    ServiceID: "web/1",
    ServiceName: "web",
    Type: "maintenance",
    Interval: "",
    Timeout: "",
  });
  expect(inCatalog(app)).toContain("_service_maintenance:web/1 critical");
  expect((await app.call("PUT", "/v1/agent/service/maintenance/web/1?enable=true")).status).toBe(200);
  expect(await check(app, "_service_maintenance:web/1")).toMatchObject({ Notes: "new disk" });
  for (let i = 0; i < 2; i++) {
    expect((await app.call("PUT", "/v1/agent/service/maintenance/web/1?enable=false")).status).toBe(200);
  }
  expect(await health()).toBe("200 passing");
  expect(inCatalog(app)).toEqual(["beat passing", "serfHealth passing"]);
  await app.stop();
});

test("a node in maintenance takes all its services out, and comes back", async () => {
  using dir = createTempDir();
  const app = await startTestAgentApp({ dataDir: dir.path });
  await app.call("PUT", "/v1/agent/service/register", { Name: "web" });
  expect((await app.call("PUT", "/v1/agent/maintenance?enable=1")).status).toBe(200);
  expect(await check(app, "_node_maintenance")).toMatchObject({
    Name: "Node Maintenance Mode",
    ServiceID: "",
    Notes: "Maintenance mode is enabled for this node, but no reason was provided. This is a default message.",
  });
  expect((await app.call("GET", "/v1/agent/health/service/name/web?format=text")).text).toBe("maintenance");
  expect(inCatalog(app)).toContain("_node_maintenance critical");
  expect((await app.call("PUT", "/v1/agent/maintenance?enable=f")).status).toBe(200);
  expect((await app.call("GET", "/v1/agent/health/service/name/web?format=text")).text).toBe("passing");
  await app.stop();
});

test.each([
  ["/v1/agent/maintenance", 400, "Missing value for enable"],
  ["/v1/agent/maintenance?enable=perhaps", 400, 'Invalid value for enable: "perhaps"'],
  ["/v1/agent/service/maintenance/?enable=true", 400, "Missing service ID"],
  ["/v1/agent/service/maintenance/web", 400, "Missing value for enable"],
  ["/v1/agent/service/maintenance/web?enable=true", 404, 'Unknown service ID "web"'],
])("%s is %d", async (path, status, text) => {
  using dir = createTempDir();
  const app = await startTestAgentApp({ dataDir: dir.path });
  const answer = await app.call("PUT", path);
  expect(answer.status).toBe(status);
  expect(answer.text).toContain(text);
  await app.stop();
});

test("maintenance outlives the agent, also of a service that a file registers, and a reload of that file", async () => {
  using dir = createTempDir();
  const configured = { services: [service({ Name: "filed", Check: { CheckID: "own", TTL: "1h" } })], checks: [] };
  const first = await startTestAgent({ dataDir: dir.path, configured });
  const maintenance = createMaintenance(first);
  await maintenance.setService("filed", { isEnabled: true, reason: "why" });
  await maintenance.setNode({ isEnabled: true, reason: "" });
  await reloadConfigured({ registrations: first, previous: configured, next: configured });
  const ids = ["_node_maintenance", "_service_maintenance:filed", "own"];
  expect([...first.state.checks().keys()].sort()).toEqual(ids);
  await first.stop();
  const second = await startTestAgent({ dataDir: dir.path, configured });
  expect([...second.state.checks().keys()].sort()).toEqual(ids);
  const kept = second.state.checks().get("_service_maintenance:filed")?.fields;
  expect(kept).toMatchObject({ Status: "critical", Notes: "why", ServiceName: "filed" });
  await second.stop();
  const third = await startTestAgent({ dataDir: dir.path });
  expect([...third.state.checks().keys()]).toEqual(["_node_maintenance"]);
  await third.stop();
});
