import { expect, test } from "bun:test";
import { readServiceTtls } from "../../../agent/dns/dns-settings.ts";
import { types, uint16s } from "./messages.ts";
import { createTestDns, dnsNode, endpoint, instance, shown } from "./test-dns.ts";

const n1 = dnsNode("n1", "10.0.0.1", { rack: "7", "rfc1035-note": "raw" });
const n2 = dnsNode("n2", "10.0.0.2");
const web = [
  instance(n1, { endpoint: endpoint("10.1.0.1"), tags: ["v1", "blue", "eu.west"], weight: 5 }),
  instance(n2, { port: 81, tags: ["v1"] }),
];
const dns = createTestDns({
  services: {
    "service/web": web,
    "connect/web": [instance(n1, { service: "web-sidecar-proxy", port: 21_000 })],
    "ingress/web": [instance(n2, { service: "gateway", port: 8080 })],
    "service/web@dc2": [instance({ ...n1, datacenter: "dc2" })],
    "service/web@peer:east": [instance(dnsNode("e1", "10.9.0.1"))],
    "service/v6": [instance(dnsNode("n6", "2001:db8::1"))],
    "service/named": [
      instance(n1, {
        ports: new Map([
          ["http", 8080],
          ["admin", 9090],
        ]),
      }),
      instance(n2),
    ],
    "service/consul": [instance(n1, { service: "consul", port: 8300 }), instance(n2, { service: "consul" })],
  },
  nodes: [n1, n2, dnsNode("dotted.name", "10.0.0.7"), dnsNode("ext", "node.example.com")],
  offsets: { web: 300 },
  holders: {
    "10.0.0.1": { node: { name: "n1", datacenter: "dc1" }, services: [{ name: "db", datacenter: "dc1" }] },
    "10.1.0.1": { services: [{ name: "web", datacenter: "dc1" }] },
    "2001:db8::1": { node: { name: "n6", datacenter: "dc1" }, services: [] },
  },
  queries: { geo: { service: "web", instances: web, ttlS: 30 } },
});
const edns = { ednsBytes: 4_096 };

test("addresses of a service are its instances' own, or those of their nodes", async () => {
  const message = await dns.ask({ name: "web.service.consul", type: types.A });
  expect(shown(message.answers)).toEqual(["web.service.consul 1 10.0.0.2", "web.service.consul 1 10.1.0.1"]);
  expect(message).toMatchObject({ rcode: 0, isAuthoritative: true, isRecursionAvailable: false, id: 0x1234 });
});

test("the name comes back in the letter case that it was asked in", async () => {
  const message = await dns.ask({ name: "wEb.SERVICE.cOnSuL", type: types.A });
  expect(message.question).toBe("wEb.SERVICE.cOnSuL");
  expect(new Set(message.answers.map(({ name }) => name))).toEqual(new Set(["wEb.SERVICE.cOnSuL"]));
});

test("SRV records carry weight, port and target, and the target's addresses and metadata beside them", async () => {
  const message = await dns.ask({ name: "_web._tcp.service.consul", type: types.SRV, ...edns });
  expect(shown(message.answers)).toEqual([
    "_web._tcp.service.consul 33 1 1 81 n2.node.dc1.consul",
    "_web._tcp.service.consul 33 1 5 80 0a010001.addr.dc1.consul",
  ]);
  expect(shown(message.additional)).toEqual([
    "0a010001.addr.dc1.consul 1 10.1.0.1",
    "0a010001.addr.dc1.consul 16 rack=7",
    "0a010001.addr.dc1.consul 16 raw",
    "n2.node.dc1.consul 1 10.0.0.2",
  ]);
});

test("each of several tags has to be there, and a tag with dots is one tag", async () => {
  const addresses = async (name: string) =>
    shown((await dns.ask({ name, type: types.A })).answers).map((r) => r.split(" ")[2]);
  expect(await addresses("v1.web.service.consul")).toEqual(["10.0.0.2", "10.1.0.1"]);
  expect(await addresses("blue.v1.web.service.consul")).toEqual(["10.1.0.1"]);
  expect(await addresses("V1.Blue.web.service.consul")).toEqual(["10.1.0.1"]);
  expect(await addresses("eu.west.web.service.consul")).toEqual(["10.1.0.1"]);
  expect(await addresses("blue.v2.web.service.consul")).toEqual([]);
  expect(await addresses("_web._blue.service.consul")).toEqual(["10.1.0.1"]);
});

test.each([
  ["web.connect.consul", "1 1 21000 n1.node.dc1.consul"],
  ["web.ingress.consul", "1 1 8080 n2.node.dc1.consul"],
  ["web.service.dc2.consul", "1 1 80 n1.node.dc2.consul"],
  ["web.service.dc2.dc.consul", "1 1 80 n1.node.dc2.consul"],
  ["web.service.east.peer.consul", "1 1 80 e1.node.dc1.consul"],
  ["http.port.named.service.consul", "1 1 8080 n1.node.dc1.consul"],
  ["admin.port.named.service.mesh", "1 1 9090 n1.node.dc1.mesh"],
])("%s SRV", async (name, data) => {
  const message = await dns.ask({ name, type: types.SRV, ...edns });
  expect(message.answers.map((record) => record.data)).toEqual([data]);
});

test("a virtual name has one address, of 240.0.0.0/4 in .consul and of loopback in .mesh", async () => {
  const consul = await dns.ask({ name: "web.virtual.consul", type: types.A });
  const mesh = await dns.ask({ name: "web.virtual.mesh", type: types.ANY });
  expect(shown(consul.answers)).toEqual(["web.virtual.consul 1 240.0.1.44"]);
  expect(shown(mesh.answers)).toEqual(["web.virtual.mesh 1 127.128.1.44"]);
  expect(await dns.ask({ name: "api.virtual.consul", type: types.A })).toMatchObject({ rcode: 3 });
  expect(await dns.ask({ name: "web.virtual.east.consul", type: types.A })).toMatchObject({ rcode: 3 });
});

test("a node is found by its name, dots included, with its metadata as text", async () => {
  expect(shown((await dns.ask({ name: "dotted.name.node.consul", type: types.A })).answers)).toHaveLength(1);
  const any = await dns.ask({ name: "n1.node.consul", type: types.ANY });
  expect(shown(any.answers)).toEqual([
    "n1.node.consul 1 10.0.0.1",
    "n1.node.consul 16 rack=7",
    "n1.node.consul 16 raw",
  ]);
  const text = await dns.ask({ name: "n1.node.consul", type: types.TXT });
  expect(text.answers.map(({ data }) => data)).toEqual(["rack=7", "raw"]);
  const address = await dns.ask({ name: "n1.node.consul", type: types.A });
  expect(shown(address.additional)).toEqual(["n1.node.consul 16 rack=7", "n1.node.consul 16 raw"]);
});

test("what is not there is NXDOMAIN, what has no such record is an empty answer, both with the zone's SOA", async () => {
  const soa = { name: "consul", type: types.SOA, data: "ns.consul hostmaster.consul", ttl: 0, recordClass: 1 };
  const unknown = await dns.ask({ name: "nobody.service.consul", type: types.A });
  expect(unknown).toMatchObject({ rcode: 3, answers: [], authority: [soa], isAuthoritative: true });
  for (const [name, type] of [
    ["n1.node.consul", types.MX],
    ["n1.node.consul", types.AAAA],
    ["web.service.consul", types.AAAA],
    ["v6.service.consul", types.A],
    ["service.consul", types.A],
    ["consul", types.A],
    ["0a000001.addr.consul", types.AAAA],
  ] as const) {
    expect(await dns.ask({ name, type })).toMatchObject({ rcode: 0, answers: [], authority: [soa] });
  }
});

test("reverse names lead to the node, or else to the services", async () => {
  const target = async (name: string) => (await dns.ask({ name, type: types.PTR })).answers.map(({ data }) => data);
  expect(await target("1.0.0.10.in-addr.arpa")).toEqual(["n1.node.dc1.consul"]);
  expect(await target("1.0.1.10.in-addr.arpa")).toEqual(["web.service.dc1.consul"]);
  const nibbles = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
  expect(await target(`${nibbles}.ip6.arpa`)).toEqual(["n6.node.dc1.consul"]);
  expect(await dns.ask({ name: "9.9.9.9.in-addr.arpa", type: types.PTR })).toMatchObject({ rcode: 3 });
});

test("the zone has an SOA and the servers as its name servers, with their addresses", async () => {
  const ns = await dns.ask({ name: "consul", type: types.NS });
  expect(shown(ns.answers)).toEqual(["consul 2 n1.node.dc1.consul", "consul 2 n2.node.dc1.consul"]);
  expect(shown(ns.additional)).toEqual(["n1.node.dc1.consul 1 10.0.0.1", "n2.node.dc1.consul 1 10.0.0.2"]);
  const soa = await dns.ask({ name: "consul", type: types.SOA });
  expect(shown(soa.answers)).toEqual(["consul 6 ns.consul hostmaster.consul"]);
  expect(soa.authority).toHaveLength(2);
});

test("a prepared query has the time to live that it says, and is for the client's network", async () => {
  const options = Buffer.concat([uint16s(8, 7), Buffer.of(0, 1, 24, 0, 192, 0, 2)]);
  const message = await dns.ask({ name: "geo.query.consul", type: types.A, ...edns, options });
  expect(message.answers.map(({ ttl }) => ttl)).toEqual([30, 30]);
  expect(message.opt?.data).toBe("00080007000118" + "18" + "c00002");
  expect(await dns.ask({ name: "none.query.consul", type: types.A })).toMatchObject({ rcode: 3 });
});

test("only instances that pass are given where that is asked for", async () => {
  const services = { "service/web": [instance(n1, { isPassing: false }), instance(n2)] };
  const strict = createTestDns({ services }, { isOnlyPassing: true });
  expect(shown((await strict.ask({ name: "web.service.consul", type: types.A })).answers)).toEqual([
    "web.service.consul 1 10.0.0.2",
  ]);
});

test("times to live are those of the name, of its longest prefix, or of all", async () => {
  const serviceTtl = readServiceTtls({ "*": 1, "we*": 2, "web*": 3, api: 4 });
  const services = Object.fromEntries(
    ["web", "webx", "west", "api", "db"].map((name) => [`service/${name}`, [instance(n1)]]),
  );
  const timed = createTestDns({ services, nodes: [n1] }, { serviceTtl, nodeTtlS: 9 });
  const ttl = async (name: string) => (await timed.ask({ name, type: types.A })).answers.map((record) => record.ttl);
  const names = ["web", "webx", "west", "api", "db"].map((name) => `${name}.service.consul`);
  expect(await Promise.all(names.map(ttl))).toEqual([[3], [3], [2], [4], [1]]);
  expect(await ttl("n1.node.consul")).toEqual([9]);
});

test("no server and nothing remembered is SERVFAIL", async () => {
  const down = createTestDns({ isDown: true });
  expect(await down.ask({ name: "web.service.consul", type: types.A })).toMatchObject({ rcode: 2, answers: [] });
});

test("every instance comes first now and then", async () => {
  const first = new Set<string | undefined>();
  for (let i = 0; i < 50; i++)
    first.add((await dns.ask({ name: "web.service.consul", type: types.A })).answers[0]?.data);
  expect(first.size).toBe(2);
});

test("an instance under a name of ours is an alias with the addresses behind it", async () => {
  const services = {
    "service/alias": [instance(n1, { endpoint: { hostName: "web.service.consul" } })],
    "service/web": web,
    "service/self": [instance(n1, { endpoint: { hostName: "Self.service.consul" } })],
    "service/a": [instance(n1, { endpoint: { hostName: "b.service.consul" } })],
    "service/b": [instance(n1, { endpoint: { hostName: "a.service.consul" } })],
  };
  const aliased = createTestDns({ services });
  expect(shown((await aliased.ask({ name: "alias.service.consul", type: types.A })).answers)).toEqual([
    "alias.service.consul 5 web.service.consul",
    "web.service.consul 1 10.0.0.2",
    "web.service.consul 1 10.1.0.1",
  ]);
  // Its own name leads nowhere: the node's address is given.
  expect(shown((await aliased.ask({ name: "self.service.consul", type: types.A })).answers)).toEqual([
    "self.service.consul 1 10.0.0.1",
  ]);
  // A circle ends.
  const circle = await aliased.ask({ name: "a.service.consul", type: types.A }, "tcp");
  expect(circle.answers.length).toBeLessThanOrEqual(4);
});
