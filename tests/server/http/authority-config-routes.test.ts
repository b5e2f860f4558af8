import { expect, test } from "bun:test";
import { createTestCatalog } from "./test-catalog.ts";

const url = "/v1/connect/ca/configuration";

test("how the authority signs is told, changed and told again, with an index that moves", async () => {
  const catalog = createTestCatalog();
  const before = await catalog.get(url);
  expect(before.json).toMatchObject({
    Provider: "consul",
    Config: { LeafCertTTL: "24h", CSRMaxPerSecond: 50, PrivateKeyType: "ec", PrivateKeyBits: 256 },
  });
  const config = { Provider: "consul", Config: { leaf_cert_ttl: "48h", CSRMaxPerSecond: 0, PrivateKeyBits: 256 } };
  expect((await catalog.send("PUT", url, config)).status).toBe(200);
  const after = await catalog.get(url);
  expect(after.json).toMatchObject({ Config: { LeafCertTTL: "48h", CSRMaxPerSecond: 0 } });
  expect(after.index).toBeGreaterThan(before.index);
  await catalog.send("PUT", url, config);
  expect((await catalog.get(url)).index).toBe(after.index);
});

test.each([
  [{ Provider: "vault" }, 'Provider must be "consul"'],
  [{ Config: { LeafCertTTL: "5m" } }, 'Config.LeafCertTTL must be a duration between 1h and 8760h, found "5m"'],
  [{ Config: { PrivateKeyType: "rsa" } }, "Config.PrivateKeyType cannot be changed"],
  [{ Config: { RootCert: "-----BEGIN" } }, "Config.RootCert is not supported by this version"],
  [{ Config: { CSRMaxPerSecond: -1 } }, "Config.CSRMaxPerSecond must be a whole number from 0 to 1000000, found -1"],
  [{ Config: { Nonsense: 1 } }, 'Config.Nonsense is no setting of the authority "consul"'],
])("%p is refused by name", async (body, message) => {
  const answer = await createTestCatalog().send("PUT", url, body);
  expect(answer.status).toBe(400);
  expect(answer.body).toContain(message);
});

test("there is no gossip and so no key of it", async () => {
  const answer = await createTestCatalog().get("/v1/operator/keyring");
  expect(answer).toMatchObject({ status: 500 });
  expect(answer.body).toContain("Keyring is not enabled");
});

test("usage counts nodes, services and instances by kind", async () => {
  const catalog = createTestCatalog();
  const services = [
    { Service: "web" },
    { ID: "web-2", Service: "web" },
    { Service: "native", Connect: { Native: true } },
  ];
  for (const Service of services) {
    await catalog.send("PUT", "/v1/catalog/register", { Node: "n", Address: "10.0.0.1", Service });
  }
  expect((await catalog.get("/v1/operator/usage")).json).toMatchObject({
    Usage: {
      dc1: {
        Nodes: 1,
        Services: 2,
        ServiceInstances: 3,
        ConnectServiceInstances: { "connect-native": 1 },
        BillableServiceInstances: 2,
      },
    },
  });
});
