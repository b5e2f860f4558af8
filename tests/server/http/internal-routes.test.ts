import { expect, test } from "bun:test";
import { nodeFields, registerCommand, serviceFields, sidecarFields } from "../state/records.ts";
import { createTestCatalog } from "./test-catalog.ts";

function meshCatalog() {
  const catalog = createTestCatalog();
  catalog.apply(registerCommand("n1", { service: sidecarFields("web") }));
  catalog.apply(registerCommand("n1", { service: sidecarFields("api") }));
  return catalog;
}

const path = "/v1/internal/service-virtual-ip";

test("the virtual address of a service is told, in both ranges, and the read blocks until it changes", async () => {
  const catalog = meshCatalog();
  const web = await catalog.get(`${path}/web`);
  expect(web.json).toEqual({
    Service: "web",
    Offset: 1,
    Address: "240.0.0.1",
    LoopbackAddress: "127.128.0.1",
    ManualVIPs: [],
  });
  const blocked = catalog.get(`${path}/web?index=${web.index}&wait=5s`);
  await catalog.send("PUT", path, { Service: "web", ManualVIPs: ["10.0.0.1"] });
  expect((await blocked).json).toMatchObject({ ManualVIPs: ["10.0.0.1"] });
  expect(await catalog.get(`${path}/none`)).toMatchObject({ status: 200, json: null });
});

test("manual addresses are given and taken from who had them, as Consul answers it", async () => {
  const catalog = meshCatalog();
  const give = async (body: unknown) => {
    const { status, json, body: text } = await catalog.send("PUT", path, body);
    return status === 200 ? json : `${status} ${text}`;
  };
  expect(await give({ Service: "web", ManualVIPs: ["10.0.0.1", "10.0.0.2"] })).toEqual({
    Found: true,
    UnassignedFrom: [],
  });
  expect(await give({ Service: "api", ManualVIPs: ["10.0.0.2"] })).toEqual({
    Found: true,
    UnassignedFrom: [{ ServiceName: { Name: "web" }, Peer: "" }],
  });
  expect(await give({ Service: "none", ManualVIPs: ["10.0.0.2"] })).toEqual({ Found: false, UnassignedFrom: [] });
  expect(await give({ Service: "api", ManualVIPs: null })).toEqual({ Found: true, UnassignedFrom: [] });
  expect(await give({ ManualVIPs: ["10.0.0.2"] })).toBe("400 Missing service name");
  expect(await give({ Service: "web", ManualVIPs: ["::1"] })).toBe('400 "::1" is not a valid IPv4 address');
});

test("the instance shows its service's address", async () => {
  const catalog = meshCatalog();
  const [instance] = [(await catalog.get("/v1/health/connect/web")).json].flat();
  expect(instance).toMatchObject({
    Service: { TaggedAddresses: { "consul-virtual": { Address: "240.0.0.1", Port: 21_000 } } },
  });
});

test("names with capitals are listed for those who ask in lower case", async () => {
  const catalog = createTestCatalog();
  catalog.apply(registerCommand("VM-1", { service: serviceFields("Web") }));
  catalog.apply(registerCommand("vm-2", { service: serviceFields("api") }));
  expect((await catalog.get("/v1/internal/capital-names")).json).toEqual({ Services: ["Web"], Nodes: ["VM-1"] });
});

test("who has an address is found, for IPv4 and IPv6", async () => {
  const catalog = createTestCatalog();
  catalog.apply(registerCommand("n1", { node: nodeFields("n1", { Address: "2001:db8::1" }) }));
  catalog.apply(registerCommand("n2", { service: serviceFields("web", { Address: "10.0.0.9" }) }));
  const holders = async (address: string) =>
    (await catalog.get(`/v1/internal/address/${encodeURIComponent(address)}`)).json;
  expect(await holders("2001:db8::1")).toEqual({ Node: { Name: "n1", Datacenter: "dc1" }, Services: [] });
  expect(await holders("10.0.0.9")).toEqual({ Services: [{ Name: "web", Datacenter: "dc1" }] });
  expect(await holders("10.9.9.9")).toEqual({ Services: [] });
  expect(await catalog.get("/v1/internal/address/x")).toMatchObject({ status: 400 });
});
