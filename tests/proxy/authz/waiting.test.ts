import { expect, test } from "bun:test";
import { generateKeyPair, exportJWK, SignJWT } from "jose";
import { eventually } from "../../fakes/eventually.ts";
import { calleeConfig, MemoryMesh } from "../memory-mesh.ts";

/** Requests whose token is still being verified: on a memory network, where WebCrypto alone takes its time. */
const signing = await generateKeyPair("ES256");
const inline = JSON.stringify({ keys: [{ ...(await exportJWK(signing.publicKey)), kid: "one" }] });
const jwtProviders = [{ name: "okta", issuer: "i", jwks: { inline } }];
const rules = [{ source: "spiffe://*/ns/default/dc/*/svc/web", action: "allow" }];
const inbound = { jwtProviders, intentions: { default: "deny", rules, jwt: { providers: [{ name: "okta" }] } } };
const jwt = new SignJWT({}).setProtectedHeader({ alg: "ES256", kid: "one" }).setIssuer("i").setExpirationTime(3_600);
const authorization = `Authorization: Bearer ${await jwt.sign(signing.privateKey)}\r\n`;

/** WebCrypto works beside us, and on a busy machine it takes its time. */
async function settled(mesh: MemoryMesh, isDone: () => boolean): Promise<void> {
  await eventually("the mesh to settle", async () => {
    mesh.settle();
    return isDone();
  });
}

test("a request waits with its body, and goes on whole", async () => {
  const mesh = new MemoryMesh({ inbound });
  const client = mesh.client();
  client.send(`POST / HTTP/1.1\r\nHost: api\r\n${authorization}Content-Length: 8\r\n\r\nbody`);
  mesh.settle();
  expect(mesh.apps).toEqual([]);
  client.send(" end");
  await settled(mesh, () => mesh.apps.length > 0 && mesh.app().received.endsWith("body end"));
  expect(mesh.app().received).not.toContain("Bearer");
});

test("one whose permission goes while it waits never reaches the app", async () => {
  const mesh = new MemoryMesh({ inbound });
  const client = mesh.client();
  client.send(`GET / HTTP/1.1\r\nHost: api\r\n${authorization}\r\n`);
  mesh.settle();
  mesh.callee.apply(calleeConfig("deny"), 2);
  await settled(mesh, () => client.received.includes("403 Forbidden"));
  await settled(mesh, () => true);
  expect(mesh.apps).toEqual([]);
  expect(client.received.match(/HTTP\/1\.1 /g)).toEqual(["HTTP/1.1 "]);
});

test("one whose client is gone meanwhile is over", async () => {
  const mesh = new MemoryMesh({ inbound });
  const client = mesh.client();
  client.send(`GET / HTTP/1.1\r\nHost: api\r\n${authorization}\r\n`);
  mesh.settle();
  client.connection.destroy();
  mesh.settle();
  // Another one shows that the token has been verified by now.
  const other = mesh.client();
  other.send(`GET /other HTTP/1.1\r\nHost: api\r\n${authorization}\r\n`);
  await settled(mesh, () => mesh.apps.length > 0 && mesh.app().received !== "");
  expect(mesh.apps.map((app) => app.received.slice(0, 11))).toEqual(["GET /other "]);
});

test("a response under way outlives its token, until the rules change and the token is looked at again", async () => {
  const mesh = new MemoryMesh({ inbound });
  const signed = new SignJWT({}).setProtectedHeader({ alg: "ES256", kid: "one" }).setIssuer("i").setExpirationTime(60);
  const client = mesh.client();
  client.send(`GET / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer ${await signed.sign(signing.privateKey)}\r\n\r\n`);
  await settled(mesh, () => mesh.apps.length > 0 && mesh.app().received !== "");
  mesh.app().send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
  mesh.settle();
  // Expired, with what clocks may differ by.
  await mesh.pass(120_000);
  mesh.app().send("def");
  mesh.settle();
  expect(client.received).toEndWith("\r\n\r\nabcdef");
  const changed = { ...inbound, intentions: { ...inbound.intentions, default: "allow" } };
  mesh.callee.apply(calleeConfig("allow", "http", changed), 2);
  await settled(mesh, () => client.hasEnded);
  expect(client.received).toEndWith("\r\n\r\nabcdef");
});
