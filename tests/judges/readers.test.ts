import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eventually } from "../fakes/eventually.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";

/**
 * The requests that Prometheus (consul_sd_configs) and Traefik (providers.consulCatalog) send, in their order and with their parameters, and
 * what those programs read of the answers. A real agent answers.
 */
let agent: AgentProcess;
let base: string;

beforeAll(async () => {
  const [http = 0, rpc = 0] = await findFreePorts("127.0.0.1", 2);
  agent = await startAgentProcess({ args: ["-dev", `-server-port=${rpc}`, "-dns-port=-1"], httpPort: http });
  base = `http://127.0.0.1:${http}`;
  for (const id of ["c", "a", "b"]) await register("shop", id);
  await register("other", "x");
  // The leader registers its servers a moment after it has begun.
  await eventually("the servers in the catalog", async () => {
    const { json } = await get<object>("/v1/catalog/services");
    return Object.keys(json).includes("consul") || undefined;
  });
}, 60_000);

afterAll(async () => {
  await agent.end("SIGKILL");
});

function register(Name: string, id: string, more: object = {}): Promise<unknown> {
  const check = { TTL: "1h", Status: "passing" };
  const body = { ID: `${Name}-${id}`, Name, Port: 80, Tags: ["traefik.enable=true"], Check: check, ...more };
  return agent.api("PUT", "agent/service/register", body);
}

interface Answer<T> {
  readonly json: T;
  readonly index: number;
  readonly headers: Headers;
}

async function get<T>(path: string): Promise<Answer<T>> {
  const response = await fetch(`${base}${path}`, { signal: AbortSignal.timeout(20_000) });
  expect(response.status, path).toBe(200);
  const json: T = JSON.parse(await response.text());
  return { json, index: Number(response.headers.get("x-consul-index")), headers: response.headers };
}

describe("Prometheus", () => {
  const services = (index: number, wait = "120000ms") =>
    get<Record<string, string[]>>(`/v1/catalog/services?dc=dc1&index=${index}&stale=&wait=${wait}`);
  const nodes = (service: string, index: number, wait = "120000ms") =>
    get<HealthEntry[]>(`/v1/health/service/${service}?dc=dc1&index=${index}&stale=&wait=${wait}`);
  interface HealthEntry {
    readonly Node: { readonly Node: string; readonly Address: string; readonly TaggedAddresses: object };
    readonly Service: { readonly ID: string; readonly Port: number; readonly Meta: object; readonly Tags: string[] };
    readonly Checks: readonly { readonly Status: string }[];
  }

  test("learns the datacenter, then the services, then their instances", async () => {
    const self = await get<{ Config: { Datacenter: string } }>("/v1/agent/self");
    expect(self.json.Config.Datacenter).toBe("dc1");
    const all = await services(0);
    expect(Object.keys(all.json)).toEqual(expect.arrayContaining(["consul", "other", "shop"]));
    expect(all.index).toBeGreaterThan(0);
    const shop = await nodes("shop", 0);
    expect(shop.json.map(({ Service }) => Service.ID)).toEqual(["shop-a", "shop-b", "shop-c"]);
    expect(shop.json[0]).toMatchObject({
      Service: { Port: 80 },
      Checks: [{ Status: "passing" }, { Status: "passing" }],
    });
  });

  test("is told the same index when its time is over, since it takes another one for a change", async () => {
    const { index } = await nodes("shop", 0);
    const again = await nodes("shop", index, "100ms");
    expect(again.index).toBe(index);
    expect(again.headers.get("x-consul-lastcontact")).not.toBeNull();
    expect(again.headers.get("x-consul-knownleader")).toBe("true");
  });

  test("is woken by a change of the service that it asks about, and not by that of another", async () => {
    const { index } = await nodes("shop", 0);
    let isAnswered = false;
    const waiting = nodes("shop", index).then((answer) => {
      isAnswered = true;
      return answer;
    });
    await register("other", "y");
    await nodes("other", 0);
    expect(isAnswered).toBe(false);
    await register("shop", "d");
    expect((await waiting).json).toHaveLength(4);
  });

  test("is woken by a new service", async () => {
    const { index } = await services(0);
    const waiting = services(index);
    await register("brand-new", "1");
    expect(Object.keys((await waiting).json)).toContain("brand-new");
  });

  test("asks by the metadata of nodes and for several tags", async () => {
    const none = await get<object>("/v1/catalog/services?dc=dc1&node-meta=rack%3A7&stale=&wait=120000ms");
    expect(none.json).toEqual({});
    const tagged = await get<unknown[]>(
      "/v1/health/service/shop?dc=dc1&stale=&tag=traefik.enable%3Dtrue&tag=none&wait=120000ms",
    );
    expect(tagged.json).toEqual([]);
  });
});

describe("Traefik", () => {
  test("finds the instances of a service at the same places in catalog and health", async () => {
    const services = await get<Record<string, string[]>>("/v1/catalog/services?dc=&stale=");
    expect(services.json["shop"]).toEqual(["traefik.enable=true"]);
    const catalog = await get<{ ServiceID: string; Node: string }[]>("/v1/catalog/service/shop?stale=");
    const health = await get<{ Service: { ID: string }; Node: { Node: string } }[]>(
      "/v1/health/service/shop?passing=1&stale=",
    );
    expect(catalog.json.length).toBeGreaterThan(2);
    expect(health.json.map(({ Service, Node }) => [Service.ID, Node.Node])).toEqual(
      catalog.json.map(({ ServiceID, Node }) => [ServiceID, Node]),
    );
  });

  test("gets its own certificate and waits for the next one", async () => {
    const roots = await get<{ Roots: { RootCert: string; Active: boolean }[] }>("/v1/agent/connect/ca/roots");
    expect(roots.json.Roots[0]).toMatchObject({ Active: true });
    const leaf = await get<{ CertPEM: string; PrivateKeyPEM: string; ServiceURI: string }>(
      "/v1/agent/connect/ca/leaf/traefik",
    );
    expect(leaf.json.ServiceURI).toMatch(/\/svc\/traefik$/);
    expect(leaf.json.PrivateKeyPEM).toContain("PRIVATE KEY");
    const asked = performance.now();
    const waited = await get(`/v1/agent/connect/ca/leaf/traefik?index=${leaf.index}&wait=200ms`);
    expect(waited.index).toBe(leaf.index);
    expect(performance.now() - asked).toBeGreaterThan(190);
  });
});
