import { expect, test } from "bun:test";
import { createTestCatalog, type TestCatalog } from "./test-catalog.ts";

/** What a template fills in. */
const hole = (inner: string): string => `$\{${inner}}`;

async function withInstances(): Promise<TestCatalog> {
  const catalog = createTestCatalog();
  const instances = [
    { node: "a", tags: ["v1", "blue"], status: "passing", meta: { zone: "1" } },
    { node: "b", tags: ["v1"], status: "warning", meta: { zone: "1" } },
    { node: "c", tags: ["v1"], status: "critical", meta: { zone: "2" } },
  ];
  for (const { node, tags, status, meta } of instances) {
    await catalog.send("PUT", "/v1/catalog/register", {
      Node: node,
      Address: "10.0.0.1",
      NodeMeta: { rack: node },
      Service: { Service: "web", Tags: tags, Meta: meta, Port: 80 },
      Check: { CheckID: "ok", Name: "ok", ServiceID: "web", Status: status },
    });
  }
  return catalog;
}

async function create(catalog: TestCatalog, body: object): Promise<string> {
  const answer = await catalog.send("POST", "/v1/query", body);
  expect(answer.status, answer.body).toBe(200);
  return JSON.parse(answer.body).ID;
}

async function executed(catalog: TestCatalog, idOrName: string, query = ""): Promise<string[]> {
  const answer = await catalog.get(`/v1/query/${idOrName}/execute${query}`);
  expect(answer.status, answer.body).toBe(200);
  const nodes: { Node: { Node: string } }[] = JSON.parse(answer.body).Nodes;
  return nodes.map(({ Node }) => Node.Node).sort();
}

test("a query is created, read back as Consul answers it, changed and deleted", async () => {
  const catalog = await withInstances();
  const ID = await create(catalog, { Name: "q", Service: { Service: "web", Tags: ["v1"] }, DNS: { TTL: "10s" } });
  const stored = {
    ID,
    Name: "q",
    Session: "",
    Token: "",
    Template: { Type: "", Regexp: "", RemoveEmptyTags: false },
    Service: {
      Service: "web",
      SamenessGroup: "",
      Failover: { NearestN: 0, Datacenters: [], Targets: [] },
      OnlyPassing: false,
      IgnoreCheckIDs: [],
      Near: "",
      Tags: ["v1"],
      NodeMeta: {},
      ServiceMeta: {},
      Connect: false,
      Peer: "",
    },
    DNS: { TTL: "10s" },
  };
  expect((await catalog.get(`/v1/query/${ID}`)).json).toMatchObject([stored]);
  expect((await catalog.get("/v1/query")).json).toMatchObject([stored]);
  const changed = await catalog.send("PUT", `/v1/query/${ID}`, { Name: "r", Service: { Service: "web" } });
  expect(changed).toMatchObject({ status: 200, body: "" });
  expect(await executed(catalog, "r")).toEqual(["a", "b"]);
  expect(await catalog.get("/v1/query/q/execute")).toMatchObject({ status: 404, body: "Query not found" });
  expect((await catalog.send("DELETE", `/v1/query/${ID}`)).status).toBe(200);
  expect(await catalog.get(`/v1/query/${ID}`)).toMatchObject({ status: 404, body: "Query not found" });
});

test("a query takes instances by health, tags and metadata, and as many as are asked for", async () => {
  const catalog = await withInstances();
  const asked: readonly (readonly [object, readonly string[]])[] = [
    [{}, ["a", "b"]],
    [{ OnlyPassing: true }, ["a"]],
    [{ IgnoreCheckIDs: ["ok"] }, ["a", "b", "c"]],
    [{ Tags: ["V1", "!blue"] }, ["b"]],
    [{ NodeMeta: { rack: "a" } }, ["a"]],
    [{ ServiceMeta: { zone: "2" } }, []],
    [{ Connect: true }, []],
  ];
  for (const [i, [more, nodes]] of asked.entries()) {
    await create(catalog, { Name: `q${i}`, Service: { Service: "web", ...more } });
    expect(await executed(catalog, `q${i}`)).toEqual([...nodes]);
  }
  expect(await executed(catalog, "q0", "?limit=1")).toHaveLength(1);
  expect((await catalog.get("/v1/query/q0/execute?limit=x")).status).toBe(400);
});

test("the longest template that a name begins with answers for it, filled in", async () => {
  const catalog = await withInstances();
  const Template = { Type: "name_prefix_match", Regexp: "^geo-(.*)-([^-]+)$", RemoveEmptyTags: true };
  const Service = { Service: hole("match(1)"), Tags: [hole("match(2)"), hole("match(3)")] };
  await create(catalog, { Name: "geo-", Template, Service });
  await create(catalog, { Name: "", Template: { Type: "name_prefix_match" }, Service: { Service: hole("name.full") } });
  expect(await executed(catalog, "geo-web-blue")).toEqual(["a"]);
  expect(await executed(catalog, "web")).toEqual(["a", "b"]);
  expect((await catalog.get("/v1/query/geo-web-blue/explain")).json).toMatchObject({
    Query: { Service: { Service: "web", Tags: ["blue"] } },
  });
});

const refused: readonly (readonly [string, object, string])[] = [
  ["no service", { Name: "x" }, "Must provide a Service name to query"],
  ["neither name nor session", { Service: { Service: "web" } }, "Must be bound to a session, or have a Name"],
  ["a session that is none", { Name: "x", Session: "s", Service: { Service: "web" } }, 'invalid session "s"'],
  ["a bad TTL", { Name: "x", Service: { Service: "web" }, DNS: { TTL: "-1s" } }, "Bad DNS TTL '-1s'"],
  [
    "another kind of template",
    { Name: "x", Template: { Type: "y" }, Service: { Service: "web" } },
    "Bad Template: Type",
  ],
  [
    "an expression that is none",
    { Name: "x", Template: { Type: "name_prefix_match", Regexp: "(" }, Service: { Service: "web" } },
    'bad regexp "("',
  ],
  [
    "a placeholder that is none",
    { Name: "x", Template: { Type: "name_prefix_match" }, Service: { Service: hole("name.middle") } },
    `Bad Template: ${hole("name.middle")} is none of`,
  ],
  ["a token where there are no ACLs", { Name: "x", Token: "t", Service: { Service: "web" } }, "where ACLs are enabled"],
  ["a token that was hidden", { Name: "x", Token: "<hidden>", Service: { Service: "web" } }, "Bad Token '<hidden>'"],
];

test.each(refused)("%s is refused", async (_name, body, message) => {
  const answer = await createTestCatalog().send("POST", "/v1/query", body);
  expect(answer.status).toBe(400);
  expect(answer.body).toContain(message);
});

test("no two queries have one name, and a query that is not there cannot be changed", async () => {
  const catalog = await withInstances();
  const body = { Name: "q", Service: { Service: "web" } };
  await create(catalog, body);
  expect((await catalog.send("POST", "/v1/query", body)).body).toContain('"q" aliases an existing query name');
  const answer = await catalog.send("PUT", "/v1/query/none", { ...body, Name: "r" });
  expect(answer.body).toContain("Cannot modify non-existent prepared query: 'none'");
});

test("a query that a session holds goes with it", async () => {
  const catalog = await withInstances();
  const session = {
    ID: "s",
    Name: "",
    Node: "a",
    lockDelayMs: 0,
    Behavior: "release",
    TTL: "",
    ttlMs: 0,
    NodeChecks: [],
    ServiceChecks: [],
  } as const;
  catalog.apply({ type: "session-create", session });
  await create(catalog, { Session: "s", Service: { Service: "web" } });
  expect((await catalog.get("/v1/query")).json).toHaveLength(1);
  catalog.apply({ type: "session-destroy", ids: ["s"] });
  expect((await catalog.get("/v1/query")).json).toEqual([]);
});

test("instances come by distance from a node, from the agent that asks or from who has the address", async () => {
  const catalog = await withInstances();
  await catalog.send("PUT", "/v1/catalog/register", { Node: "d", Address: "10.0.0.9" });
  for (const [Node, x] of [
    ["a", 0.3],
    ["b", 0.1],
    ["d", 0],
  ] as const) {
    const Coord = { Vec: [x, 0, 0, 0, 0, 0, 0, 0], Error: 1, Adjustment: 0, Height: 0 };
    await catalog.send("PUT", "/v1/coordinate/update", { Node, Coord });
  }
  await create(catalog, { Name: "by-ip", Service: { Service: "web", Near: "_ip" } });
  const nearest = async (query: string, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await catalog.app.inject({ url: `/v1/query/by-ip/execute?limit=1${query}`, headers });
    return answer.json().Nodes[0].Node.Node;
  };
  for (let i = 0; i < 8; i++) {
    expect(await nearest("&near=a")).toBe("a");
    expect(await nearest("&near=_agent", { "x-atoll-node": "d" })).toBe("b");
    expect(await nearest("", { "x-forwarded-for": "10.0.0.9" })).toBe("b");
  }
});
