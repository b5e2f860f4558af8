import { expect, test } from "bun:test";
import { createRemoteResolver } from "../../../agent/acl/remote-resolver.ts";
import { type DownPolicy, resolveAclOptions } from "../../../agent/config/acl-options.ts";
import type { ForwardRequest } from "../../../lib/client/server-link.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";

const startMs = Date.parse("2026-03-01T00:00:00Z");

function setUp(downPolicy: DownPolicy = "extend-cache", more: object = {}) {
  const clock = createVirtualClock(startMs);
  const asked: ForwardRequest[] = [];
  const servers = { areUp: true, status: 200 };
  const answer = {
    AccessorID: "a1",
    DefaultPolicy: "deny",
    Policies: [{ Key: "p@1", Rules: 'service "web" { policy = "write" }' }],
    ...more,
  };
  const resolve = createRemoteResolver({
    link: {
      async forward(request) {
        asked.push(request);
        if (!servers.areUp) throw new AtollError("UNAVAILABLE", "no server answers");
        const body = Buffer.from(servers.status === 200 ? JSON.stringify(answer) : "ACL not found");
        return { status: servers.status, headers: {}, body };
      },
    },
    acl: resolveAclOptions({ enabled: true, down_policy: downPolicy }),
    runtime: createTestRuntime({ clock }),
  });
  return { clock, asked, servers, resolve };
}

test("a token is asked for once and believed for 30 seconds", async () => {
  const { clock, asked, resolve } = setUp();
  const [first, second] = await Promise.all([resolve("s"), resolve("s")]);
  expect(first.allows("service", "write", "web")).toBe(true);
  expect(first.allows("service", "write", "db")).toBe(false);
  expect(second.accessorId).toBe("a1");
  await clock.advance(29_999);
  await resolve("s");
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject({ url: "/v1/internal/acl/resolve", headers: { "x-consul-token": "s" } });
  await clock.advance(1);
  await resolve("s");
  expect(asked).toHaveLength(2);
});

test("a token that nobody has is refused, and asked for again soon, since it may be made", async () => {
  const { clock, asked, servers, resolve } = setUp();
  servers.status = 403;
  await expect(resolve("s")).rejects.toThrow("ACL not found");
  await expect(resolve("s")).rejects.toThrow("ACL not found");
  expect(asked).toHaveLength(1);
  await clock.advance(1_000);
  servers.status = 200;
  expect((await resolve("s")).accessorId).toBe("a1");
});

test("a token that expires is refused at that moment, whatever is remembered of it", async () => {
  const { clock, asked, resolve } = setUp("extend-cache", { ExpirationTime: "2026-03-01T00:00:10Z" });
  await resolve("s");
  await clock.advance(9_999);
  await resolve("s");
  await clock.advance(1);
  await expect(resolve("s")).rejects.toThrow("ACL not found");
  expect(asked).toHaveLength(1);
});

test("while no server can be reached, what was known holds on, and nothing new is allowed", async () => {
  const { clock, asked, servers, resolve } = setUp();
  await resolve("s");
  await clock.advance(60_000);
  servers.areUp = false;
  expect((await resolve("s")).allows("service", "write", "web")).toBe(true);
  const unknown = await resolve("t");
  expect([unknown.allows("service", "read", "web"), unknown.allows("agent", "read", "vm1")]).toEqual([false, false]);
  const askedBefore = asked.length;
  // Requests do not all wait for servers that are away.
  for (let i = 0; i < 10; i++) await resolve("s");
  expect(asked).toHaveLength(askedBefore);
  await clock.advance(1_000);
  servers.areUp = true;
  expect((await resolve("t")).allows("service", "write", "web")).toBe(true);
});

test.each([
  ["allow", true],
  ["deny", false],
] as const)("down_policy %s decides for all while no server can be reached", async (policy, isAllowed) => {
  const { clock, servers, resolve } = setUp(policy);
  await resolve("s");
  await clock.advance(60_000);
  servers.areUp = false;
  expect((await resolve("s")).allows("service", "write", "web")).toBe(isAllowed);
  expect((await resolve("s")).allows("acl", "read")).toBe(false);
});

test("async-cache answers with what was known and asks beside that", async () => {
  const { clock, asked, resolve } = setUp("async-cache");
  await resolve("s");
  await clock.advance(60_000);
  expect((await resolve("s")).accessorId).toBe("a1");
  expect(asked).toHaveLength(2);
});
