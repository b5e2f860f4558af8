import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Coordinate } from "../../../lib/contract/coordinates.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { originCoordinate } from "../../../lib/contract/vivaldi.ts";
import { createLeaseHolder, type LeaseHolder } from "../../../server/leases/lease-holder.ts";
import { createLeaseMetrics } from "../../../server/leases/lease-metrics.ts";
import type { LeaseReport, LeaseReportAnswer } from "../../../server/leases/lease-report.ts";
import { createLeaseReporter, type LeaseReporter } from "../../../server/leases/lease-reporter.ts";
import { createTestRuntime, type TestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock, type VirtualClock } from "../../fakes/virtual-clock.ts";
import { idOf, member } from "./lease-fakes.ts";

let clock: VirtualClock;
let runtime: TestRuntime;
let holder: LeaseHolder;
let reporter: LeaseReporter;
/** Each with the address it went to; empty for this server's own keeper. */
let reports: { readonly to: string; readonly asked: string[]; readonly renewed: readonly string[] }[];
let answer: (report: LeaseReport) => LeaseReportAnswer | undefined;
let leaderAddress: string;
let isLeader: boolean;
let onChange: () => void;
let decisions: string[];
let ended: number;
let lost: Set<string>;

const taken: LeaseReportAnswer = { isKept: true, unknown: [], refused: [] };

beforeEach(() => {
  clock = createVirtualClock(1_000);
  runtime = createTestRuntime({ clock });
  reports = [];
  answer = () => taken;
  leaderAddress = "leader:8300";
  isLeader = false;
  decisions = [];
  ended = 0;
  lost = new Set();
  holder = createLeaseHolder({ onNews: () => reporter.hasten(), isUrgent: ({ ID }) => lost.has(ID) });
  const take = (to: string, report: LeaseReport): LeaseReportAnswer | undefined => {
    reports.push({ to, asked: report.asked.map(({ Node }) => Node), renewed: report.renewed });
    return answer(report);
  };
  reporter = createLeaseReporter({
    holder,
    leadership: () => ({ isLeader, leaderAddress, peers: [], lastContactMs: 0 }),
    onLeadershipChange(listener) {
      onChange = listener;
      return { close: () => undefined };
    },
    reportHere: (report) => take("", report) ?? taken,
    reportTo: async (address, report) => take(address, report),
    metrics: createLeaseMetrics(runtime.metrics),
    runtime,
  });
});
afterEach(() => reporter.close());

const open = (name: string) =>
  holder.open(member(name), {
    onDecision: ({ isGiven, refusal }) => decisions.push(isGiven ? "given" : refusal),
    onEnd: () => ended++,
  });
const last = () => reports.at(-1);

test("a new stream is told of at once with its terms, renewals once a second by their ids only", async () => {
  await clock.advance(100);
  const held = open("a");
  await clock.advance(30);
  expect(last()).toEqual({ to: "leader:8300", asked: ["a"], renewed: [] });
  await clock.advance(1_000);
  expect(last()).toEqual({ to: "leader:8300", asked: [], renewed: [] });
  held.renew();
  held.renew();
  await clock.advance(1_000);
  expect(last()).toEqual({ to: "leader:8300", asked: [], renewed: [idOf("a")] });
  held.close();
  await clock.advance(1_000);
  expect(last()?.renewed).toEqual([]);
});

test("one that was taken for lost is told of at its first renewal", async () => {
  const held = open("a");
  await clock.advance(100);
  lost.add(idOf("a"));
  held.renew();
  await clock.advance(30);
  expect(last()?.renewed).toEqual([idOf("a")]);
});

test("what the leader does not know is asked for, at once", async () => {
  const held = open("a");
  await clock.advance(100);
  held.renew();
  answer = ({ renewed }) => ({ ...taken, unknown: renewed });
  await clock.advance(1_030);
  expect(last()?.asked).toEqual(["a"]);
});

test("a refusal reaches the agent once, is asked about again every second, and its end is told too", async () => {
  const held = open("a");
  answer = ({ asked }) => ({ ...taken, refused: asked.map(({ ID }) => ({ id: ID, reason: "taken" })) });
  await clock.advance(3_500);
  expect(decisions).toEqual(["taken"]);
  expect(held.renew()).toEqual({ isGiven: false, refusal: "taken" });
  expect(last()?.asked).toEqual(["a"]);
  answer = () => taken;
  await clock.advance(1_000);
  expect(decisions).toEqual(["taken", "given"]);
  expect(held.renew()).toEqual({ isGiven: true, refusal: "" });
});

test("the leader's own report goes to its keeper, and a new leader is told at once", async () => {
  open("a");
  await clock.advance(100);
  isLeader = true;
  onChange();
  await clock.advance(30);
  expect(last()?.to).toBe("");
});

test("what did not arrive is told with the next report", async () => {
  const held = open("a");
  await clock.advance(100);
  held.renew();
  answer = () => {
    throw new AtollError("UNAVAILABLE", "no answer");
  };
  await clock.advance(1_000);
  answer = () => taken;
  await clock.advance(1_000);
  expect(last()?.renewed).toEqual([idOf("a")]);
});

test("in vain for four seconds, the agents are sent elsewhere, and again when it goes on", async () => {
  open("a");
  await clock.advance(100);
  leaderAddress = "";
  await clock.advance(4_500);
  expect(ended).toBe(0);
  await clock.advance(1_000);
  expect(ended).toBe(1);
  await clock.advance(4_500);
  expect(ended).toBe(2);
});

test("a leader of an older release is asked again now and then, and nobody is sent away", async () => {
  open("a");
  answer = () => undefined;
  await clock.advance(21_000);
  expect(reports.length).toBeLessThanOrEqual(4);
  expect(ended).toBe(0);
  answer = () => taken;
  await clock.advance(10_000);
  expect(reports.some(({ asked }) => asked.join() === "a")).toBe(true);
});

test("as long as the leader keeps none, leases are asked for again and nothing is decided", async () => {
  const held = open("a");
  answer = () => ({ isKept: false, unknown: [], refused: [] });
  await clock.advance(2_100);
  expect(decisions).toEqual([]);
  expect(held.renew()).toEqual({ isGiven: false, refusal: "" });
  expect(last()?.asked).toEqual(["a"]);
  answer = () => taken;
  await clock.advance(1_000);
  expect(decisions).toEqual(["given"]);
});

test("a node holds four streams at most: the oldest is ended for a fifth", () => {
  const ends: number[] = [];
  for (const n of [1, 2, 3, 4, 5]) {
    holder.open(member("a", { ID: idOf(`a${n}`) }), { onDecision: () => undefined, onEnd: () => ends.push(n) });
  }
  expect(ends).toEqual([1]);
});

test("where agents are is told once, again when it did not arrive, and waits while the leader takes none", () => {
  const at = (height: number): Coordinate => ({ ...originCoordinate, Height: height });
  const told = (report: LeaseReport) => report.placed?.map(({ id, coordinate }) => [id, coordinate.Height]);
  const placing = (takesCoordinates: boolean): LeaseReportAnswer => ({ ...taken, takesCoordinates });
  const [a, b] = [open("a"), open("b")];
  a.place(at(1));
  a.place(at(2));
  const first = holder.take();
  expect(told(first)).toEqual([[idOf("a"), 2]]);
  expect(told(holder.take())).toEqual([]);
  holder.putBack(first);
  const second = holder.take();
  expect(told(second)).toEqual([[idOf("a"), 2]]);
  a.place(at(3));
  holder.settle(second, placing(false));
  b.place(at(4));
  expect(told(holder.take())).toEqual([]);
  holder.settle(holder.take(), placing(true));
  const third = holder.take();
  expect(told(third)).toEqual([
    [idOf("a"), 3],
    [idOf("b"), 4],
  ]);
  b.close();
  holder.settle(third, placing(false));
  holder.settle(holder.take(), placing(true));
  expect(told(holder.take())).toEqual([[idOf("a"), 3]]);
});
