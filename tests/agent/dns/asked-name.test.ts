import { expect, test } from "bun:test";
import { readAskedName } from "../../../agent/dns/asked-name.ts";

const domains = ["consul", "mesh", "corp.example"];

function read(name: string, isSrv = false) {
  return readAskedName(name.split("."), { domains, isSrv });
}

const service = { kind: "service", tags: [], place: {} } as const;

test.each([
  ["web.service.consul", { ...service, service: "web" }],
  ["web.service.dc2.consul", { ...service, service: "web", place: { datacenter: "dc2" } }],
  ["web.service.dc2.dc.consul", { ...service, service: "web", place: { datacenter: "dc2" } }],
  ["web.service.east.peer.consul", { ...service, service: "web", place: { peer: "east" } }],
  ["v1.web.service.consul", { ...service, service: "web", tags: ["v1"] }],
  ["v1.blue.web.service.consul", { ...service, service: "web", tags: ["v1", "blue"] }],
  ["_web._tcp.service.consul", { ...service, service: "web" }],
  ["_web._v1.service.dc2.consul", { ...service, service: "web", tags: ["v1"], place: { datacenter: "dc2" } }],
  ["http.port.web.service.consul", { ...service, service: "web", tags: ["http", "port"], port: "http" }],
  ["web.connect.consul", { ...service, kind: "connect", service: "web" }],
  ["web.ingress.dc2.consul", { ...service, kind: "ingress", service: "web", place: { datacenter: "dc2" } }],
  ["web.virtual.consul", { kind: "virtual", service: "web" }],
  ["web.virtual.east.consul", { kind: "virtual", service: "web", peer: "east" }],
  ["web.virtual.east.peer.consul", { kind: "virtual", service: "web", peer: "east" }],
  ["a.b.c.node.consul", { kind: "node", node: "a.b.c", place: {} }],
  ["n.node.dc2.consul", { kind: "node", node: "n", place: { datacenter: "dc2" } }],
  ["my.query.query.consul", { kind: "query", query: "my.query", place: {} }],
  ["_geo._tcp.query.consul", { kind: "query", query: "geo", place: {} }],
  ["0a000001.addr.dc1.consul", { kind: "address", address: Uint8Array.of(10, 0, 0, 1) }],
  ["service.node.consul", { kind: "node", node: "service", place: {} }],
  ["consul", { kind: "apex" }],
  ["service.consul", { kind: "empty" }],
  ["service.dc1.consul", { kind: "empty" }],
  ["web.consul", { kind: "nothing" }],
  ["0a0000.addr.consul", { kind: "nothing" }],
  ["x.0a000001.addr.consul", { kind: "nothing" }],
  ["web.service.a.b.consul", { kind: "nothing" }],
  ["web.service.a.b.c.consul", { kind: "nothing" }],
  ["_._tcp.service.consul", { kind: "nothing" }],
])("%s", (name, lookup) => {
  expect(read(name)).toEqual({ domain: "consul", lookup: lookup as never });
});

test("an SRV name of RFC 2782 needs no label that says service", () => {
  expect(read("_web._tcp.consul", true)?.lookup).toEqual({ ...service, service: "web" });
  expect(read("_web._v1.dc2.consul", true)?.lookup).toMatchObject({ tags: ["v1"], place: { datacenter: "dc2" } });
  expect(read("_web._tcp.consul")?.lookup).toEqual({ kind: "nothing" });
});

test("every zone is answered, and no other name", () => {
  expect(read("web.service.mesh")?.domain).toBe("mesh");
  expect(read("web.service.corp.example")?.domain).toBe("corp.example");
  expect(read("web.service.example")).toBeUndefined();
  expect(read("xconsul")).toBeUndefined();
});

test("labels that are more than their text name nothing", () => {
  expect(readAskedName(["a.b", "service", "consul"], { domains, isSrv: false })?.lookup).toEqual({ kind: "nothing" });
  expect(readAskedName(["a/b\u0000", "node", "consul"], { domains, isSrv: false })?.lookup).toEqual({
    kind: "nothing",
  });
});
