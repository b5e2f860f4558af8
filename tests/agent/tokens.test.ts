import { expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openAgentTokens } from "../../agent/tokens.ts";
import { createTempDir } from "../fakes/temp-dir.ts";
import { createTestRuntime } from "../fakes/test-runtime.ts";

const common = { isAclEnabled: true, configured: {}, isPersisted: true, logger: createTestRuntime().logger };

test("a token that is exchanged is in use at once and after a restart, and its file is for its owner only", async () => {
  using dir = createTempDir();
  const first = await openAgentTokens({ ...common, dataDir: dir.path, configured: { default: "from-file" } });
  expect([first.get("default"), first.get("dns"), first.ownToken()]).toEqual(["from-file", "", "from-file"]);
  const changed: string[] = [];
  const observer = first.onChange((kind) => changed.push(kind));
  await Promise.all([first.set("agent", "a-1"), first.set("default", "d-1"), first.set("agent", "a-2")]);
  observer.close();
  await first.set("dns", "");
  expect(changed).toEqual(["agent", "default", "agent"]);
  expect(first.ownToken()).toBe("a-2");
  const path = join(dir.path, "acl-tokens.json");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const second = await openAgentTokens({ ...common, dataDir: dir.path, configured: { default: "from-file" } });
  expect([second.get("default"), second.get("agent")]).toEqual(["d-1", "a-2"]);
});

test("without persistence nothing is written and what was written is not read", async () => {
  using dir = createTempDir();
  const kept = await openAgentTokens({ ...common, dataDir: dir.path });
  await kept.set("default", "kept");
  const path = join(dir.path, "acl-tokens.json");
  const before = readFileSync(path, "utf8");
  const plain = await openAgentTokens({ ...common, dataDir: dir.path, isPersisted: false });
  expect(plain.get("default")).toBe("");
  await plain.set("default", "other");
  expect(readFileSync(path, "utf8")).toBe(before);
});

test.each(['{"default": s3cret', '{"default": 1}', "[]"])(
  "a damaged file stops the start without showing a token: %s",
  async (text) => {
    using dir = createTempDir();
    writeFileSync(join(dir.path, "acl-tokens.json"), text);
    const message = await openAgentTokens({ ...common, dataDir: dir.path }).then(
      () => "opened",
      (error: unknown) => String(error),
    );
    expect(message).toContain("acl-tokens.json cannot be read");
    expect(message).not.toContain("s3cret");
  },
);

test("a token that cannot be kept is in use all the same, and that is said", async () => {
  using dir = createTempDir();
  const tokens = await openAgentTokens({ ...common, dataDir: join(dir.path, "not-there") });
  await expect(tokens.set("agent", "s3cret")).rejects.toThrow("the token is in use, but cannot be kept in");
  expect(tokens.get("agent")).toBe("s3cret");
});
