import { expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { createTestAuthority } from "../ca/test-authority.ts";
import { createTestCatalog, type TestCatalog } from "./test-catalog.ts";

const tcpListener = { Port: 8443, Protocol: "tcp", Services: [{ Name: "db" }] };
const parents = [{ Kind: "api-gateway", Name: "edge", SectionName: "http" }];

/** One of each kind as it is written, and what it is answered as besides what was written. */
const written: readonly (readonly [Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>])[] = [
  [{ Kind: "exported-services", Name: "default", Services: [{ Name: "web", Consumers: [{ Peer: "east" }] }] }, {}],
  [{ Kind: "ingress-gateway", Name: "in", Listeners: [tcpListener] }, { TLS: { Enabled: false } }],
  [{ Kind: "terminating-gateway", Name: "out", Services: [{ Name: "billing", CAFile: "/ca", SNI: "b.example" }] }, {}],
  [
    { Kind: "api-gateway", Name: "edge", Listeners: [{ Name: "http", Port: 80, Protocol: "http" }] },
    { Status: { Conditions: null } },
  ],
  [
    {
      Kind: "http-route",
      Name: "all",
      Parents: parents,
      Hostnames: ["example.com"],
      Rules: [
        {
          Matches: [{ Path: { Match: "prefix", Value: "/" }, Method: "GET" }],
          Services: [{ Name: "web", Weight: 2 }],
        },
      ],
    },
    {},
  ],
  [{ Kind: "tcp-route", Name: "db", Parents: parents, Services: [{ Name: "db" }] }, {}],
  [{ Kind: "file-system-certificate", Name: "c", Certificate: "/c.crt", PrivateKey: "/c.key" }, {}],
];

const put = (catalog: TestCatalog, entry: object) => catalog.send("PUT", "/v1/config", entry);

test.each(written.map(([entry, more]) => [entry["Kind"], entry, more] as const))(
  "%s is kept as it was written, listed and deleted",
  async (kind, entry, more) => {
    const catalog = createTestCatalog();
    expect(await put(catalog, { ...entry, Meta: { a: "b" } })).toMatchObject({ status: 200, body: "true" });
    const answer = { ...entry, ...more, Meta: { a: "b" }, CreateIndex: 11, ModifyIndex: 11 };
    expect((await catalog.get(`/v1/config/${kind}/${entry["Name"]}`)).json).toMatchObject(answer);
    expect((await catalog.get(`/v1/config/${kind}`)).json).toMatchObject([answer]);
    expect(await catalog.send("DELETE", `/v1/config/${kind}/${entry["Name"]}`)).toMatchObject({ body: "{}" });
    expect((await catalog.get(`/v1/config/${kind}`)).json).toEqual([]);
  },
);

const services = (Services: unknown, more = {}) => ({ Port: 1, Protocol: "http", Services, ...more });
const refused: readonly (readonly [string, object, string])[] = [
  ["an export under another name", { Kind: "exported-services", Name: "x" }, 'Name must be "default", found "x"'],
  [
    "an export to nobody",
    { Kind: "exported-services", Name: "default", Services: [{ Name: "web" }] },
    "Services[0]: must have at least one consumer",
  ],
  [
    "an export to all peers",
    { Kind: "exported-services", Name: "default", Services: [{ Name: "web", Consumers: [{ Peer: "*" }] }] },
    "Services[0].Consumers[0].Peer: exporting to all peers (wildcard) is not supported",
  ],
  [
    "two listeners on a port",
    { Kind: "ingress-gateway", Name: "x", Listeners: [tcpListener, tcpListener] },
    "port 8443 declared on two listeners",
  ],
  [
    "two services behind tcp",
    { Kind: "ingress-gateway", Name: "x", Listeners: [services([{ Name: "a" }, { Name: "b" }], { Protocol: "tcp" })] },
    'multiple services per listener are only supported for L7 protocols, found "tcp"',
  ],
  [
    "a listener of another protocol than its service",
    { Kind: "ingress-gateway", Name: "x", Listeners: [services([{ Name: "db" }])] },
    'service "db" has protocol "tcp", which does not match defined listener protocol "http"',
  ],
  [
    "a certificate without its key",
    { Kind: "terminating-gateway", Name: "x", Services: [{ Name: "a", CertFile: "/c" }] },
    'service "a" must have a CertFile, CAFile, and KeyFile specified for TLS origination',
  ],
  [
    "a host name for tcp",
    { Kind: "api-gateway", Name: "x", Listeners: [{ Port: 1, Protocol: "tcp", Hostname: "a.b" }] },
    "Listeners[0].Hostname: hostname specification is not supported when using TCP",
  ],
  [
    "a path that is none",
    { Kind: "http-route", Name: "x", Rules: [{ Matches: [{ Path: { Match: "exact", Value: "a" } }] }] },
    'Rules[0].Matches[0].Path.Value: exact and prefix types should begin with "/", found "a"',
  ],
  [
    "a regex that is none",
    { Kind: "http-route", Name: "x", Rules: [{ Matches: [{ Path: { Match: "regex", Value: "(" } }] }] },
    'Rules[0].Matches[0].Path.Value is not a valid regex: "("',
  ],
  [
    "two services of a tcp-route",
    { Kind: "tcp-route", Name: "x", Services: [{ Name: "a" }, { Name: "b" }] },
    "tcp-route currently only supports one service",
  ],
  [
    "a parent of another kind",
    { Kind: "tcp-route", Name: "x", Parents: [{ Kind: "mesh", Name: "m" }] },
    "Parents[0].Kind",
  ],
  ["an unknown key", { Kind: "tcp-route", Name: "x", Servics: [] }, 'invalid config key "Servics"'],
  [
    "no certificate",
    { Kind: "inline-certificate", Name: "x", Certificate: "x", PrivateKey: "y" },
    "Certificate is not a PEM",
  ],
  ["no file", { Kind: "file-system-certificate", Name: "x", Certificate: "/c" }, "PrivateKey is required"],
];

test.each(refused)("%s is refused", async (_name, entry, message) => {
  const catalog = createTestCatalog();
  const answer = await put(catalog, entry);
  expect(answer.status).toBe(400);
  expect(answer.body).toContain(message);
});

test("an inline certificate has the key that it was made with", async () => {
  const catalog = createTestCatalog();
  const Certificate = createTestAuthority({ seed: 1 }).rootPem;
  const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
    type: "pkcs8",
    format: "pem",
  });
  const answer = await put(catalog, { Kind: "inline-certificate", Name: "x", Certificate, PrivateKey: stranger });
  expect(answer).toMatchObject({ status: 400, body: "PrivateKey does not belong to Certificate" });
});

test("no two gateways have one name", async () => {
  const catalog = createTestCatalog();
  await put(catalog, { Kind: "terminating-gateway", Name: "gw" });
  const answer = await put(catalog, { Kind: "ingress-gateway", Name: "gw", Listeners: [tcpListener] });
  expect(answer.body).toContain('a "terminating-gateway" config entry with that name already exists');
});

test("a service's protocol cannot be changed under an ingress-gateway", async () => {
  const catalog = createTestCatalog();
  await put(catalog, { Kind: "ingress-gateway", Name: "in", Listeners: [tcpListener] });
  const answer = await put(catalog, { Kind: "service-defaults", Name: "db", Protocol: "http" });
  expect(answer.body).toContain(
    'service "db" has protocol "http", which does not match defined listener protocol "tcp"',
  );
});

test("the services of a gateway and what is exported are told, a wildcard as what it stands for", async () => {
  const catalog = createTestCatalog();
  for (const service of ["api", "web"]) {
    const body = { Node: "n", Address: "10.0.0.1", Service: { Service: service } };
    await catalog.send("PUT", "/v1/catalog/register", body);
  }
  await put(catalog, {
    Kind: "terminating-gateway",
    Name: "out",
    Services: [{ Name: "*" }, { Name: "web", SNI: "w" }],
  });
  const Gateway = { Name: "out" };
  const GatewayKind = "terminating-gateway";
  expect((await catalog.get("/v1/catalog/gateway-services/out")).json).toEqual([
    { Gateway, GatewayKind, Service: { Name: "api" }, FromWildcard: true },
    { Gateway, GatewayKind, Service: { Name: "web" }, SNI: "w" },
  ]);
  expect((await catalog.get("/v1/catalog/gateway-services/none")).json).toEqual([]);
  const Services = [{ Name: "*", Consumers: [{ Peer: "east" }, { Peer: "west" }] }];
  expect((await catalog.get("/v1/exported-services")).json).toEqual([]);
  await put(catalog, { Kind: "exported-services", Name: "default", Services });
  const Consumers = { Peers: ["east", "west"] };
  expect((await catalog.get("/v1/exported-services")).json).toEqual([
    { Service: "api", Consumers },
    { Service: "web", Consumers },
  ]);
});
