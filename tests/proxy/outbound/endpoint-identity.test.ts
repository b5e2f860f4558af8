import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../fakes/eventually.ts";
import { type LeafOverrides, TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { metric, mustParse, startProxy } from "../transport/bun-mesh.ts";

/** A cluster of api in which some endpoints are instances of other services, on real sockets with TLS. */
const base = mkdtempSync(join(tmpdir(), "atoll-identity-"));
const authority = new TestAuthority();
const web = write("web");
const listen = "127.0.0.1:0";
const ends: (() => void)[] = [];
let app: ReturnType<typeof Bun.serve>;

beforeAll(() => {
  app = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("ok") });
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
});
afterAll(async () => {
  await app.stop(true);
  rmSync(base, { recursive: true });
});

function write(service: string, overrides: LeafOverrides = {}) {
  return writeLeaf(authority.leaf(service, overrides), mkdtempSync(join(base, "leaf-")));
}

/** A proxy that shows the certificate of `service`, for whatever DNS names; its address. */
function callee(service: string, dnsNames?: readonly string[], appPort = app.port): string {
  const { proxy, stop } = startProxy({
    identity: write(service, dnsNames === undefined ? {} : { dnsNames }),
    inbound: [
      { service, listen, app: `127.0.0.1:${appPort}`, protocol: "http", intentions: { default: "allow", rules: [] } },
    ],
    admin: { listen },
  });
  ends.push(stop);
  return `127.0.0.1:${proxy.portOf(listen)}`;
}

function caller(endpoints: readonly object[], more: object = {}) {
  const document = (given: readonly object[]) =>
    mustParse({
      identity: web,
      outbound: [{ service: "api", listen, protocol: "http", endpoints: given, ...more }],
      admin: { listen },
    });
  const { proxy, stop } = startProxy(document(endpoints));
  ends.push(stop);
  let version = 1;
  return {
    /** The status of a request. */
    async ask(): Promise<number> {
      return (await get()).status;
    },
    text: async (): Promise<string> => (await get()).text,
    update: (given: readonly object[]) => proxy.apply(document(given), ++version),
    failures: (reason: string) => count(`atoll_proxy_connect_failures_total.*reason="${reason}"`),
    checks: (result: string) => count(`atoll_proxy_health_checks_total.*result="${result}"`),
  };
  async function get(): Promise<{ status: number; text: string }> {
    const answer = await fetch(`http://127.0.0.1:${proxy.portOf(listen)}/`);
    return { status: answer.status, text: await answer.text() };
  }
  async function count(sample: string): Promise<number> {
    return (await metric(proxy.adminPort, new RegExp(`^${sample}`))) || 0;
  }
}

describe("an endpoint of another service than its cluster's", () => {
  test("is reached under its own server name, and its certificate has to be of that service", async () => {
    const web = caller([{ address: callee("other"), service: "other" }]);
    expect(await web.ask()).toBe(200);
  });

  test("is reached under the server name that it says", async () => {
    const address = callee("other", ["other.mesh"]);
    expect(await caller([{ address, service: "other", serverName: "other.mesh" }]).ask()).toBe(200);
    expect(await caller([{ address, service: "other" }]).ask()).toBe(503);
  });

  test("that shows the cluster's certificate is refused, whatever its DNS names", async () => {
    const web = caller([{ address: callee("api", ["other", "api"]), service: "other" }]);
    expect(await web.ask()).toBe(503);
    expect(await web.failures("wrong_service")).toBeGreaterThan(0);
  });

  test("that has not said so is refused: the cluster's own endpoints have to be the cluster's", async () => {
    const web = caller([{ address: callee("other", ["other", "api"]) }]);
    expect(await web.ask()).toBe(503);
    expect(await web.failures("wrong_service")).toBeGreaterThan(0);
  });

  test("beside endpoints of the cluster takes nothing from them, nor they from it", async () => {
    const swapped = caller([
      { address: callee("other", ["other", "api"]) },
      { address: callee("api", ["other", "api"]), service: "other" },
    ]);
    expect(await swapped.ask()).toBe(503);
    expect(await swapped.failures("wrong_service")).toBeGreaterThanOrEqual(2);
    const right = caller([{ address: callee("api") }, { address: callee("other"), service: "other" }]);
    for (let i = 0; i < 10; i++) expect(await right.ask()).toBe(200);
    expect(await right.failures("wrong_service")).toBe(0);
  });

  test("keeps to the trust domain and datacenter of the cluster's peerIdentity", async () => {
    const pattern = (datacenter: string) => ({
      peerIdentity: `spiffe://${authority.root.trustDomain}/ns/default/dc/${datacenter}/svc/api`,
    });
    const endpoints = [{ address: callee("other"), service: "other" }];
    expect(await caller(endpoints, pattern("dc1")).ask()).toBe(200);
    const web = caller(endpoints, pattern("dc2"));
    expect(await web.ask()).toBe(503);
    expect(await web.failures("wrong_service")).toBeGreaterThan(0);
  });

  test("that becomes another service's gets new connections, and no old TLS session helps", async () => {
    const address = callee("api", ["api"]);
    const web = caller([{ address }]);
    expect(await web.ask()).toBe(200);
    // The same server name: what is resumed is api's session, and its certificate is still api's.
    web.update([{ address, service: "other", serverName: "api" }]);
    expect(await web.ask()).toBe(503);
    expect(await web.failures("wrong_service")).toBeGreaterThan(0);
    web.update([{ address }]);
    expect(await web.ask()).toBe(200);
  });

  test("takes over while the cluster's own fail their checks, and gives back when they pass them", async () => {
    let isWell = true;
    const own = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) =>
        new Response("own", { status: new URL(request.url).pathname === "/health" && !isWell ? 503 : 200 }),
    });
    ends.push(() => void own.stop(true));
    const healthCheck = { type: "http", path: "/health", intervalMs: 50, unhealthyThreshold: 1, healthyThreshold: 1 };
    const endpoints = [
      { address: callee("api", ["api"], own.port) },
      { address: callee("other"), service: "other", priority: 1 },
    ];
    const web = caller(endpoints, { healthCheck });
    expect(await web.text()).toBe("own");
    isWell = false;
    await eventually("the other service's answer", async () => (await web.text()) === "ok");
    isWell = true;
    await eventually("the own answer", async () => (await web.text()) === "own");
    expect(await web.failures("wrong_service")).toBe(0);
  });

  test("is checked as what it is", async () => {
    const healthCheck = { type: "http", path: "/", intervalMs: 100, unhealthyThreshold: 1, healthyThreshold: 1 };
    const right = caller([{ address: callee("other"), service: "other" }], { healthCheck });
    await eventually("a passed check", async () => (await right.checks("passed")) > 0);
    expect(await right.checks("connect")).toBe(0);
    const wrong = caller([{ address: callee("api", ["api", "other"]), service: "other" }], { healthCheck });
    await eventually("a failed check", async () => (await wrong.checks("connect")) > 0);
    expect(await wrong.checks("passed")).toBe(0);
  });
});
