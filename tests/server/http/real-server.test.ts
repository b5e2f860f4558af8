import { expect, test } from "bun:test";
import { createHttpApp } from "../../../lib/http/http-app.ts";
import type { HttpApp } from "../../../lib/http/http-app.ts";
import { listenHttp } from "../../../lib/http/listen.ts";
import { createForwardHandler } from "../../../server/http/forward-handler.ts";
import { registerServerRoutes } from "../../../server/http/server-routes.ts";
import { startServer } from "../../../server/server.ts";
import type { Server } from "../../../server/server.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { instanceBody } from "./test-catalog.ts";

/** The routes over a whole server: durable log, certificate authority, forwarding. */
interface Running {
  readonly app: HttpApp;
  readonly server: Server;
  readonly base: string;
  stop(): Promise<void>;
}

async function start(dataDir: string): Promise<Running> {
  const runtime = createTestRuntime();
  const server = await startServer({
    datacenter: "dc1",
    dataDir,
    rpcHost: "127.0.0.1",
    rpcPort: 0,
    runtime,
    onFatal: (error) => {
      throw error;
    },
  });
  const app = createHttpApp({ runtime });
  registerServerRoutes(app, { server, runtime });
  server.setForwardHandler(createForwardHandler(app));
  const { port } = await listenHttp(app, { host: "127.0.0.1", port: 0 });
  return {
    app,
    server,
    base: `http://127.0.0.1:${port}`,
    async stop() {
      await app.close();
      await server.stop(5_000);
    },
  };
}

test("what was acknowledged is answered again after a restart, with its indexes", async () => {
  using dir = createTempDir();
  const first = await start(dir.path);
  const put = await fetch(`${first.base}/v1/catalog/register`, {
    method: "PUT",
    body: JSON.stringify(instanceBody({ node: "vm1", service: "web", tags: ["a"] })),
  });
  expect(await put.text()).toBe("true");
  const before = await fetch(`${first.base}/v1/health/service/web`);
  const body = await before.text();
  await first.stop();

  const second = await start(dir.path);
  const after = await fetch(`${second.base}/v1/health/service/web`);
  expect(await after.text()).toBe(body);
  expect(after.headers.get("X-Consul-Index")).toBe(before.headers.get("X-Consul-Index"));
  await second.stop();
});

test("the roots are answered as JSON without any key, and as a certificate chain", async () => {
  using dir = createTempDir();
  const running = await start(dir.path);
  const text = await (await fetch(`${running.base}/v1/connect/ca/roots`)).text();
  const { ActiveRootID, TrustDomain, Roots } = JSON.parse(text);
  expect(Roots).toHaveLength(1);
  expect(Roots[0]).toMatchObject({ ID: ActiveRootID, Active: true, PrivateKeyType: "ec", PrivateKeyBits: 256 });
  expect(TrustDomain).toBe(`${running.server.clusterId}.consul`);
  expect(text).not.toContain("PRIVATE KEY");
  const pem = await fetch(`${running.base}/v1/connect/ca/roots?pem=true`);
  expect(pem.headers.get("content-type")).toBe("application/pem-certificate-chain");
  expect((await pem.text()).trim()).toBe(Roots[0].RootCert.trim());
  await running.stop();
});

test("a forwarded request is answered as over a socket, errors and headers included", async () => {
  using dir = createTempDir();
  const { server, stop } = await start(dir.path);
  const never = new AbortController().signal;
  const forward = async (
    method: string,
    url: string,
    body = "",
  ): Promise<{ status: number; text: string; index: string | undefined }> => {
    const answer = await server.link.forward({ method, url, headers: {}, body: Buffer.from(body) }, never);
    return {
      status: answer.status,
      text: Buffer.from(answer.body).toString(),
      index: answer.headers["x-consul-index"],
    };
  };
  const body = JSON.stringify(instanceBody({ node: "vm1", service: "web" }));
  expect(await forward("PUT", "/v1/catalog/register", body)).toMatchObject({ status: 200, text: "true" });
  const read = await forward("GET", "/v1/catalog/service/web");
  expect(JSON.parse(read.text)).toMatchObject([{ ServiceName: "web" }]);
  expect(Number(read.index)).toBeGreaterThan(0);
  expect(await forward("GET", "/v1/catalog/register")).toMatchObject({ status: 405, text: "method GET not allowed" });
  await stop();
});

test("a forwarded blocking query ends with the agent that asked", async () => {
  using dir = createTempDir();
  const { app, server, stop } = await start(dir.path);
  const agent = new AbortController();
  const url = "/v1/health/service/web?index=1000000&wait=300s";
  const query = server.link.forward({ method: "GET", url, headers: {}, body: Buffer.alloc(0) }, agent.signal);
  await eventually("the query to block", () => app.openRequests.count() === 1);
  agent.abort();
  await expect(query).rejects.toThrow();
  await eventually("the query to end", () => app.openRequests.count() === 0);
  await stop();
});
