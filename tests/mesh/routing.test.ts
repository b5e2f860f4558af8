import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { mustGet } from "../../lib/base/assert.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { eventually } from "../fakes/eventually.ts";
import { type AgentProcess, killProxies, startAgentProcess } from "./agent-process.ts";

/** web calls api, of which there are two versions; new is another service. Each has a proxy of its own. */
const instances = [
  { id: "api-1", name: "api", version: "v1" },
  { id: "api-2", name: "api", version: "v2" },
  { id: "new", name: "new", version: "v9" },
] as const;

let agent: AgentProcess;
let dataDir: string;
let upstreamPort: number;
const applications: ReturnType<typeof Bun.serve>[] = [];
/** Services whose applications answer 500. */
const failing = new Set<string>();

beforeAll(async () => {
  const ports = await findFreePorts("127.0.0.1", 14);
  const port = (): number => mustGet(ports.pop(), "as many ports as were asked for");
  const http = port();
  agent = await startAgentProcess({ args: ["-dev", `-server-port=${port()}`], httpPort: http });
  dataDir = await eventually("the banner", () => /Data directory: (\S+)/.exec(agent.output())?.[1]);
  await write({ Kind: "proxy-defaults", Config: { protocol: "http" } });
  const sidecar = (proxy: object): object => ({
    SidecarService: {
      Port: port(),
      Proxy: { Config: { admin_bind_address: "127.0.0.1", admin_bind_port: port() }, ...proxy },
      Checks: [{ Name: "told", TTL: "1h", Status: "passing" }],
    },
  });
  for (const { id, name, version } of instances) {
    const application = Bun.serve({
      hostname: "127.0.0.1",
      port: port(),
      fetch: (request) =>
        new Response(`${id} ${new URL(request.url).pathname} ${request.headers.get("x-way") ?? "-"}`, {
          status: failing.has(name) ? 500 : 200,
          headers: { "x-server": id },
        }),
    });
    applications.push(application);
    const service = { ID: id, Name: name, Port: application.port, Meta: { version }, Connect: sidecar({}) };
    await agent.api("PUT", "agent/service/register", service);
  }
  upstreamPort = port();
  const Upstreams = [{ DestinationName: "api", LocalBindPort: upstreamPort }];
  await agent.api("PUT", "agent/service/register", { Name: "web", Port: 1, Connect: sidecar({ Upstreams }) });
  const seen = new Set<string | null>();
  // A proxy that does not listen yet would fail a test that is about routes.
  await eventually(
    "an answer of each instance of api",
    async () => {
      seen.add((await call("/")).server);
      return seen.has("api-1") && seen.has("api-2");
    },
    20_000,
  );
}, 60_000);

afterAll(async () => {
  await agent.end("SIGKILL");
  await killProxies(dataDir);
  for (const application of applications) await application.stop(true);
  rmSync(dataDir, { recursive: true, force: true });
});

function write(entry: object): Promise<unknown> {
  return agent.api("PUT", "config", entry);
}

async function call(path: string, headers: Readonly<Record<string, string>> = {}) {
  try {
    const answer = await fetch(`http://127.0.0.1:${upstreamPort}${path}`, {
      headers: { connection: "close", ...headers },
      signal: AbortSignal.timeout(5_000),
    });
    return { status: answer.status, text: await answer.text(), server: answer.headers.get("x-server") };
  } catch {
    return { status: 0, text: "", server: null };
  }
}

/** Until a call is answered with this text. */
function answered(text: string, path: string, headers?: Readonly<Record<string, string>>): Promise<unknown> {
  return eventually(`${path}: ${text}`, async () => (await call(path, headers)).text === text);
}

const Subsets = { v1: { Filter: "Service.Meta.version == v1" }, v2: { Filter: "Service.Meta.version == v2" } };
const resolver = { Kind: "service-resolver", Name: "api", Subsets };
const splitter = { Kind: "service-splitter", Name: "api" };

test("router, splitter and resolver that are written over HTTP say where requests go, from then on", async () => {
  await write(resolver);
  await write({ ...splitter, Splits: [{ Weight: 100, ServiceSubset: "v1" }] });
  await write({
    Kind: "service-router",
    Name: "api",
    Routes: [
      {
        Match: { HTTP: { PathPrefix: "/new/" } },
        Destination: {
          Service: "new",
          PrefixRewrite: "/",
          RequestHeaders: { Set: { "X-Way": "routed" } },
          ResponseHeaders: { Remove: ["X-Server"] },
        },
      },
      { Match: { HTTP: { Header: [{ Name: "x-version", Exact: "2" }] } }, Destination: { ServiceSubset: "v2" } },
    ],
  });
  await answered("new /a routed", "/new/a");
  expect(await call("/new/a")).toMatchObject({ status: 200, server: null });
  expect(await call("/b")).toMatchObject({ text: "api-1 /b -", server: "api-1" });
  expect(await call("/b", { "x-version": "2" })).toMatchObject({ text: "api-2 /b -" });
  for (let i = 0; i < 20; i++) expect((await call("/b")).server).toBe("api-1");

  await write({
    ...splitter,
    Splits: [
      { Weight: 50, ServiceSubset: "v1" },
      { Weight: 50, Service: "new" },
    ],
  });
  const seen = new Set<string | null>();
  await eventually("answers of both sides of the split", async () => seen.add((await call("/b")).server).size === 2);
  expect([...seen].toSorted()).toEqual(["api-1", "new"]);
}, 60_000);

test("while the instances of a subset are ill, calls go to the next one", async () => {
  await agent.api("DELETE", "config/service-router/api");
  await agent.api("DELETE", "config/service-splitter/api");
  await write({ ...resolver, DefaultSubset: "v2", Failover: { v2: { ServiceSubset: "v1" } } });
  await answered("api-2 /c -", "/c");
  await agent.api("PUT", "agent/check/fail/service:api-2-sidecar-proxy");
  await answered("api-1 /c -", "/c");
  await agent.api("PUT", "agent/check/pass/service:api-2-sidecar-proxy");
  await answered("api-2 /c -", "/c");
}, 60_000);

/** Until ten calls one after another are answered well by instances of `service`. */
function served(service: string, path: string): Promise<unknown> {
  const ids: readonly (string | null)[] = instances.filter(({ name }) => name === service).map(({ id }) => id);
  return eventually(`${path} is served by ${service}`, async () => {
    for (let i = 0; i < 10; i++) {
      const { status, server } = await call(path);
      if (status !== 200 || !ids.includes(server)) return false;
    }
    return true;
  });
}

test("while all instances of a service are ill, calls go to another service, and then back", async () => {
  await write({ Kind: "service-resolver", Name: "api", Failover: { "*": { Service: "new" } } });
  await served("api", "/f");
  await agent.api("PUT", "agent/check/fail/service:api-1-sidecar-proxy");
  await served("api", "/f");
  await agent.api("PUT", "agent/check/fail/service:api-2-sidecar-proxy");
  await served("new", "/f");
  await agent.api("PUT", "agent/check/pass/service:api-1-sidecar-proxy");
  await agent.api("PUT", "agent/check/pass/service:api-2-sidecar-proxy");
  await served("api", "/f");
}, 60_000);

test("while all instances of a service answer badly, calls go to another service, and then back", async () => {
  const PassiveHealthCheck = { Interval: "100ms", MaxFailures: 1, MaxEjectionPercent: 100, BaseEjectionTime: "2s" };
  await write({
    Kind: "service-defaults",
    Name: "web",
    Protocol: "http",
    UpstreamConfig: { Overrides: [{ Name: "api", PassiveHealthCheck }] },
  });
  await served("api", "/g");
  failing.add("api");
  await served("new", "/g");
  failing.clear();
  await served("api", "/g");
  await agent.api("DELETE", "config/service-defaults/web");
}, 60_000);

test("a redirect takes calls to another service, with its identity checked", async () => {
  await write({ Kind: "service-resolver", Name: "api", Redirect: { Service: "new" } });
  await answered("new /d -", "/d");
  await agent.api("DELETE", "config/service-resolver/api");
  await eventually("an answer of api itself", async () => (await call("/d")).server?.startsWith("api-"));
}, 60_000);

test("a service takes as many requests as its entry says, and those that its authorizer lets through", async () => {
  const defaults = { Kind: "service-defaults", Name: "api", Protocol: "http" };
  const Routes = [{ PathPrefix: "/rare", RequestsPerSecond: 1 }];
  await write({ ...defaults, RateLimits: { InstanceLevel: { Routes } } });
  await eventually("a refusal for the rate", async () => (await call("/rare/a")).status === 429);
  for (let i = 0; i < 10; i++) expect((await call("/often")).status).toBe(200);

  const authorizer = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => new Response("", { status: request.headers.get("x-key") === "open" ? 200 : 401 }),
  });
  applications.push(authorizer);
  const HttpService = {
    Target: { URI: `127.0.0.1:${authorizer.port}`, Timeout: "5s" },
    AuthorizationRequest: { AllowedHeaders: [{ Exact: "x-key" }] },
  };
  const extension = { Name: "builtin/ext-authz", Required: true, Arguments: { Config: { HttpService } } };
  await write({ ...defaults, EnvoyExtensions: [extension] });
  await eventually("a denial", async () => (await call("/h")).status === 401);
  expect(await call("/h", { "x-key": "open" })).toMatchObject({ status: 200 });
  await agent.api("DELETE", "config/service-defaults/api");
  await eventually("an answer to everybody", async () => (await call("/h")).status === 200);
}, 60_000);

test("a token that an entry requires is asked for and verified", async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "k", alg: "ES256" }] });
  const JWKS = Buffer.from(keys).toString("base64");
  await write({ Kind: "jwt-provider", Name: "us", Issuer: "https://us", JSONWebKeySet: { Local: { JWKS } } });
  await write({
    Kind: "service-intentions",
    Name: "api",
    Sources: [{ Name: "web", Action: "allow" }],
    JWT: { Providers: [{ Name: "us", VerifyClaims: [{ Path: ["team"], Value: "blue" }] }] },
  });
  await eventually("the refusal", async () => (await call("/e")).status === 401);
  const token = (team: string): Promise<string> =>
    new SignJWT({ team })
      .setProtectedHeader({ alg: "ES256", kid: "k" })
      .setIssuer("https://us")
      .setExpirationTime("1h")
      .sign(privateKey);
  const statusWith = async (team: string) =>
    (await call("/e", { authorization: `Bearer ${await token(team)}` })).status;
  expect(await statusWith("blue")).toBe(200);
  expect(await statusWith("red")).toBe(403);
}, 60_000);
