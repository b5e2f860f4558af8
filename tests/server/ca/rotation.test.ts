import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isIssuedBy } from "../../../lib/x509/certificate.ts";
import { splitCertificates } from "../../../lib/x509/pem.ts";
import { createRoot, rootIdOf } from "../../../server/ca/root.ts";
import { prunedRoots } from "../../../server/expiry/retired-roots.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createRotatingAuthority } from "./rotating-authority.ts";
import { createTestRequest, serviceUri } from "./test-authority.ts";

const folder = mkdtempSync(join(tmpdir(), "atoll-rotation-"));
afterAll(() => rmSync(folder, { recursive: true }));
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const needs = hasOpenssl ? "" : " (needs openssl on the PATH)";

function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function openssl(...args: string[]): string {
  const { stdout, stderr } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
  return stdout + stderr;
}

const leafOf = ({ authority }: ReturnType<typeof createRotatingAuthority>) =>
  authority.sign(createTestRequest({ uris: [serviceUri(authority, "web")] }));

test("the new root signs at once, the one before is trusted and has lost its key", () => {
  const world = createRotatingAuthority();
  const before = world.authority.rootPem;
  const early = leafOf(world);
  expect(early.chainPem).toBe("");
  expect(world.rotate()).toEqual({ ok: true, applied: true });
  const { authority, state } = world;
  expect(authority.rootPem).not.toBe(before);
  expect(authority.rootsPem).toBe(authority.rootPem + before);
  expect(state.caRoots().map(({ privateKeyPem }) => privateKeyPem !== "")).toEqual([true, false]);
  const late = leafOf(world);
  expect(isIssuedBy(new X509Certificate(late.certPem), new X509Certificate(authority.rootPem))).toBe(true);
  expect(isIssuedBy(new X509Certificate(late.certPem), new X509Certificate(before))).toBe(false);
  expect(state.reader.caRoots().value).toMatchObject({
    activeRootId: authority.rootId,
    roots: [
      { active: true, intermediateCerts: [late.chainPem] },
      { active: false, certPem: before, trustedUntil: expect.any(String) },
    ],
  });
  expect(JSON.stringify(state.reader.caRoots().value)).not.toContain("PRIVATE");
});

test.skipIf(!hasOpenssl)(
  `openssl verifies what either root signed by either of them, and by those before${needs}`,
  () => {
    const world = createRotatingAuthority();
    const { authority } = world;
    const first = write("first.crt", authority.rootPem);
    world.rotate();
    const second = write("second.crt", authority.rootPem);
    const signed = leafOf(world);
    const leaf = write("leaf.crt", signed.certPem);
    const chain = write("chain.crt", signed.chainPem);
    const verify = (...args: string[]): string => openssl("verify", "-x509_strict", ...args, leaf);
    expect(verify("-CAfile", second)).toBe(`${leaf}: OK\n`);
    expect(verify("-CAfile", first, "-untrusted", chain)).toBe(`${leaf}: OK\n`);
    expect(verify("-CAfile", second, "-untrusted", chain)).toBe(`${leaf}: OK\n`);
    expect(verify("-CAfile", first)).toContain("verification failed");

    // A server's chain leads to every root that is still trusted.
    world.rotate();
    const [own = "", ...tail] = splitCertificates(authority.issueServerCertificate().chainPem);
    const server = write("server.crt", own);
    const rest = write("rest.crt", tail.slice(0, -1).join(""));
    for (const root of [first, second, write("third.crt", authority.rootPem)]) {
      expect(openssl("verify", "-CAfile", root, "-untrusted", rest, server)).toBe(`${server}: OK\n`);
    }
    expect(rootIdOf(tail.at(-1) ?? "")).toBe(authority.rootId);
  },
);

test("without cross-signing nothing leads from the new root to the one before", () => {
  const world = createRotatingAuthority();
  world.rotate({ isCrossSigned: false });
  expect(leafOf(world).chainPem).toBe("");
  expect(world.state.reader.caRoots().value.roots[0]?.intermediateCerts).toBeUndefined();
});

test("of two rotations that were planned at once the second is refused, and so is a root that was there before", () => {
  const world = createRotatingAuthority();
  const { authority, state } = world;
  const [a, b] = [authority.planRotation({ isCrossSigned: true }), authority.planRotation({ isCrossSigned: true })];
  expect(state.apply(10, a).result.ok).toBe(true);
  expect(state.apply(11, b).result).toMatchObject({ ok: false, code: "CONFLICT" });
  expect(state.apply(12, { ...a, from: authority.rootId }).result).toMatchObject({ ok: false, code: "CONFLICT" });
  expect(state.caRoots()).toHaveLength(2);
});

test("no more than four former roots are trusted at a time, each for two lives of a leaf", () => {
  const world = createRotatingAuthority();
  const results = Array.from({ length: 5 }, () => world.rotate().ok);
  expect(results).toEqual([true, true, true, true, false]);
  const { reader } = world.state;
  const nowMs = world.runtime.clock.nowMs();
  const days = (count: number): number => nowMs + count * 86_400_000;
  expect(prunedRoots(reader, days(1.9))).toEqual([]);
  const [prune] = prunedRoots(reader, days(2.1));
  expect(prune?.ids).toHaveLength(4);
  if (prune === undefined) throw new Error("nothing is pruned");
  expect(world.state.apply(99, prune).result).toEqual({ ok: true, applied: true });
  expect(world.state.caRoots()).toHaveLength(1);
  // The one that signs is never pruned, whoever asks.
  const { rootId } = world.authority;
  expect(world.state.apply(100, { type: "ca-prune", ids: [rootId] }).result).toEqual({ ok: true, applied: false });
  expect(leafOf(world).certPem).toContain("BEGIN CERTIFICATE");
});

describe("a root of the operator's own", () => {
  const stranger = createRoot(createTestRuntime({ seed: 77 }));
  const given = { certPem: stranger.certPem, privateKeyPem: stranger.privateKeyPem };

  test("signs, and is kept with what its certificate says", () => {
    const world = createRotatingAuthority();
    world.rotate({ given, isCrossSigned: true });
    expect(world.authority.rootPem).toBe(stranger.certPem);
    const [root] = world.state.caRoots();
    expect(root).toMatchObject({ id: stranger.id, serialNumber: stranger.serialNumber, notAfter: stranger.notAfter });
    expect(root?.trustDomain).toBe(world.authority.trustDomain);
    expect(isIssuedBy(new X509Certificate(leafOf(world).certPem), new X509Certificate(stranger.certPem))).toBe(true);
  });

  test.skipIf(!hasOpenssl)(`can be one that openssl made with an RSA key${needs}`, () => {
    openssl(
      ..."req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -out rsa.crt -days 30 -subj /CN=own/O=Example".split(" "),
      ...["-addext", "keyUsage=critical,keyCertSign,digitalSignature"],
    );
    const read = (name: string): string => readFileSync(join(folder, name), "utf8");
    const world = createRotatingAuthority();
    const before = write("before.crt", world.authority.rootPem);
    world.rotate({ given: { certPem: read("rsa.crt"), privateKeyPem: read("rsa.key") }, isCrossSigned: true });
    const signed = leafOf(world);
    const [leaf, chain] = [write("of-rsa.crt", signed.certPem), write("of-rsa-chain.crt", signed.chainPem)];
    expect(openssl("verify", "-CAfile", "rsa.crt", leaf)).toBe(`${leaf}: OK\n`);
    expect(openssl("verify", "-CAfile", before, "-untrusted", chain, leaf)).toBe(`${leaf}: OK\n`);
    expect(world.state.caRoots()[0]).toMatchObject({ privateKeyType: "rsa", privateKeyBits: 2048 });
  });

  const other = createRoot(createTestRuntime({ seed: 78 }));
  const signer = createRotatingAuthority();
  const leaf = signer.authority.issueServerCertificate();
  test.each([
    [{ ...given, certPem: "nonsense" }, "Config.RootCert cannot be used: it is not a certificate in PEM"],
    [{ ...given, privateKeyPem: "nonsense" }, "Config.PrivateKey cannot be used: it is not a private key"],
    [{ ...given, privateKeyPem: other.privateKeyPem }, "it does not belong to Config.RootCert"],
    [{ certPem: leaf.chainPem, privateKeyPem: leaf.privateKeyPem }, "it has to be a root"],
  ])("is refused when it cannot be one (%#)", (unusable, message) => {
    const world = createRotatingAuthority();
    expect(() => world.rotate({ given: unusable, isCrossSigned: true })).toThrow(message);
    expect(world.state.caRoots()).toHaveLength(1);
  });
});
