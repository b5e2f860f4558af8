import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { openTokenStore } from "../../../agent/acl/token-store.ts";
import { resolveAclOptions } from "../../../agent/config/acl-options.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

const configured = resolveAclOptions({ tokens: { default: "from-file", agent: "agent-token" } }).tokens;

test("tokens that are set over the API are kept for the next start if that is asked for, readable by the owner only", async () => {
  using dir = createTempDir();
  const { logger, lines } = createTestRuntime();
  const open = (isPersistent: boolean) => openTokenStore({ configured, dataDir: dir.path, isPersistent, logger });
  const forgetful = await open(false);
  await forgetful.set("default", "set");
  expect(forgetful.get("default")).toBe("set");
  expect((await open(true)).get("default")).toBe("from-file");
  const store = await open(true);
  await store.set("default", "kept");
  await store.set("dns", "");
  const again = await open(true);
  expect([again.get("default"), again.get("agent"), again.get("dns")]).toEqual(["kept", "agent-token", ""]);
  const path = join(dir.path, "acl-tokens.json");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(JSON.parse(await readFile(path, "utf8"))).toEqual({ default: "kept", dns: "" });
  expect(lines.join("\n")).toContain("token=default");
  expect(lines.join("\n")).not.toContain("kept");
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
