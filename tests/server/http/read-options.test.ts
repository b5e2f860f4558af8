import { expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createTestCatalog, instanceBody, type TestCatalog } from "./test-catalog.ts";

function vec(first: number): number[] {
  return [first, 0, 0, 0, 0, 0, 0, 0];
}

async function withCoordinates(places: Readonly<Record<string, number>>): Promise<TestCatalog> {
  const catalog = createTestCatalog();
  for (const node of ["a", "b", "c", "d"]) {
    await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node, service: "web" }));
  }
  for (const [Node, first] of Object.entries(places)) {
    const Coord = { Vec: vec(first), Error: 1.5, Adjustment: 0, Height: 0.00001 };
    expect(await catalog.send("PUT", "/v1/coordinate/update", { Node, Segment: "", Coord })).toMatchObject({
      status: 200,
      body: "",
    });
  }
  return catalog;
}

async function nodesOf(catalog: TestCatalog, url: string): Promise<unknown> {
  const { json } = await catalog.get(url);
  return Array.isArray(json) ? json.map(({ Node }) => (typeof Node === "object" ? Node.Node : Node)) : json;
}

test("?near sorts by round trip, equal ones as they were, those without coordinates last", async () => {
  const catalog = await withCoordinates({ a: 0.03, c: 0.01, d: 0.03 });
  for (const path of ["health/service/web", "catalog/service/web", "catalog/nodes", "health/checks/web"]) {
    expect(await nodesOf(catalog, `/v1/${path}?near=c`)).toEqual(["c", "a", "d", "b"]);
    expect(await nodesOf(catalog, `/v1/${path}?near=a`)).toEqual(["a", "d", "c", "b"]);
    expect(await nodesOf(catalog, `/v1/${path}?near=b`)).toEqual(["a", "b", "c", "d"]);
    expect(await nodesOf(catalog, `/v1/${path}?near=_agent`)).toEqual(["a", "b", "c", "d"]);
  }
  await catalog.send("PUT", "/v1/coordinate/update", { Node: "b", Coord: { Vec: vec(0.01) } });
  expect(await nodesOf(catalog, "/v1/health/service/web?near=c")).toEqual(["b", "c", "a", "d"]);
});

test("coordinates are kept with their node, and refused with the wrong dimensions", async () => {
  const catalog = await withCoordinates({ b: 0.5 });
  const Coord = { Vec: vec(0.5), Error: 1.5, Adjustment: 0, Height: 0.00001 };
  const expected = [{ Node: "b", Segment: "", Coord }];
  expect((await catalog.get("/v1/coordinate/nodes")).json).toEqual(expected);
  expect((await catalog.get("/v1/coordinate/node/b")).json).toEqual(expected);
  expect((await catalog.get("/v1/coordinate/node/a")).status).toBe(404);
  expect((await catalog.get("/v1/coordinate/datacenters")).json).toEqual([
    { Datacenter: "dc1", AreaID: "wan", Coordinates: [] },
  ]);
  const { index } = await catalog.get("/v1/coordinate/nodes");
  await catalog.send("PUT", "/v1/coordinate/update", { Node: "b", Coord });
  await catalog.send("PUT", "/v1/coordinate/update", { Node: "nobody", Coord });
  expect((await catalog.get("/v1/coordinate/nodes")).index).toBe(index);
  const short = await catalog.send("PUT", "/v1/coordinate/update", { Node: "b", Coord: { Vec: [1, 2] } });
  expect(short).toMatchObject({ status: 400, body: expect.stringContaining("incompatible coordinate") });
  await catalog.send("PUT", "/v1/catalog/deregister", { Node: "b" });
  expect((await catalog.get("/v1/coordinate/nodes")).json).toEqual([]);
});

test("?cached says whether the question was asked before, where Consul's agents have a cache", async () => {
  const catalog = await withCoordinates({});
  const marks = async (url: string): Promise<unknown> => {
    const { headers } = await catalog.get(url);
    return [headers["x-cache"], headers["age"]];
  };
  for (const path of [
    "health/service/web",
    "catalog/service/web",
    "catalog/services",
    "connect/intentions/match?by=source&name=a",
  ]) {
    const url = `/v1/${path}${path.includes("?") ? "&" : "?"}cached`;
    expect(await marks(url)).toEqual(["MISS", undefined]);
    expect(await marks(url)).toEqual(["HIT", "0"]);
    expect(await marks(`${url}&passing`)).toEqual(["MISS", undefined]);
  }
  expect(await marks("/v1/health/service/web")).toEqual([undefined, undefined]);
  expect(await marks("/v1/catalog/nodes?cached")).toEqual([undefined, undefined]);
});

test("cached datacenters heed Cache-Control", async () => {
  const clock = createVirtualClock(1_000_000);
  const catalog = createTestCatalog({ clock });
  const marks = async (cacheControl: string): Promise<unknown> => {
    const headers = { "cache-control": cacheControl };
    const answer = await catalog.app.inject({ method: "GET", url: "/v1/catalog/datacenters?cached", headers });
    return [answer.headers["x-cache"], answer.headers["age"]];
  };
  expect(await marks("")).toEqual(["MISS", undefined]);
  await clock.advance(5_000);
  expect(await marks("")).toEqual(["HIT", "5"]);
  expect(await marks("max-age=10")).toEqual(["HIT", "5"]);
  expect(await marks("must-revalidate")).toEqual(["MISS", undefined]);
  await clock.advance(20_000);
  expect(await marks("max-age=10")).toEqual(["MISS", undefined]);
});

test("a large answer is compressed for those who take it, a small one for nobody", async () => {
  const catalog = createTestCatalog();
  const ask = (encoding: string) =>
    catalog.app.inject({ method: "GET", url: "/v1/health/service/web", headers: { "accept-encoding": encoding } });
  expect((await ask("gzip")).headers["content-encoding"]).toBeUndefined();
  for (let n = 0; n < 8; n++) {
    await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: `n${n}`, service: "web" }));
  }
  const { body } = await catalog.get("/v1/health/service/web");
  for (const encoding of ["gzip", "gzip, deflate, br", "deflate;q=0.5, gzip;q=1.0"]) {
    const answer = await ask(encoding);
    expect(answer.headers).toMatchObject({
      "content-encoding": "gzip",
      vary: "Accept-Encoding",
      "content-type": "application/json",
    });
    expect(gunzipSync(answer.rawPayload).toString()).toBe(body);
    expect(Number(answer.headers["content-length"])).toBe(answer.rawPayload.length);
  }
  for (const encoding of ["", "identity", "gzip;q=0", "br", "x-gzipped"]) {
    const answer = await ask(encoding);
    expect(answer.headers["content-encoding"]).toBeUndefined();
    expect(answer.body).toBe(body);
  }
});

test("merge-central-config shows sidecars with what config entries say, and wakes when those change", async () => {
  const catalog = createTestCatalog();
  const proxy = {
    DestinationServiceName: "web",
    Config: { own: true, local_connect_timeout_ms: 5 },
    Upstreams: [{ DestinationName: "api", LocalBindPort: 9000, Config: { connect_timeout_ms: 1 } }],
  };
  const Service = { Kind: "connect-proxy", Service: "web-proxy", Port: 21000, Proxy: proxy };
  await catalog.send("PUT", "/v1/catalog/register", { Node: "a", Address: "10.0.0.1", Service });
  await catalog.send("PUT", "/v1/config", { Kind: "proxy-defaults", Name: "global", Config: { mesh: 1, own: false } });
  const url = "/v1/health/connect/web?merge-central-config";
  const proxyOf = async (): Promise<unknown> => {
    const { json } = await catalog.get(url);
    return Array.isArray(json) ? json[0].Service.Proxy : undefined;
  };
  expect(await proxyOf()).toMatchObject({ Config: { mesh: 1, own: true, local_connect_timeout_ms: 5 } });
  const { index } = await catalog.get(url);
  const blocked = catalog.get(`${url}&index=${index}&wait=1m`);
  await new Promise((resolve) => setImmediate(resolve));
  await catalog.send("PUT", "/v1/config", {
    Kind: "service-defaults",
    Name: "web",
    Protocol: "http",
    LocalConnectTimeoutMs: 70,
    UpstreamConfig: { Defaults: { ConnectTimeoutMs: 50, Limits: { MaxConnections: 3 } } },
  });
  expect((await blocked).index).toBeGreaterThan(index);
  expect(await proxyOf()).toMatchObject({
    Config: { mesh: 1, own: true, protocol: "http", local_connect_timeout_ms: 5 },
    Upstreams: [{ Config: { connect_timeout_ms: 1, limits: { MaxConnections: 3, MaxPendingRequests: null } } }],
  });
  const plain = await catalog.get("/v1/catalog/connect/web");
  expect(plain.body).not.toContain('mesh":1');
});
