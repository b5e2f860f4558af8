import { expect, test } from "bun:test";
import { anonymousAccessorId } from "../../../lib/contract/acl.ts";
import { logIndex } from "../../../lib/contract/ids.ts";
import type { Command } from "../../../lib/contract/commands.ts";
import { startAclKeeper } from "../../../server/acl/keeper.ts";
import { secretHash } from "../../../server/acl/resolver.ts";
import type { Leadership } from "../../../server/log/replicated-log.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { aclToken } from "../state/acl-records.ts";
import { createStateHarness } from "../state/state-harness.ts";

function setUp() {
  const clock = createVirtualClock(Date.parse("2026-03-01T00:00:00Z"));
  const harness = createStateHarness();
  const proposed: string[] = [];
  const listeners = new Set<(leadership: Leadership) => void>();
  let leadership: Leadership = { isLeader: true, leaderAddress: "a:1", peers: [], lastContactMs: 0 };
  const keeper = startAclKeeper({
    reader: harness.reader,
    initialManagementToken: "first",
    runtime: createTestRuntime({ clock }),
    log: {
      async propose(command: Command) {
        proposed.push(command.type);
        return { index: logIndex(1), result: harness.apply(command) };
      },
      readIndex: async () => logIndex(1),
      leadership: () => leadership,
      onLeadershipChange(listener) {
        listeners.add(listener);
        return { close: () => listeners.delete(listener) };
      },
    },
  });
  return {
    clock,
    harness,
    proposed,
    keeper,
    lead(isLeader: boolean) {
      leadership = { ...leadership, isLeader };
      for (const listener of listeners) listener(leadership);
    },
  };
}

test("a leader makes what every cluster has, once, and removes tokens when their time is over", async () => {
  const { clock, harness, proposed, keeper, lead } = setUp();
  await clock.advance(0);
  expect(proposed).toEqual(["acl-initialize"]);
  expect(harness.reader.aclRecords().tokens.get(anonymousAccessorId)).toBeDefined();
  expect(harness.reader.aclRecords().tokens.bySecretHash(secretHash("first"))).toBeDefined();
  harness.accept({
    type: "acl-token-upsert",
    token: aclToken("short", { ExpirationTime: "2026-03-01T00:00:20Z" }),
    isNew: true,
  });
  await clock.advance(19_000);
  expect(proposed).toEqual(["acl-initialize"]);
  await clock.advance(10_000);
  expect(proposed).toEqual(["acl-initialize", "acl-token-delete"]);
  expect(harness.reader.aclRecords().tokens.get("short")).toBeUndefined();
  lead(false);
  lead(true);
  await clock.advance(60_000);
  expect(proposed).toEqual(["acl-initialize", "acl-token-delete"]);
  keeper.close();
});

test("who follows proposes nothing", async () => {
  const { clock, proposed, keeper, lead, harness } = setUp();
  await clock.advance(0);
  lead(false);
  harness.accept({
    type: "acl-token-upsert",
    token: aclToken("short", { ExpirationTime: "2026-03-01T00:00:01Z" }),
    isNew: true,
  });
  await clock.advance(60_000);
  expect(proposed).toEqual(["acl-initialize"]);
  keeper.close();
});
