import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { createCallerCheck, type TlsPeer } from "../../../server/rpc/caller.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createRotatingAuthority } from "../ca/rotating-authority.ts";
import { createTestAuthority } from "../ca/test-authority.ts";

type Peer = NonNullable<TlsPeer["sslPeerCertificate"]>;

/** What TLS says of a peer; the check reads nothing but the bytes. */
function peerWith(raw: Peer["raw"]): TlsPeer {
  const certificate: Partial<Peer> = { raw };
  return { transportSecurityType: "ssl", sslPeerCertificate: certificate as Peer };
}

function createWorld(seed = 1) {
  const clock = createVirtualClock(1_800_000_000_000);
  const authority = createTestAuthority({ runtime: createTestRuntime({ clock, seed }) });
  const { chainPem, notAfter } = authority.issueServerCertificate();
  const peer = peerWith(new X509Certificate(chainPem).raw);
  return { clock, peer, notAfterMs: Date.parse(notAfter), check: createCallerCheck({ authority, clock }) };
}

test("a certificate that was let in before is refused once it has expired, in the same words as at first", async () => {
  const { clock, peer, notAfterMs, check } = createWorld();
  for (let call = 0; call < 3; call++) expect(check(peer)).toMatchObject({ ok: true, identity: { kind: "server" } });
  await clock.advance(notAfterMs - clock.nowMs());
  expect(check(peer).ok).toBe(true);
  await clock.advance(1_000);
  for (let call = 0; call < 2; call++) expect(check(peer)).toMatchObject({ ok: false, reason: "expired" });
});

test("a certificate with one byte changed is not the one that was let in", () => {
  const { peer, check } = createWorld();
  expect(check(peer).ok).toBe(true);
  const raw = Buffer.from(peer.sslPeerCertificate?.raw ?? []);
  raw[raw.length - 1] = (raw[raw.length - 1] ?? 0) ^ 1;
  expect(check(peerWith(raw))).toMatchObject({ ok: false, reason: "foreign-authority" });
  expect(check(peer).ok).toBe(true);
});

test("what one check has let in means nothing to that of another authority", () => {
  const [one, other] = [createWorld(1), createWorld(2)];
  expect(one.check(one.peer).ok).toBe(true);
  expect(other.check(one.peer)).toMatchObject({ ok: false, reason: "foreign-authority" });
});

test("who shows a certificate of any trusted root is let in, remembered or not, until that root is pruned", () => {
  const world = createRotatingAuthority(createTestRuntime({ clock: createVirtualClock(1_800_000_000_000) }));
  const { authority, state, runtime } = world;
  const check = createCallerCheck({ authority, clock: runtime.clock });
  const peerOf = () => peerWith(new X509Certificate(authority.issueServerCertificate().chainPem).raw);
  const before = peerOf();
  expect(check(before).ok).toBe(true);
  world.rotate();
  const after = peerOf();
  expect([check(before).ok, check(after).ok]).toEqual([true, true]);
  const ids = state.caRoots().flatMap(({ id, trustedUntil }) => (trustedUntil === undefined ? [] : [id]));
  state.apply(50, { type: "ca-prune", ids });
  expect([check(before), check(after).ok]).toMatchObject([{ ok: false, reason: "foreign-authority" }, true]);
});
