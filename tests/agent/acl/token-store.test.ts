import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { openTokenStore } from "../../../agent/acl/token-store.ts";
import { resolveAclOptions } from "../../../agent/config/acl-options.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

const configured = resolveAclOptions({ tokens: { default: "from-file", agent: "agent-token" } }).tokens;
const common = { isAclEnabled: true, configured: {}, isPersistent: true, logger: createTestRuntime().logger };

test("tokens that are set over the API are kept for the next start if that is asked for, readable by the owner only", async () => {
  using dir = createTempDir();
  const { logger, lines } = createTestRuntime();
  const open = (isPersistent: boolean) =>
    openTokenStore({ isAclEnabled: true, configured, dataDir: dir.path, isPersistent, logger });
  const store = await open(true);
  await store.set("default", "kept");
  await store.set("dns", "");
  expect(lines).toEqual([]);
  const again = await open(true);
  expect([again.get("default"), again.get("agent"), again.get("dns")]).toEqual(["kept", "agent-token", ""]);
  const path = join(dir.path, "acl-tokens.json");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ default: "kept", dns: "" });
  expect(lines.join("\n")).toContain("token=default");
  expect(lines.join("\n")).not.toContain("kept");
});

test("a token is in use as soon as it is set, watchers are told, and of several the last one is kept", async () => {
  using dir = createTempDir();
  const first = await openTokenStore({ ...common, dataDir: dir.path, configured: { default: "from-file" } });
  expect([first.get("default"), first.get("dns"), first.ownToken()]).toEqual(["from-file", "", "from-file"]);
  const changed: string[] = [];
  const observer = first.onChange((name) => changed.push(name));
  await Promise.all([first.set("agent", "a-1"), first.set("default", "d-1"), first.set("agent", "a-2")]);
  observer.close();
  await first.set("dns", "");
  expect(changed).toEqual(["agent", "default", "agent"]);
  expect(first.ownToken()).toBe("a-2");
  const second = await openTokenStore({ ...common, dataDir: dir.path, configured: { default: "from-file" } });
  expect([second.get("default"), second.get("agent")]).toEqual(["d-1", "a-2"]);
});

test("without persistence nothing is written and what was written is not read", async () => {
  using dir = createTempDir();
  const kept = await openTokenStore({ ...common, dataDir: dir.path });
  await kept.set("default", "kept");
  const path = join(dir.path, "acl-tokens.json");
  const before = readFileSync(path, "utf8");
  const plain = await openTokenStore({ ...common, dataDir: dir.path, isPersistent: false });
  expect(plain.get("default")).toBe("");
  await plain.set("default", "other");
  expect(plain.get("default")).toBe("other");
  expect(readFileSync(path, "utf8")).toBe(before);
});

test.each(['{"default": s3cret', '{"default": 1}', "[]"])(
  "a damaged file stops the start without showing a token: %s",
  async (text) => {
    using dir = createTempDir();
    writeFileSync(join(dir.path, "acl-tokens.json"), text);
    const message = await openTokenStore({ ...common, dataDir: dir.path }).then(
      () => "opened",
      (error: unknown) => String(error),
    );
    expect(message).toContain("acl-tokens.json cannot be read");
    expect(message).not.toContain("s3cret");
  },
);

test("a token that cannot be kept is in use all the same, and that is said", async () => {
  using dir = createTempDir();
  const tokens = await openTokenStore({ ...common, dataDir: join(dir.path, "not-there") });
  await expect(tokens.set("agent", "s3cret")).rejects.toThrow("the token is in use, but cannot be kept in");
  expect(tokens.get("agent")).toBe("s3cret");
});

test("ACLs deny by default as soon as they are on, and mistakes in their block are named", () => {
  expect(resolveAclOptions()).toMatchObject({ isEnabled: false, defaultPolicy: "allow" });
  expect(resolveAclOptions({ enabled: true })).toMatchObject({ defaultPolicy: "deny", tokenTtlMs: 30_000 });
  expect(resolveAclOptions({ enabled: true, default_policy: "allow", role_ttl: "5s" })).toMatchObject({
    defaultPolicy: "allow",
    tokenTtlMs: 5_000,
  });
  expect(() => resolveAclOptions({ default_policy: "maybe" })).toThrow(
    'acl.default_policy must be one of allow, deny, found "maybe"',
  );
  expect(() => resolveAclOptions({ down_policy: "x" })).toThrow(
    "acl.down_policy must be one of allow, deny, extend-cache",
  );
  expect(() => resolveAclOptions({ token_ttl: "soon" })).toThrow('acl.token_ttl must be a duration such as "30s"');
});
