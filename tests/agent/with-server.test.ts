import { expect, test } from "bun:test";
import { registerForwardRoutes } from "../../agent/http/forward.ts";
import { startRegistrations } from "../../agent/registrations.ts";
import { createHttpApp } from "../../lib/http/http-app.ts";
import { createForwardHandler } from "../../server/http/forward-handler.ts";
import { registerServerRoutes } from "../../server/http/server-routes.ts";
import { startServer } from "../../server/server.ts";
import { createTempDir } from "../fakes/temp-dir.ts";
import { createTestRuntime } from "../fakes/test-runtime.ts";
import { byApi, service, testNode } from "./test-registrations.ts";

test("a sidecar registered here is what a server answers for its service, asked through this agent", async () => {
  using dir = createTempDir();
  const runtime = createTestRuntime();
  const server = await startServer({
    datacenter: "dc1",
    dataDir: `${dir.path}/server`,
    rpcHost: "127.0.0.1",
    rpcPort: 0,
    runtime,
    onFatal: (error) => {
      throw error;
    },
  });
  const serverApp = createHttpApp({ runtime });
  registerServerRoutes(serverApp, { server, runtime });
  server.setForwardHandler(createForwardHandler(serverApp));
  const agentApp = createHttpApp({ runtime });
  registerForwardRoutes(agentApp, { link: server.link, runtime, nodeName: "a1" });
  const agent = await startRegistrations({
    runtime,
    link: server.link,
    dataDir: `${dir.path}/agent`,
    node: testNode,
    isServer: false,
    configured: { services: [], checks: [] },
  });

  const definition = {
    Name: "web",
    Port: 80,
    Check: { TTL: "1h", Status: "passing" },
    Connect: { SidecarService: {} },
  };
  await agent.registrar.registerService(service(definition), byApi);
  await agent.sync.settled();
  const read = await agentApp.inject({ method: "GET", url: "/v1/health/connect/web" });
  expect(JSON.parse(read.payload)).toMatchObject([
    {
      Node: { Node: "vm1", Address: "10.0.0.1" },
      Service: {
        ID: "web-sidecar-proxy",
        Kind: "connect-proxy",
        Port: 21_000,
        Proxy: { DestinationServiceName: "web", LocalServicePort: 80 },
      },
      Checks: [
        { CheckID: "serfHealth", Status: "passing" },
        { CheckID: "service:web-sidecar-proxy:1", Type: "tcp" },
        { CheckID: "service:web-sidecar-proxy:2", Type: "alias", Status: "passing" },
      ],
    },
  ]);
  expect(Number(read.headers["x-consul-index"])).toBeGreaterThan(1);

  await agent.registrar.deregisterService("web");
  await agent.sync.settled();
  const gone = await agentApp.inject({ method: "GET", url: "/v1/health/connect/web" });
  expect(gone.payload).toBe("[]");
  await agent.stop();
  await agentApp.close();
  await serverApp.close();
  await server.stop(5_000);
});
