import { expect, test } from "bun:test";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import type { LeafCertificate } from "../../../agent/agent-api.ts";
import { listenHttp } from "../../../lib/http/listen.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { settle } from "../../fakes/virtual-clock.ts";
import { startTestAgentApp } from "./test-agent-app.ts";

const web = {
  Name: "web",
  Port: 8080,
  Check: { TTL: "1h" },
  Connect: { SidecarService: { Proxy: { Upstreams: [{ DestinationName: "db", LocalBindPort: 9191 }] } } },
};

test("a registered service is listed as Consul lists it, its sidecar beside it, and is in the catalog already", async () => {
  using dir = createTempDir();
  const { agent, call, stop } = await startTestAgentApp({ dataDir: dir.path });
  const registered = await call("PUT", "/v1/agent/service/register", web);
  expect([registered.status, registered.text]).toEqual([200, ""]);
  const services = (await call("GET", "/v1/agent/services")).json();
  expect(services).toEqual({
    web: {
      ID: "web",
      Service: "web",
      Tags: [],
      Meta: {},
      Port: 8080,
      Address: "",
      Weights: { Passing: 1, Warning: 1 },
      EnableTagOverride: false,
      Datacenter: "dc1",
      Owner: "7a1f9d0e-7f0c-4c53-9d53-1f8f0f8f0001",
    },
    "web-sidecar-proxy": {
      Kind: "connect-proxy",
      ID: "web-sidecar-proxy",
      Service: "web-sidecar-proxy",
      Tags: [],
      Meta: {},
      Port: 21_000,
      Address: "",
      Weights: { Passing: 1, Warning: 1 },
      EnableTagOverride: false,
      Proxy: {
        DestinationServiceName: "web",
        DestinationServiceID: "web",
        LocalServiceAddress: "127.0.0.1",
        LocalServicePort: 8080,
        Upstreams: [
          {
            DestinationType: "service",
            DestinationName: "db",
            LocalBindAddress: "127.0.0.1",
            LocalBindPort: 9191,
            MeshGateway: {},
          },
        ],
        MeshGateway: {},
        Expose: {},
      },
      Datacenter: "dc1",
      Owner: "7a1f9d0e-7f0c-4c53-9d53-1f8f0f8f0001",
    },
  });
  const inCatalog = agent.catalog.state.reader.nodeServices("vm1").value.map((entry) => entry.ID);
  expect(inCatalog).toEqual(["web", "web-sidecar-proxy"]);
  await stop();
});

test.each([
  ["", "Request decode failed: EOF"],
  ["{", "Request decode failed: line 1, column 2"],
  [{ Name: "web", Port: "80" }, 'Request decode failed: Port: must be integer, found "80"'],
  [{ Port: 80 }, "Missing service name"],
  [{ Name: "p", Kind: "connect-proxy", Port: 1 }, "Proxy.DestinationServiceName: must be non-empty"],
])("the registration %j is a 400 that says why, and registers nothing", async (body, message) => {
  using dir = createTempDir();
  const { agent, call, stop } = await startTestAgentApp({ dataDir: dir.path });
  const answer = await call("PUT", "/v1/agent/service/register", body);
  expect(answer.status).toBe(400);
  expect(answer.text).toContain(message);
  expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
  expect(agent.state.services().size).toBe(0);
  await stop();
});

test("registering and deregistering holds while no server answers, and answers within two seconds", async () => {
  using dir = createTempDir();
  const { agent, call, stop } = await startTestAgentApp({ dataDir: dir.path });
  await agent.sync.settled();
  agent.catalog.mode = "down";
  expect((await call("PUT", "/v1/agent/service/register", web)).status).toBe(200);
  expect((await call("PUT", "/v1/agent/service/deregister/web")).status).toBe(200);
  expect((await call("GET", "/v1/agent/services")).json()).toEqual({});
  await stop();
});

test("a caller waits no longer than two seconds for a server that does not answer at all", async () => {
  using dir = createTempDir();
  const { agent, call, stop } = await startTestAgentApp({ dataDir: dir.path });
  await agent.sync.settled();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { write } = agent.catalog.link;
  agent.catalog.link.write = (command, signal) => held.then(() => write(command, signal));
  let isAnswered = false;
  const answer = call("PUT", "/v1/agent/service/register", web).then((value) => {
    isAnswered = true;
    return value;
  });
  await eventually("the service is registered locally", () => agent.state.services().has("web"));
  await agent.clock.advance(1_900);
  expect(isAnswered).toBe(false);
  await agent.clock.advance(200);
  expect((await answer).status).toBe(200);
  release();
  await stop();
});

test("unknown ids are 404 in Consul's words", async () => {
  using dir = createTempDir();
  const { call, stop } = await startTestAgentApp({ dataDir: dir.path });
  const texts = await Promise.all(
    (
      [
        ["GET", "/v1/agent/service/x"],
        ["PUT", "/v1/agent/service/deregister/x"],
        ["PUT", "/v1/agent/check/deregister/x"],
        ["PUT", "/v1/agent/check/pass/x"],
        ["GET", "/v1/agent/health/service/id/x"],
      ] as const
    ).map(async ([method, path]) => {
      const answer = await call(method, path);
      return `${answer.status} ${answer.text}`;
    }),
  );
  expect(texts).toEqual([
    "404 unknown service ID: x",
    '404 Unknown service ID "x". Ensure that the service ID is passed, not the service name.',
    '404 Unknown check ID "x". Ensure that the check ID is passed, not the check name.',
    '404 Unknown check ID "x". Ensure that the check ID is passed, not the check name.',
    '404 {"AggregatedStatus":"critical","Service":null,"Checks":null}',
  ]);
  await stop();
});

test("the wrong method is 405 with the ones that are allowed", async () => {
  using dir = createTempDir();
  const { call, stop } = await startTestAgentApp({ dataDir: dir.path });
  const register = await call("GET", "/v1/agent/service/register");
  expect([register.status, register.headers["allow"]]).toEqual([405, "OPTIONS,PUT"]);
  const deregister = await call("GET", "/v1/agent/service/deregister/web");
  expect([deregister.status, deregister.headers["allow"]]).toEqual([405, "OPTIONS,PUT"]);
  await stop();
});

test("heartbeats set status and note; the health routes follow with their status codes", async () => {
  using dir = createTempDir();
  const { call, stop } = await startTestAgentApp({ dataDir: dir.path });
  await call("PUT", "/v1/agent/service/register", { Name: "web", ID: "web/1", Check: { CheckID: "c/1", TTL: "1h" } });
  const health = async (format = ""): Promise<string> => {
    const answer = await call("GET", `/v1/agent/health/service/name/web${format}`);
    return `${answer.status} ${answer.headers["x-consul-reason"]}`;
  };
  expect(await health()).toBe("503 critical");
  await call("PUT", "/v1/agent/check/pass/c/1?note=all+fine");
  expect(await health()).toBe("200 passing");
  expect((await call("GET", "/v1/agent/checks")).json()).toMatchObject({
    "c/1": { Status: "passing", Output: "all fine", ServiceID: "web/1", ServiceName: "web", Type: "ttl" },
  });
  await call("PUT", "/v1/agent/check/warn/c/1");
  expect(await health()).toBe("429 warning");
  await call("PUT", "/v1/agent/check/fail/c/1");
  expect(await health()).toBe("503 critical");
  expect((await call("PUT", "/v1/agent/check/update/c/1", { Status: "passing", Output: "ok" })).status).toBe(200);
  const byId = await call("GET", "/v1/agent/health/service/id/web/1");
  expect(byId.json()).toMatchObject({
    AggregatedStatus: "passing",
    Service: { ID: "web/1" },
    Checks: [{ CheckID: "c/1" }],
  });
  const text = await call("GET", "/v1/agent/health/service/id/web%2F1?format=text");
  expect([text.status, text.text]).toEqual([200, "passing"]);
  const bad = await call("PUT", "/v1/agent/check/update/c/1", { Status: "good" });
  expect([bad.status, bad.text]).toEqual([400, expect.stringContaining("Invalid check status: 'good'")]);
  const none = await call("GET", "/v1/agent/health/service/name/nobody");
  expect([none.status, none.text]).toEqual([404, "[]"]);
  const noneText = await call("GET", "/v1/agent/health/service/name/nobody?format=text");
  expect([noneText.status, noneText.text]).toEqual([404, "ServiceName nobody Not Found"]);
  const noId = await call("GET", "/v1/agent/health/service/id/x?format=text");
  expect([noId.text, noId.headers["x-consul-reason"]]).toEqual(["ServiceId x not found", "ServiceId x not found"]);
  await stop();
});

test("checks are registered and deregistered by themselves", async () => {
  using dir = createTempDir();
  const { call, stop } = await startTestAgentApp({ dataDir: dir.path });
  const orphan = await call("PUT", "/v1/agent/check/register", { Name: "c", ServiceID: "web", TTL: "1s" });
  expect([orphan.status, orphan.text]).toEqual([404, 'ServiceID "web" does not exist']);
  expect((await call("PUT", "/v1/agent/check/register", { ID: "d", Name: "disk", TTL: "1m30s" })).status).toBe(200);
  expect(Object.keys((await call("GET", "/v1/agent/checks")).json())).toEqual(["d"]);
  expect((await call("PUT", "/v1/agent/check/deregister/d")).status).toBe(200);
  expect((await call("GET", "/v1/agent/checks")).json()).toEqual({});
  await stop();
});

test("replace-existing-checks removes what the new registration does not name", async () => {
  using dir = createTempDir();
  const { call, stop } = await startTestAgentApp({ dataDir: dir.path });
  const withCheck = (id: string): object => ({ Name: "web", Check: { CheckID: id, TTL: "1h" } });
  const ids = async (): Promise<string[]> => Object.keys((await call("GET", "/v1/agent/checks")).json());
  await call("PUT", "/v1/agent/service/register", withCheck("a"));
  await call("PUT", "/v1/agent/service/register", withCheck("b"));
  expect(await ids()).toEqual(["a", "b"]);
  await call("PUT", "/v1/agent/service/register?replace-existing-checks", withCheck("b"));
  expect(await ids()).toEqual(["b"]);
  await stop();
});

test("a service read with its hash waits for a change of that service, and ends when it is gone", async () => {
  using dir = createTempDir();
  const { agent, call, stop } = await startTestAgentApp({ dataDir: dir.path });
  await call("PUT", "/v1/agent/service/register", { Name: "web", Port: 1 });
  const first = await call("GET", "/v1/agent/service/web");
  const hash = String(first.headers["x-consul-contenthash"]);
  expect(hash).toMatch(/^[0-9a-f]{16}$/);
  expect(first.json()).toMatchObject({ Port: 1, ContentHash: hash });
  let answered: string | undefined;
  const read = call("GET", `/v1/agent/service/web?hash=${hash}&wait=60s`).then((answer) => {
    answered = answer.text;
    return answer;
  });
  await settle();
  await call("PUT", "/v1/agent/service/register", { Name: "other" });
  await settle();
  expect(answered).toBeUndefined();
  await call("PUT", "/v1/agent/service/register", { Name: "web", Port: 2 });
  expect((await read).json()).toMatchObject({ Port: 2 });

  const second = String((await read).headers["x-consul-contenthash"]);
  const timed = call("GET", `/v1/agent/service/web?hash=${second}&wait=10s`);
  await eventually("the wait is over", async () => {
    await agent.clock.advance(11_000);
    return Bun.peek.status(timed) === "fulfilled";
  });
  expect((await timed).headers["x-consul-contenthash"]).toBe(second);
  const gone = call("GET", `/v1/agent/service/web?hash=${second}`);
  await settle();
  await call("PUT", "/v1/agent/service/deregister/web");
  expect((await gone).status).toBe(404);
  await stop();
});

test("the agent tells who it is, where Prometheus and clients look for it", async () => {
  using dir = createTempDir();
  const { call, stop } = await startTestAgentApp({ dataDir: dir.path });
  expect((await call("GET", "/v1/agent/self")).json()).toMatchObject({
    Config: { Datacenter: "dc1", NodeName: "vm1", Server: false, Version: "1.2.3", Revision: "abc" },
    Member: { Name: "vm1", Addr: "10.0.0.1", Status: 1 },
    Stats: { agent: { services: "0", checks: "0" } },
    DebugConfig: { ConnectEnabled: true },
    Meta: { rack: "7" },
    xDS: { SupportedProxies: {}, Port: -1, Ports: { Plaintext: -1, TLS: -1 } },
  });
  expect((await call("GET", "/v1/agent/members")).json()).toMatchObject([{ Name: "vm1", Tags: { role: "node" } }]);
  const metrics = await call("GET", "/v1/agent/metrics?format=prometheus");
  expect(metrics.text).toContain("atoll_agent_sync_pending_entries");
  expect(String(metrics.headers["content-type"])).toStartWith("text/plain");
  await stop();
});

const leaf: LeafCertificate = {
  service: "web",
  spiffeId: "spiffe://x/ns/default/dc/dc1/svc/web",
  serialNumber: "01",
  certPem: "CERT",
  privateKeyPem: "KEY",
  notBefore: "2026-01-01T00:00:00Z",
  notAfter: "2026-01-02T00:00:00Z",
  createIndex: 5,
  modifyIndex: 7,
};

test("a leaf is answered with its key and index, as a blocking read that ends with its client", async () => {
  using dir = createTempDir();
  let signal: AbortSignal | undefined;
  const certificates = {
    leaf: async (_service: string, wait: { minIndex: number; waitMs: number; signal: AbortSignal }) => {
      if (wait.minIndex === 0) return { index: 7, value: leaf, isCached: true };
      signal = wait.signal;
      await new Promise((resolve) => wait.signal.addEventListener("abort", resolve, { once: true }));
      return { index: 7, value: leaf, isCached: true };
    },
  };
  const { call, listen, stop } = await startTestAgentApp({ dataDir: dir.path, certificates });
  const answer = await call("GET", "/v1/agent/connect/ca/leaf/web");
  expect(answer.headers).toMatchObject({ "x-consul-index": "7", "x-cache": "HIT", age: "0" });
  expect(answer.json()).toEqual({
    SerialNumber: "01",
    CertPEM: "CERT",
    PrivateKeyPEM: "KEY",
    Service: "web",
    ServiceURI: "spiffe://x/ns/default/dc/dc1/svc/web",
    ValidAfter: "2026-01-01T00:00:00Z",
    ValidBefore: "2026-01-02T00:00:00Z",
    CreateIndex: 5,
    ModifyIndex: 7,
  });
  const url = new URL(await listen());
  const client = connect(Number(url.port), url.hostname);
  client.write("GET /v1/agent/connect/ca/leaf/web?index=7&wait=60s HTTP/1.1\r\nHost: a\r\n\r\n");
  await eventually("the read waits", () => signal !== undefined);
  client.destroy();
  await eventually("the wait is ended", () => signal?.aborted === true);
  await stop();
});

test("a private key is given to callers on this host only, over whatever address they come", async () => {
  using dir = createTempDir();
  const certificates = { leaf: async () => ({ index: 7, value: leaf, isCached: true }) };
  const { app, stop } = await startTestAgentApp({ dataDir: dir.path, certificates });
  const { port } = await listenHttp(app, { host: "0.0.0.0", port: 0 });
  const external = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === "IPv4" && !address.internal);
  for (const host of ["127.0.0.1", ...(external === undefined ? [] : [external.address])]) {
    expect((await fetch(`http://${host}:${port}/v1/agent/connect/ca/leaf/web`)).status).toBe(200);
  }
  const url = "/v1/agent/connect/ca/leaf/web";
  const stranger = await app.inject({ method: "GET", url, remoteAddress: "203.0.113.9" });
  expect([stranger.statusCode, stranger.payload.includes("KEY")]).toEqual([403, false]);
  await stop();
});

test("the roots are answered as a server answers them", async () => {
  using dir = createTempDir();
  const value = { activeRootId: "aa", trustDomain: "id.consul", roots: [] };
  const certificates = { caRoots: async () => ({ index: 3, value }) };
  const { call, stop } = await startTestAgentApp({ dataDir: dir.path, certificates });
  const answer = await call("GET", "/v1/agent/connect/ca/roots");
  expect(answer.json()).toEqual({ ActiveRootID: "aa", TrustDomain: "id.consul", Roots: [] });
  expect(answer.headers["x-consul-index"]).toBe("3");
  await stop();
});
