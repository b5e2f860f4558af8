import { expect, test } from "bun:test";
import { createTestCatalog, instanceBody } from "./test-catalog.ts";

const registerUrl = "/v1/catalog/register";

test("registering answers true and fills in the defaults of service and check", async () => {
  const catalog = createTestCatalog();
  const answer = await catalog.send("PUT", registerUrl, {
    Node: "vm1",
    Address: "10.0.0.1",
    Service: { Service: "web" },
    Checks: [{ Name: "ping" }, { Name: "alive", ServiceID: "web" }],
  });
  expect(answer).toMatchObject({ status: 200, body: "true" });
  expect((await catalog.get("/v1/health/service/web")).json).toMatchObject([
    {
      Node: { ID: "", TaggedAddresses: {}, Meta: {} },
      Service: { ID: "web", Tags: [], Port: 0, Weights: { Passing: 1, Warning: 1 } },
      Checks: [
        { CheckID: "ping", Status: "critical", ServiceID: "", ServiceTags: [] },
        { CheckID: "alive", Status: "critical", ServiceName: "web" },
      ],
    },
  ]);
});

test("where a node and a service are is kept and answered, and left out where nobody said", async () => {
  const catalog = createTestCatalog();
  const Locality = { Region: "r1", Zone: "a" };
  await catalog.send("PUT", registerUrl, {
    Node: "vm1",
    Address: "10.0.0.1",
    Locality,
    Service: { Service: "web", Locality: { Region: "r1", Zone: "b" } },
  });
  expect((await catalog.get("/v1/health/service/web")).json).toMatchObject([
    { Node: { Locality }, Service: { Locality: { Region: "r1", Zone: "b" } } },
  ]);
  expect((await catalog.get("/v1/catalog/service/web")).json).toMatchObject([{ ServiceLocality: { Zone: "b" } }]);
  await catalog.send("PUT", registerUrl, {
    Node: "vm1",
    Address: "10.0.0.1",
    Locality: {},
    Service: { Service: "web" },
  });
  expect((await catalog.get("/v1/health/service/web")).body).not.toContain("Locality");
});

test("registering the same again moves no index", async () => {
  const catalog = createTestCatalog();
  const body = instanceBody({ node: "vm1", service: "web", tags: ["a"] });
  await catalog.send("PUT", registerUrl, body);
  const before = (await catalog.get("/v1/health/service/web")).index;
  await catalog.send("PUT", registerUrl, body);
  expect((await catalog.get("/v1/health/service/web")).index).toBe(before);
});

test("keys are read in any case and with underscores, null is not given, the content type does not matter", async () => {
  const catalog = createTestCatalog();
  const answer = await catalog.app.inject({
    method: "PUT",
    url: registerUrl,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    payload:
      '{"node":"vm1","ADDRESS":"10.0.0.1","node_meta":null,"service":{"service":"web","enable_tag_override":true,"tags":null}}',
  });
  expect(answer.statusCode).toBe(200);
  expect((await catalog.get("/v1/catalog/service/web")).json).toMatchObject([{ ServiceEnableTagOverride: true }]);
});

const refusals: readonly (readonly [string, object, string])[] = [
  ["a missing node", { Address: "10.0.0.1" }, "Must provide node"],
  ["a missing address", { Node: "n" }, "Must provide address if SkipNodeUpdate is not set"],
  ["a node ID that is no UUID", { Node: "n", Address: "a", ID: "x" }, 'Bad node ID: "x" is not a UUID'],
  [
    "a service without a name",
    { Node: "n", Address: "a", Service: { ID: "x" } },
    "Must provide service name (Service.Service) when service ID is provided",
  ],
  [
    "a zone without a region",
    { Node: "n", Address: "a", Service: { Service: "s", Locality: { Zone: "z" } } },
    'Service.Locality: has the zone "z" without a region',
  ],
  [
    "an address that nobody can dial",
    { Node: "n", Address: "a", Service: { Service: "s", Address: "0.0.0.0" } },
    'Service.Address: Invalid service address: "0.0.0.0"',
  ],
  [
    "a port out of range",
    { Node: "n", Address: "a", Service: { Service: "s", Port: 70000 } },
    "Request decode failed: Service.Port: must be <= 65535, found 70000",
  ],
  [
    "a port that is text",
    { Node: "n", Address: "a", Service: { Service: "s", Port: "80" } },
    'Request decode failed: Service.Port: must be integer, found "80"',
  ],
  [
    "an unknown kind",
    { Node: "n", Address: "a", Service: { Service: "s", Kind: "x" } },
    "Service.Kind: must be one of",
  ],
  [
    "a status of its own",
    { Node: "n", Address: "a", Check: { Name: "c", Status: "fine" } },
    "Check.Status: must be one of",
  ],
  [
    "a metadata key with a space",
    { Node: "n", Address: "a", NodeMeta: { "a b": "1" } },
    "Couldn't load metadata pair ('a b', '1'): Key contains invalid characters",
  ],
  [
    "a metadata value that is too long",
    { Node: "n", Address: "a", Service: { Service: "s", Meta: { k: "v".repeat(513) } } },
    "Value is too long (limit: 512 characters)",
  ],
  [
    "more metadata than allowed",
    { Node: "n", Address: "a", NodeMeta: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, "v"])) },
    "NodeMeta: cannot contain more than 64 key/value pairs",
  ],
  [
    "a proxy without a destination",
    { Node: "n", Address: "a", Service: { Kind: "connect-proxy", Service: "s", Port: 1 } },
    "Proxy.DestinationServiceName must be non-empty for Connect proxy services",
  ],
  [
    "a proxy without a port",
    {
      Node: "n",
      Address: "a",
      Service: { Kind: "connect-proxy", Service: "s", Proxy: { DestinationServiceName: "w" } },
    },
    "Port or SocketPath must be set for a connect-proxy",
  ],
  [
    "a check of a service that is not there",
    { Node: "n", Address: "a", Check: { Name: "c", ServiceID: "ghost" } },
    "Unknown service ID 'ghost' for check ID 'c'",
  ],
  ["a check of another node", { Node: "n", Address: "a", Check: { Name: "c", Node: "m" } }, 'does not match node "n"'],
  ["a name with a line break", { Node: "a\nb", Address: "a" }, "Node: may not hold control characters"],
  [
    "Port beside Ports",
    { Node: "n", Address: "a", Service: { Service: "s", Port: 1, Ports: [{ Name: "a", Port: 2 }] } },
    "Service.Ports: Port and Ports are mutually exclusive",
  ],
  [
    "a mesh gateway without a port",
    { Node: "n", Address: "a", Service: { Kind: "mesh-gateway", Service: "g" } },
    "Port must be non-zero for a mesh-gateway",
  ],
  [
    "a gateway with a destination",
    {
      Node: "n",
      Address: "a",
      Service: { Kind: "terminating-gateway", Service: "g", Port: 1, Proxy: { DestinationServiceName: "x" } },
    },
    "The Proxy.DestinationServiceName configuration is invalid for a terminating-gateway",
  ],
];

for (const [what, body, message] of refusals) {
  test(`${what} is a 400 that names it, and nothing is registered`, async () => {
    const catalog = createTestCatalog();
    const answer = await catalog.send("PUT", registerUrl, body);
    expect(answer.status).toBe(400);
    expect(answer.body).toContain(message);
    expect((await catalog.get("/v1/catalog/nodes")).json).toEqual([]);
  });
}

test("a body for another datacenter finds no path", async () => {
  const catalog = createTestCatalog();
  const expected = { status: 500, body: "No path to datacenter" };
  expect(await catalog.send("PUT", registerUrl, { Datacenter: "dc9", Node: "n", Address: "a" })).toMatchObject(
    expected,
  );
  expect(await catalog.send("PUT", `${registerUrl}?dc=dc9`, { Node: "n", Address: "a" })).toMatchObject(expected);
  expect(await catalog.get("/v1/catalog/nodes?dc=dc9")).toMatchObject(expected);
});

test("a syntax error is answered with its line and column, an empty body with EOF", async () => {
  const catalog = createTestCatalog();
  expect(await catalog.send("PUT", registerUrl, '{\n  "Node": "n",\n}')).toMatchObject({
    status: 400,
    body: 'Request decode failed: line 3, column 1: expected a "key", found "}"',
  });
  expect((await catalog.send("PUT", registerUrl)).body).toStartWith("Request decode failed: EOF");
});

test("keys that would reach an object's prototype are refused wherever they are", async () => {
  const catalog = createTestCatalog();
  const body = '{"Node":"n","Address":"a","NodeMeta":{"__proto__":"x"}}';
  const answer = await catalog.send("PUT", registerUrl, body);
  expect(answer).toMatchObject({ status: 400 });
  expect(answer.body).toContain('the key "__proto__" is not allowed');
});

test("one field under two spellings is refused: nobody can say which was meant", async () => {
  const catalog = createTestCatalog();
  const answer = await catalog.send("PUT", registerUrl, '{"Node":"n","node":"m","Address":"a"}');
  expect(answer).toMatchObject({
    status: 400,
    body: 'Request decode failed: node: is given twice, as "Node" and as "node"',
  });
});

test("deregistering removes a check, a service with its checks, or the whole node", async () => {
  const catalog = createTestCatalog();
  const deregister = (body: object): Promise<unknown> => catalog.send("PUT", "/v1/catalog/deregister", body);
  for (const id of ["a", "b"])
    await catalog.send("PUT", registerUrl, instanceBody({ node: "vm1", service: "web", id }));
  await deregister({ Node: "vm1", CheckID: "service:a" });
  expect((await catalog.get("/v1/health/node/vm1")).json).toMatchObject([{ CheckID: "service:b" }]);
  await deregister({ Node: "vm1", ServiceID: "b" });
  expect((await catalog.get("/v1/catalog/service/web")).json).toMatchObject([{ ServiceID: "a" }]);
  await deregister({ Node: "vm1" });
  expect((await catalog.get("/v1/catalog/nodes")).json).toEqual([]);
  expect(await deregister({})).toMatchObject({ status: 400, body: "Must provide node" });
  expect(await deregister({ Node: "nobody" })).toMatchObject({ status: 200, body: "true" });
});
