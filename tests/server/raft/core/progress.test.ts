import { describe, expect, test } from "bun:test";
import { Inflight } from "../../../../server/raft/core/inflight.ts";
import { Progress } from "../../../../server/raft/core/progress.ts";
import { defaultCoreConfig } from "../../../../server/raft/core/types.ts";

function createProgress(lastIndex = 10): Progress {
  return new Progress({ config: { ...defaultCoreConfig, id: "a" }, lastIndex, tick: 0 });
}

describe("the window", () => {
  test("is full at its messages", () => {
    const window = new Inflight({ maxMessages: 2, maxBytes: 1_000 });
    window.add({ lastIndex: 1, bytes: 1 });
    expect(window.isFull).toBe(false);
    window.add({ lastIndex: 2, bytes: 1 });
    expect(window.isFull).toBe(true);
    expect(() => window.add({ lastIndex: 3, bytes: 1 })).toThrow("full window");
  });

  test("is full at its bytes, which one message may pass", () => {
    const window = new Inflight({ maxMessages: 100, maxBytes: 10 });
    window.add({ lastIndex: 1, bytes: 9 });
    expect(window.isFull).toBe(false);
    window.add({ lastIndex: 2, bytes: 50 });
    expect(window.isFull).toBe(true);
  });

  test("frees what an answer covers, in bytes too", () => {
    const window = new Inflight({ maxMessages: 3, maxBytes: 8 });
    window.add({ lastIndex: 4, bytes: 3 });
    window.add({ lastIndex: 6, bytes: 3 });
    window.add({ lastIndex: 9, bytes: 5 });
    window.free(5);
    expect(window.count).toBe(2);
    expect(window.isFull).toBe(true);
    window.free(6);
    expect(window.isFull).toBe(false);
    window.free(3);
    expect(window.count).toBe(1);
    window.clear();
    expect(window.count).toBe(0);
  });
});

describe("a member's progress", () => {
  test("in probe sends once and waits", () => {
    const progress = createProgress();
    expect(progress.canSendEntries()).toBe(true);
    progress.sent({ lastIndex: 10, bytes: 1 });
    expect(progress.canSendEntries()).toBe(false);
    expect(progress.next).toBe(11);
  });

  test("in replicate sends ahead", () => {
    const progress = createProgress();
    progress.accepted(10);
    progress.becomeReplicate();
    progress.sent({ lastIndex: 14, bytes: 1 });
    expect(progress).toMatchObject({ match: 10, next: 15, state: "replicate" });
    expect(progress.canSendEntries()).toBe(true);
  });

  test.each([
    { name: "a hint", rejectedIndex: 10, hintIndex: 4, next: 5, isNews: true },
    { name: "a hint beyond the try goes back by one", rejectedIndex: 10, hintIndex: 30, next: 10, isNews: true },
    { name: "nothing in common", rejectedIndex: 10, hintIndex: 0, next: 1, isNews: true },
    { name: "an old rejection", rejectedIndex: 7, hintIndex: 0, next: 11, isNews: false },
  ])("in probe steps back: $name", ({ rejectedIndex, hintIndex, next, isNews }) => {
    const progress = createProgress();
    progress.sent({ lastIndex: 10, bytes: 1 });
    expect(progress.rejected({ rejectedIndex, hintIndex })).toBe(isNews);
    expect(progress.next).toBe(next);
    expect(progress.canSendEntries()).toBe(isNews);
  });

  test("never steps back behind what matched", () => {
    const progress = createProgress();
    progress.accepted(8);
    progress.becomeProbe(11);
    expect(progress.rejected({ rejectedIndex: 10, hintIndex: 3 })).toBe(true);
    expect(progress.next).toBe(9);
  });

  test("in replicate ignores a rejection of what is known to match and probes after any other", () => {
    const progress = createProgress();
    progress.accepted(8);
    progress.becomeReplicate();
    progress.sent({ lastIndex: 12, bytes: 5 });
    expect(progress.rejected({ rejectedIndex: 8, hintIndex: 2 })).toBe(false);
    expect(progress.state).toBe("replicate");
    expect(progress.rejected({ rejectedIndex: 12, hintIndex: 2 })).toBe(true);
    expect(progress).toMatchObject({ state: "probe", next: 9 });
    expect(progress.inflight.count).toBe(0);
  });

  test("waiting for a snapshot sends nothing and is not moved by old rejections", () => {
    const progress = createProgress();
    progress.becomeSnapshot();
    expect(progress.canSendEntries()).toBe(false);
    expect(progress.rejected({ rejectedIndex: 10, hintIndex: 1 })).toBe(false);
    expect(() => progress.sent({ lastIndex: 11, bytes: 1 })).toThrow("waits for a snapshot");
    progress.becomeProbe(21);
    expect(progress).toMatchObject({ state: "probe", next: 21 });
  });

  test("old answers do not move the match back", () => {
    const progress = createProgress();
    expect(progress.accepted(9)).toBe(true);
    expect(progress.accepted(4)).toBe(false);
    expect(progress.match).toBe(9);
  });
});

describe("catching up", () => {
  test("takes a round shorter than the limit", () => {
    const progress = createProgress(100);
    progress.accepted(50);
    progress.becomeReplicate();
    progress.noteRound({ lastIndex: 200, tick: 30, maxTicks: 20 });
    expect(progress.isCaughtUp).toBe(false);
    progress.accepted(100);
    progress.noteRound({ lastIndex: 200, tick: 40, maxTicks: 20 });
    // Forty ticks for the first round: too slow.
    expect(progress.isCaughtUp).toBe(false);
    progress.accepted(200);
    progress.noteRound({ lastIndex: 210, tick: 45, maxTicks: 20 });
    expect(progress.isCaughtUp).toBe(true);
  });

  test("is lost again when a round drags on", () => {
    const progress = createProgress(10);
    progress.accepted(10);
    progress.becomeReplicate();
    progress.noteRound({ lastIndex: 50, tick: 1, maxTicks: 20 });
    expect(progress.isCaughtUp).toBe(true);
    progress.accepted(20);
    progress.noteRound({ lastIndex: 90, tick: 30, maxTicks: 20 });
    expect(progress.isCaughtUp).toBe(false);
  });
});
