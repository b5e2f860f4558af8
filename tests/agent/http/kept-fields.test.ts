import { expect, test } from "bun:test";
import { nodeServiceAnswer } from "../../../server/http/catalog-answers.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { startTestAgent } from "../test-registrations.ts";
import { startTestAgentApp, type TestAgentApp } from "./test-agent-app.ts";

const dataPlane = {
  Mode: "transparent",
  TransparentProxy: { OutboundListenerPort: 15_001, DialedDirectly: true },
  MutualTLSMode: "permissive",
  MeshGateway: { Mode: "local" },
  Expose: { Checks: true, Paths: [{ ListenerPort: 21_500, Path: "/healthz", LocalPathPort: 8080, Protocol: "http2" }] },
  EnvoyExtensions: [{ Name: "builtin/lua", Required: true, Arguments: { Script: "x" } }],
  AccessLogs: { Enabled: true, Type: "stdout" },
};

const byHand = {
  Kind: "connect-proxy",
  Name: "web-proxy",
  Port: 20_000,
  Proxy: {
    DestinationServiceName: "web",
    LocalServiceSocketPath: "/run/web.sock",
    Config: { envoy_x: 0 },
    Upstreams: [
      { DestinationName: "db", DestinationPeer: "east", LocalBindPort: 1, MeshGateway: { Mode: "remote" } },
      {
        DestinationName: "q",
        DestinationType: "prepared_query",
        LocalBindSocketPath: "/run/q",
        LocalBindSocketMode: "0600",
      },
    ],
    ...dataPlane,
  },
};

async function agentAnswer(app: TestAgentApp, id: string): Promise<Record<string, unknown>> {
  return (await app.call("GET", `/v1/agent/service/${id}`)).json();
}

function catalogAnswer(app: TestAgentApp, id: string): object {
  const record = app.agent.catalog.state.reader.nodeServices("vm1").value.find((service) => service.ID === id);
  return record === undefined ? {} : nodeServiceAnswer(record);
}

test("what a proxy of another program is told is kept by the agent and the catalog, over a restart too", async () => {
  using dir = createTempDir();
  const app = await startTestAgentApp({ dataDir: dir.path });
  expect((await app.call("PUT", "/v1/agent/service/register", byHand)).status).toBe(200);
  const { LocalServiceSocketPath, Config } = byHand.Proxy;
  const db = { DestinationPeer: "east", LocalBindAddress: "127.0.0.1", MeshGateway: { Mode: "remote" } };
  const query = { DestinationType: "prepared_query", LocalBindSocketPath: "/run/q", LocalBindSocketMode: "0600" };
  const kept = { ...dataPlane, LocalServiceSocketPath, Config, Upstreams: [db, query] };
  expect(await agentAnswer(app, "web-proxy")).toMatchObject({ Kind: "connect-proxy", Proxy: kept });
  expect(catalogAnswer(app, "web-proxy")).toMatchObject({ Kind: "connect-proxy", Proxy: kept });
  await app.stop();
  const again = await startTestAgent({ dataDir: dir.path });
  expect(again.state.services().get("web-proxy")?.fields.Proxy).toMatchObject(kept);
  await again.stop();
});

test.each(["mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"])(
  "a %s is accepted and stored with the settings of its proxy",
  async (kind) => {
    using dir = createTempDir();
    const app = await startTestAgentApp({ dataDir: dir.path });
    const TaggedAddresses = { wan: { Address: "203.0.113.1", Port: 443 } };
    const gateway = { Kind: kind, Name: "gw", Port: 8443, TaggedAddresses, Proxy: { Config: { envoy_dns: "STRICT" } } };
    expect((await app.call("PUT", "/v1/agent/service/register", gateway)).status).toBe(200);
    const expected = { Kind: kind, Port: 8443, TaggedAddresses, Proxy: { Config: { envoy_dns: "STRICT" } } };
    expect(await agentAnswer(app, "gw")).toMatchObject(expected);
    expect(catalogAnswer(app, "gw")).toMatchObject(expected);
    await app.stop();
  },
);

test("named ports stand in the place of the port, and the sidecar's application is at the default one", async () => {
  using dir = createTempDir();
  const app = await startTestAgentApp({ dataDir: dir.path });
  const Ports = [
    { Name: "admin", Port: 9_000 },
    { Name: "http", Port: 8_080, Default: true },
  ];
  const web = { Name: "web", Address: "10.1.2.3", SocketPath: "/run/web", Ports, Connect: { SidecarService: {} } };
  expect((await app.call("PUT", "/v1/agent/service/register", web)).status).toBe(200);
  const kept = { Port: 0, SocketPath: "/run/web", Ports: [{ Name: "admin", Default: false }, { Port: 8_080 }] };
  expect(await agentAnswer(app, "web")).toMatchObject(kept);
  expect(catalogAnswer(app, "web")).toMatchObject({
    ...kept,
    TaggedAddresses: { lan_ipv4: { Address: "10.1.2.3", Port: 8_080 } },
  });
  expect(await agentAnswer(app, "web-sidecar-proxy")).toMatchObject({ Proxy: { LocalServicePort: 8_080 } });
  await app.stop();
});

test("a sidecar that Atoll runs refuses what its proxy would not do, and says so", async () => {
  using dir = createTempDir();
  const app = await startTestAgentApp({ dataDir: dir.path });
  const register = (proxy: object) =>
    app.call("PUT", "/v1/agent/service/register", {
      Name: "web",
      Port: 1,
      Connect: { SidecarService: { Proxy: proxy } },
    });
  const texts = await Promise.all(
    Object.entries({ ...dataPlane, LocalServiceSocketPath: "/x" }).map(async ([field, value]) => {
      const answer = await register({ [field]: value });
      return `${field} ${answer.status} ${answer.text}`;
    }),
  );
  const issue = (field: string): string => `${field} 400 Connect.SidecarService.Proxy.${field}: `;
  for (const text of texts) {
    const [field = ""] = text.split(" ");
    expect(text).toStartWith(field === "MeshGateway" ? "MeshGateway 200" : issue(field));
  }
  expect((await register({ Mode: "direct" })).status).toBe(200);
  expect(await agentAnswer(app, "web-sidecar-proxy")).toMatchObject({ Proxy: { Mode: "direct" } });
  await app.stop();
});
