/** What answers on a server's address before it is trusted with anything. */
import { afterEach, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { type AddressInfo, createServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { probeServer } from "../../../lib/x509/server-probe.ts";
import { systemClock } from "../../../lib/base/clock.ts";
import { certificateHash } from "../../../lib/x509/certificate.ts";
import { splitCertificates } from "../../../lib/x509/pem.ts";
import { createRotatingAuthority } from "../../server/ca/rotating-authority.ts";
import { createTestAuthority } from "../../server/ca/test-authority.ts";
import { createRoot } from "../../../server/ca/root.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

const never = new AbortController().signal;

async function listen(server: Server): Promise<string> {
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return `127.0.0.1:${port}`;
}

/** A TLS server that shows `chainPem`. */
function tlsServer(chainPem: string, privateKeyPem: string): Promise<string> {
  return listen(createTlsServer({ cert: chainPem, key: privateKeyPem, minVersion: "TLSv1.3", ALPNProtocols: ["h2"] }));
}

const probe = (address: string) => probeServer({ address, clock: systemClock, signal: never });

test("a server shows its root, trust domain and datacenter", async () => {
  const authority = createTestAuthority();
  const { chainPem, privateKeyPem } = authority.issueServerCertificate();
  const probed = await probe(await tlsServer(chainPem, privateKeyPem));
  const rootHash = certificateHash(new X509Certificate(authority.rootPem));
  expect(probed).toEqual({
    rootPem: authority.rootPem,
    rootHash,
    rootHashes: [rootHash],
    trustDomain: authority.trustDomain,
    datacenter: "dc1",
  });
});

test("after rotations a server can be known by any root that leads to the one that signs, and by no other", async () => {
  const world = createRotatingAuthority();
  const hashes = [certificateHash(new X509Certificate(world.authority.rootPem))];
  for (let i = 0; i < 2; i++) {
    world.rotate();
    hashes.unshift(certificateHash(new X509Certificate(world.authority.rootPem)));
  }
  const { chainPem, privateKeyPem } = world.authority.issueServerCertificate();
  const probed = await probe(await tlsServer(chainPem, privateKeyPem));
  expect(probed).toMatchObject({ rootPem: world.authority.rootPem, rootHash: hashes[0], rootHashes: hashes });

  // Somebody else's root in between vouches for nothing, and neither does one that did not cross-sign.
  const [own = "", ...tail] = splitCertificates(chainPem);
  const stranger = createTestAuthority({ seed: 9 }).rootPem;
  const mixed = await probe(await tlsServer([own, stranger, ...tail].join(""), privateKeyPem));
  expect(mixed.rootHashes).toEqual(hashes);
  world.rotate({ isCrossSigned: false });
  const cut = world.authority.issueServerCertificate();
  expect((await probe(await tlsServer(cut.chainPem, cut.privateKeyPem))).rootHashes).toHaveLength(1);
});

test("a server that shows somebody else's root behind its own certificate is found out", async () => {
  const { chainPem, privateKeyPem } = createTestAuthority({ seed: 2 }).issueServerCertificate();
  const [own = ""] = chainPem.split("-----END CERTIFICATE-----");
  const mixed = `${own}-----END CERTIFICATE-----\n${createTestAuthority({ seed: 1 }).rootPem}`;
  const address = await tlsServer(mixed, privateKeyPem);
  await expect(probe(address)).rejects.toMatchObject({ code: "CERTIFICATE_INVALID" });
});

test("a server without its root, and one with a self-signed certificate of no server, are refused", async () => {
  const authority = createTestAuthority();
  const { chainPem, privateKeyPem } = authority.issueServerCertificate();
  const [own = ""] = chainPem.split("-----END CERTIFICATE-----");
  const alone = await tlsServer(`${own}-----END CERTIFICATE-----\n`, privateKeyPem);
  await expect(probe(alone)).rejects.toThrow("it does not show the root that signed its certificate");
  const root = createRoot(createTestRuntime());
  await expect(probe(await tlsServer(root.certPem, root.privateKeyPem))).rejects.toThrow(
    "its certificate is not of a server",
  );
});

test("nobody, a peer that hangs up and one that is no TLS server each get their own words", async () => {
  const closing = await listen(createServer((socket) => void socket.destroy()));
  await expect(probe(closing)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  const http = await listen(createServer((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
  await expect(probe(http)).rejects.toThrow(`no TLS with ${http}`);
  const gone = createServer();
  const address = await listen(gone);
  await new Promise((resolve) => gone.close(resolve));
  await expect(probe(address)).rejects.toThrow(`no server listens on ${address}`);
  await expect(probe("nonsense")).rejects.toThrow('must be host:port, found "nonsense"');
});

test("a peer that never answers is given up after five seconds", async () => {
  const accepted = Promise.withResolvers<void>();
  const silent = await listen(
    createServer((socket) => {
      socket.on("error", () => undefined);
      accepted.resolve();
    }),
  );
  const clock = createVirtualClock(0);
  const probing = probeServer({ address: silent, clock, signal: never }).catch((error: unknown) => error);
  await accepted.promise;
  await clock.advance(5_000);
  expect(await probing).toMatchObject({ code: "UNAVAILABLE", message: `server ${silent} did not answer in time` });
  expect(clock.pendingTimers()).toBe(0);
});
