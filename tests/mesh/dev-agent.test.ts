import { afterEach, beforeEach, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { isIssuedBy } from "../../lib/x509/certificate.ts";
import { splitCertificates } from "../../lib/x509/pem.ts";
import { eventually } from "../fakes/eventually.ts";
import {
  type AgentProcess,
  callApi,
  findMeshPorts,
  killProxies,
  type MeshPorts,
  proxyPids,
  registrations,
  setIntention,
  startAgentProcess,
} from "./agent-process.ts";

let ports: MeshPorts;
let agent: AgentProcess;
let application: ReturnType<typeof Bun.serve>;
let dataDir: string;

beforeEach(async () => {
  ports = await findMeshPorts();
  application = Bun.serve({ hostname: "127.0.0.1", port: ports.api, fetch: () => new Response("hello from api") });
  agent = await startAgentProcess({ args: ["-dev", `-server-port=${ports.rpc}`], httpPort: ports.http });
  dataDir = await eventually("the banner", () => /Data directory: (\S+)/.exec(agent.output())?.[1]);
  const bodies = registrations(ports);
  await agent.api("PUT", "agent/service/register", bodies.api);
  await agent.api("PUT", "agent/service/register", bodies.web);
  expect(await eventually("an answer through the mesh", () => callApi(ports))).toBe("hello from api");
}, 30_000);

afterEach(async () => {
  await agent.end("SIGKILL");
  await killProxies(dataDir);
  await application.stop(true);
  rmSync(dataDir, { recursive: true, force: true });
});

test("a call goes through both proxies, is denied and allowed again by intention, and ends with the agent", async () => {
  await setIntention(agent, "deny");
  await eventually("the denial", async () => (await callApi(ports)) === undefined);
  const metrics = await (await fetch(`http://127.0.0.1:${ports.apiAdmin}/metrics`)).text();
  expect(metrics).toMatch(/denied|intention/);

  await setIntention(agent, "allow");
  expect(await eventually("an answer again", () => callApi(ports))).toBe("hello from api");

  const pids = await proxyPids(dataDir);
  expect([...pids.keys()].toSorted()).toEqual(["api-sidecar-proxy", "web-sidecar-proxy"]);

  await agent.api("PUT", "agent/service/deregister/web");
  await eventually("the end of web's proxy", async () => !(await proxyPids(dataDir)).has("web-sidecar-proxy"), 15_000);
  await eventually("its directory's removal", () => !existsSync(`${dataDir}/proxies/web-sidecar-proxy`));

  expect(await agent.end("SIGTERM")).toBe(0);
  expect((await proxyPids(dataDir)).size).toBe(0);
  expect(existsSync(dataDir)).toBe(false);
}, 60_000);

test("what the mesh's entry says holds for proxies that run, and no longer when it is deleted", async () => {
  await agent.api("PUT", "config", { Kind: "proxy-defaults", Name: "global", Config: { protocol: "http" } });
  const RequestNormalization = { HeadersWithUnderscoresAction: "REJECT_REQUEST" };
  await agent.api("PUT", "config", { Kind: "mesh", HTTP: { Incoming: { RequestNormalization } } });
  const ask = async (): Promise<number | undefined> => {
    const headers = { connection: "close", x_user: "root" };
    const answer = fetch(`http://127.0.0.1:${ports.upstream}/`, { headers, signal: AbortSignal.timeout(5_000) });
    return await answer.then(
      ({ status }) => status,
      () => undefined,
    );
  };
  await eventually("the refusal", async () => (await ask()) === 400);
  expect(await callApi(ports)).toBe("hello from api");
  await agent.api("DELETE", "config/mesh/mesh");
  await eventually("an answer again", async () => (await ask()) === 200);
}, 60_000);

test("the permissions of an intention hold for requests, and for a connection of tcp they are a denial", async () => {
  const statusOf = async (path: string): Promise<string> => {
    const answer = fetch(`http://127.0.0.1:${ports.upstream}${path}`, {
      headers: { connection: "close" },
      signal: AbortSignal.timeout(5_000),
    });
    return await answer.then(
      async (response) => `${response.status} ${(await response.text()).trim()}`,
      () => "no answer",
    );
  };
  const Permissions = [
    { Action: "deny", HTTP: { PathPrefix: "/admin" } },
    { Action: "allow", HTTP: { Methods: ["GET"] } },
  ];
  const Sources = [{ Name: "web", Permissions }];
  await agent.api("PUT", "config", { Kind: "service-intentions", Name: "api", Sources });
  await eventually("the end of tcp", async () => (await statusOf("/")) === "no answer");
  await agent.api("PUT", "config", { Kind: "proxy-defaults", Name: "global", Config: { protocol: "http" } });
  await eventually("an answer over HTTP", async () => (await statusOf("/")) === "200 hello from api");
  const rule = "rules[0].permissions[0] (spiffe://*/ns/default/dc/*/svc/web)";
  expect(await statusOf("/%61dmin/x")).toBe(`403 RBAC: access denied by ${rule}`);
  await agent.api("PUT", "config", {
    Kind: "service-intentions",
    Name: "api",
    Sources: [{ Name: "web", Action: "allow" }],
  });
  await eventually("an answer for everything", async () => (await statusOf("/admin/x")) === "200 hello from api");
}, 60_000);

test("a new root signs at once, and what the one before has signed goes on calling", async () => {
  const before = await agent.api("GET", "connect/ca/roots");
  await agent.api("PUT", "connect/ca/rotate", {});
  const after = await eventually("the new root at the agent", async () => {
    const roots = await agent.api("GET", "agent/connect/ca/roots");
    return Object(roots)["ActiveRootID"] === Object(before)["ActiveRootID"] ? undefined : roots;
  });
  const [root, former] = Object(after)["Roots"].map((one: { RootCert: string }) => new X509Certificate(one.RootCert));
  const leaf = await agent.api("GET", "agent/connect/ca/leaf/newcomer");
  const [own, cross] = splitCertificates(Object(leaf)["CertPEM"]).map((pem) => new X509Certificate(pem));
  if (own === undefined || cross === undefined) throw new Error("the leaf has no chain");
  // To whoever has not heard of the new root the chain leads through the former one.
  expect([isIssuedBy(own, root), isIssuedBy(own, cross), isIssuedBy(cross, former)]).toEqual([true, true, true]);
  for (let call = 0; call < 20; call++) expect(await callApi(ports)).toBe("hello from api");
}, 60_000);

test("the proxies of a -dev agent end with it even when it is killed", async () => {
  expect((await proxyPids(dataDir)).size).toBe(2);
  await agent.end("SIGKILL");
  await eventually("the proxies' end", async () => (await proxyPids(dataDir)).size === 0);
}, 30_000);
