import { expect, test } from "bun:test";
import { createRoot } from "../../../server/ca/root.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
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
  [{ Config: { RootCert: "-----BEGIN" } }, "Config.PrivateKey is missing: a root of one's own is given as RootCert"],
  [{ Config: { RootCert: 5, PrivateKey: "" } }, "Config.RootCert must be text in PEM"],
  [{ Config: { RootCert: "x", PrivateKey: "y" } }, "Config.RootCert cannot be used: it is not a certificate in PEM"],
  [{ Config: { CSRMaxPerSecond: -1 } }, "Config.CSRMaxPerSecond must be a whole number from 0 to 1000000, found -1"],
  [{ Config: { Nonsense: 1 } }, 'Config.Nonsense is no setting of the authority "consul"'],
])("%p is refused by name", async (body, message) => {
  const catalog = createTestCatalog();
  catalog.apply({ type: "ca-initialize", root: createRoot(createTestRuntime({ seed: 4 })) });
  const answer = await catalog.send("PUT", url, body);
  expect(answer.status).toBe(400);
  expect(answer.body).toContain(message);
});

test("a root of one's own takes over with the configuration, once, and one that is made with a word", async () => {
  const catalog = createTestCatalog();
  const rootsNow = async () => (await catalog.get("/v1/connect/ca/roots")).json;
  const first = createRoot(createTestRuntime({ seed: 5 }));
  catalog.apply({ type: "ca-initialize", root: createRoot(createTestRuntime({ seed: 4 })) });
  const Config = { LeafCertTTL: "48h", RootCert: first.certPem, PrivateKey: first.privateKeyPem };
  expect((await catalog.send("PUT", url, { Provider: "consul", Config })).status).toBe(200);
  expect(await rootsNow()).toMatchObject({
    ActiveRootID: first.id,
    Roots: [{ Active: true, IntermediateCerts: [expect.stringContaining("BEGIN CERTIFICATE")] }, { Active: false }],
  });
  // Terraform and scripts send the same again.
  expect((await catalog.send("PUT", url, { Provider: "consul", Config })).status).toBe(200);
  const rotated = await catalog.send("PUT", "/v1/connect/ca/rotate", {});
  expect(rotated.json).toEqual({ ActiveRootID: expect.any(String), TrustedUntil: expect.any(String) });
  expect(await rootsNow()).toMatchObject({
    Roots: [{ Active: true }, { ID: first.id, Active: false }, { Active: false }],
  });
  expect((await catalog.get(url)).json).toMatchObject({ Config: { LeafCertTTL: "48h" } });
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
    { Service: "native", Port: 80, Connect: { Native: true } },
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
