import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createTestCatalog, type TestCatalog } from "./test-catalog.ts";

async function offered(catalog: TestCatalog, name: string): Promise<Readonly<Record<string, unknown>>> {
  const answer = await catalog.send("POST", "/v1/peering/token", { PeerName: name, Meta: { env: "test" } });
  expect(answer.status, answer.body).toBe(200);
  return JSON.parse(Buffer.from(JSON.parse(answer.body).PeeringToken, "base64").toString());
}

const encoded = (token: object): string => Buffer.from(JSON.stringify(token)).toString("base64");

const foreign = {
  CA: ["pem"],
  ServerAddresses: ["10.0.0.1:8300"],
  ServerName: "server.dc2.peering.aaaa.consul",
  PeerID: "p",
  EstablishmentSecret: "s3cr3t",
  Remote: { Partition: "default", Datacenter: "dc2" },
};

test("a token names the servers and the peering, which is there until it is deleted; of its secret there is a hash", async () => {
  const catalog = createTestCatalog();
  const token = await offered(catalog, "east");
  const peering = { Name: "east", State: "PENDING", Meta: { env: "test" }, PeerID: "", Remote: { Datacenter: "" } };
  const answer = await catalog.get("/v1/peering/east");
  expect(answer.json).toMatchObject({ ...peering, ID: token["PeerID"] });
  expect(token).toMatchObject({ Remote: { Partition: "default", Datacenter: "dc1" } });
  expect((await catalog.get("/v1/peerings")).json).toMatchObject([peering]);
  const secret = String(token["EstablishmentSecret"]);
  const kept = JSON.stringify([...catalog.state.dump()]);
  expect(kept).toContain(createHash("sha256").update(secret).digest("hex"));
  expect(kept).not.toContain(secret);
  expect((await catalog.send("DELETE", "/v1/peering/east")).status).toBe(200);
  expect((await catalog.get("/v1/peering/east")).status).toBe(404);
  expect((await catalog.get("/v1/peerings")).json).toEqual([]);
});

test("another token for a peer leaves the peering what it is", async () => {
  const catalog = createTestCatalog();
  const [first, second] = [await offered(catalog, "east"), await offered(catalog, "east")];
  expect(second["PeerID"]).toBe(String(first["PeerID"]));
  expect(second["EstablishmentSecret"]).not.toBe(String(first["EstablishmentSecret"]));
});

test("another cluster's token is kept, and its secret is told to nobody", async () => {
  const catalog = createTestCatalog();
  const body = { PeerName: "west", PeeringToken: encoded(foreign) };
  expect(await catalog.send("POST", "/v1/peering/establish", body)).toMatchObject({ status: 200, body: "{}" });
  const answer = await catalog.get("/v1/peering/west");
  expect(answer.json).toMatchObject({
    State: "ESTABLISHING",
    PeerID: "p",
    PeerServerName: foreign.ServerName,
    PeerServerAddresses: foreign.ServerAddresses,
    Remote: { Datacenter: "dc2" },
  });
  expect(answer.body).not.toContain("s3cr3t");
  const again = await catalog.send("POST", "/v1/peering/token", { PeerName: "west" });
  expect(again.body).toContain('a peering already exists with name "west" in the other direction');
});

test.each([
  [{ PeerName: "west", PeeringToken: "nonsense" }, "peering token is invalid: it has no ServerName"],
  [{ PeerName: "west" }, "PeeringToken is required"],
  [{ PeerName: "West", PeeringToken: "x" }, 'found "West"'],
  [{ PeeringToken: "x" }, "PeerName is required"],
  [{ PeerName: "west", Partition: "a", PeeringToken: "x" }, "Partitions are a Consul Enterprise feature"],
  [
    { PeerName: "west", PeeringToken: encoded({ ...foreign, EstablishmentSecret: "" }) },
    "peering token is invalid: it has no EstablishmentSecret",
  ],
])("%p establishes nothing", async (body, message) => {
  const catalog = createTestCatalog();
  const answer = await catalog.send("POST", "/v1/peering/establish", body);
  expect(answer.status).toBe(400);
  expect(answer.body).toContain(message);
  expect((await catalog.get("/v1/peerings")).json).toEqual([]);
});
