import { expect, test } from "bun:test";
import { createHash, X509Certificate } from "node:crypto";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseJoinToken } from "../../../agent/identity/join-token.ts";
import { systemRandom } from "../../../lib/base/random.ts";
import { hasSameSecret, loadJoinToken } from "../../../server/rpc/join-token.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestAuthority } from "../ca/test-authority.ts";
import { startTestCluster } from "./test-cluster.ts";

const { rootPem } = createTestAuthority();

test("the token is the root's SHA-256, a dot and a secret of 32 bytes, as agents read it", async () => {
  using dir = createTempDir();
  const token = await loadJoinToken({ dataDir: dir.path, rootPem, random: systemRandom });
  const hash = createHash("sha256").update(new X509Certificate(rootPem).raw).digest("hex");
  expect(token).toMatch(new RegExp(`^${hash}\\.[0-9a-f]{64}$`));
  expect(parseJoinToken(`${token}\n`)).toEqual({ rootHash: hash, text: token });
  expect(readFileSync(join(dir.path, "join-token"), "utf8")).toBe(`${token}\n`);
  expect(statSync(join(dir.path, "join-token")).mode & 0o777).toBe(0o600);
});

test("it survives a restart, gets its permissions back, and follows a new root with the old secret", async () => {
  using dir = createTempDir();
  const options = { dataDir: dir.path, rootPem, random: systemRandom };
  const first = await loadJoinToken(options);
  chmodSync(join(dir.path, "join-token"), 0o644);
  expect(await loadJoinToken(options)).toBe(first);
  expect(statSync(join(dir.path, "join-token")).mode & 0o777).toBe(0o600);
  const moved = await loadJoinToken({ ...options, rootPem: createTestAuthority({ seed: 2 }).rootPem });
  expect(moved.slice(65)).toBe(first.slice(65));
  expect(moved.slice(0, 64)).not.toBe(first.slice(0, 64));
});

test("a file that holds something else is replaced", async () => {
  using dir = createTempDir();
  writeFileSync(join(dir.path, "join-token"), "short.secret");
  const token = await loadJoinToken({ dataDir: dir.path, rootPem, random: systemRandom });
  expect(parseJoinToken(token).text).toBe(token);
});

test("secrets are compared whole, whatever their lengths and the root that stands before them", () => {
  for (const same of ["root.abc", "former.abc", "abc"]) expect(hasSameSecret("root.abc", same)).toBe(true);
  for (const other of ["", "root.", "root.ab", "root.abd", "root.abcd", "root.ABC", "root"]) {
    expect(hasSameSecret("root.abc", other)).toBe(false);
  }
});

test("only a server on a loopback address lets nodes in without the token, unless told otherwise", async () => {
  const enrolmentOf = async (options: { host?: string; requireJoinToken?: boolean }) => {
    await using cluster = await startTestCluster(options);
    return cluster.runtime.lines.find((line) => line.includes("listening"))?.split("enrolment=")[1];
  };
  expect(await enrolmentOf({})).toBe("open");
  expect(await enrolmentOf({ requireJoinToken: true })).toBe('"join token"');
  // Bound to loopback in effect, but not a loopback address to look at: the cautious answer is right.
  expect(await enrolmentOf({ host: "::ffff:127.0.0.1" })).toBe('"join token"');
});
