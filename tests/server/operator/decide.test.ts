import { expect, test } from "bun:test";
import { type AutopilotConfig, defaultAutopilotConfig } from "../../../lib/contract/autopilot.ts";
import { type AutopilotView, decide } from "../../../server/autopilot/decide.ts";
import { createHealthTracker, type ServerHealth } from "../../../server/autopilot/health.ts";
import { member, raftStatus } from "./fake-operator.ts";

const nowMs = 10_000_000;
const longAgoMs = nowMs - 3_600_000;

function server(node: string, overrides: Partial<ServerHealth> = {}): ServerHealth {
  return {
    node,
    address: `${node}:8300`,
    isLeader: node === "a",
    isVoter: true,
    isAlive: true,
    isHealthy: true,
    stableSinceMs: longAgoMs,
    lastContactMs: 0,
    lastIndex: 100,
    ...overrides,
  };
}

const dead = { isAlive: false, isHealthy: false, lastContactMs: 600_000 };
const learner = { isVoter: false };

function view(
  servers: readonly ServerHealth[],
  rest: Partial<AutopilotView> & { readonly config?: AutopilotConfig } = {},
) {
  return decide({
    config: defaultAutopilotConfig,
    servers,
    isChanging: false,
    watchedForMs: 3_600_000,
    nowMs,
    ...rest,
  });
}

test.each<[string, ReturnType<typeof view>, string]>([
  ["healthy voters", view([server("a"), server("b"), server("c")]), "nothing"],
  ["a stable learner", view([server("a"), server("b", learner)]), "promote b"],
  [
    "a learner that is healthy for too short",
    view([server("a"), server("b", { ...learner, stableSinceMs: nowMs - 9_999 })]),
    "nothing",
  ],
  ["a learner that lags", view([server("a"), server("b", { ...learner, isHealthy: false })]), "nothing"],
  [
    "a learner of a cluster that was just made",
    view([server("a"), server("b", { ...learner, stableSinceMs: nowMs })], { watchedForMs: 1_000 }),
    "promote b",
  ],
  ["a change under way", view([server("a"), server("b", learner)], { isChanging: true }), "nothing"],
  ["one dead of three", view([server("a"), server("b"), server("c", dead)]), "remove c"],
  ["one dead of two: no quorum without it", view([server("a"), server("b", dead)]), "nothing"],
  ["two dead of three", view([server("a"), server("b", dead), server("c", dead)]), "nothing"],
  [
    "two dead of five: one at a time",
    view([server("a"), server("b"), server("c"), server("d", dead), server("e", dead)]),
    "remove d",
  ],
  [
    "one dead of three while another one is ill",
    view([server("a"), server("b", { isHealthy: false }), server("c", dead)]),
    "nothing",
  ],
  [
    "gone for a while, and not for long enough",
    view([server("a"), server("b"), server("c", { ...dead, lastContactMs: 599_999 })]),
    "nothing",
  ],
  ["a dead learner", view([server("a"), server("b", { ...learner, ...dead })]), "remove b"],
  [
    "a learner to promote before a dead server to remove",
    view([server("a"), server("b"), server("c", dead), server("d", learner)]),
    "promote d",
  ],
  [
    "clean-up switched off",
    view([server("a"), server("b"), server("c", dead)], {
      config: { ...defaultAutopilotConfig, isCleaningUpDeadServers: false },
    }),
    "nothing",
  ],
  [
    "fewer servers than MinQuorum would stay",
    view([server("a"), server("b"), server("c", dead)], { config: { ...defaultAutopilotConfig, minQuorum: 3 } }),
    "nothing",
  ],
])("%s", (_case, decision, expected) => {
  expect(decision.type === "nothing" ? "nothing" : `${decision.type} ${decision.node}`).toBe(expected);
});

test("health says who lags, who is gone and for how long, and forgets with the office", () => {
  const tracker = createHealthTracker();
  const status = raftStatus({ lastIndex: 1_000, commitIndex: 1_000 });
  const config = defaultAutopilotConfig;
  const look = (activeC: boolean, matchB: number, atMs: number) =>
    tracker.observe({
      status,
      config,
      nowMs: atMs,
      members: [
        member("a", { isLeader: true }),
        member("b", { match: matchB }),
        member("c", { progress: { match: 1_000, isRecentlyActive: activeC } }),
      ],
    });
  expect(look(true, 1_000, 0)).toMatchObject({ isHealthy: true, failureTolerance: 1 });
  const later = look(false, 749, 5_000);
  expect(later).toMatchObject({ isHealthy: false, failureTolerance: 0 });
  expect(
    later.servers.map(({ node, isAlive, isHealthy, lastContactMs, stableSinceMs }) => [
      node,
      isAlive,
      isHealthy,
      lastContactMs,
      stableSinceMs,
    ]),
  ).toEqual([
    ["a", true, true, 0, 0],
    ["b", true, false, 0, 5_000],
    ["c", false, false, 5_000, 5_000],
  ]);
  expect(look(false, 750, 6_000).servers.map(({ isHealthy }) => isHealthy)).toEqual([true, true, false]);
  tracker.forget();
  expect(look(false, 1_000, 9_000).servers[2]?.lastContactMs).toBe(0);
});
