import { describe, expect, test } from "bun:test";
import { mustGet } from "../../../../lib/base/assert.ts";
import type { CheckFailure } from "../../../../proxy/authz/ext-authz/answer.ts";
import { CheckCall } from "../../../../proxy/authz/ext-authz/check-call.ts";
import type { CheckReply } from "../../../../proxy/authz/ext-authz/check-protocol.ts";
import { Deadlines } from "../../../../proxy/exchange/deadlines.ts";
import {
  plainLoss,
  type ResponseReceiver,
  reusedLoss,
  type Upstream,
  type UpstreamConnection,
  type UpstreamStream,
  type UpstreamWaiter,
} from "../../../../proxy/exchange/ends.ts";
import { FieldBlock } from "../../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../../proxy/message/request-head.ts";
import { checkResponse, ResponseHead } from "../../../../proxy/message/response-head.ts";
import { createVirtualClock } from "../../../fakes/virtual-clock.ts";

/** One check between an upstream that a test plays and whoever wants to know. */
class World implements Upstream, UpstreamConnection, UpstreamStream {
  readonly remoteAddress = "authz:1";
  readonly clock = createVirtualClock(0);
  readonly deadlines = new Deadlines(this.clock);
  readonly events: string[] = [];
  readonly results: (CheckReply | CheckFailure)[] = [];
  sent = "";
  /** Bytes that the next `data` takes. */
  room = Number.POSITIVE_INFINITY;
  waiter: UpstreamWaiter | undefined;
  receiver: ResponseReceiver | undefined;
  readonly call: CheckCall;

  constructor(body: string | null = "question", maxResponseBytes = 10) {
    const checked = checkRequest(
      new FieldBlock([":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/"]),
    );
    this.call = new CheckCall({
      upstream: this,
      head: mustGet(checked instanceof RequestHead ? checked : undefined, "a valid request"),
      body: body === null ? undefined : Buffer.from(body),
      deadlines: this.deadlines,
      timeoutMs: 100,
      maxResponseBytes,
      onDone: (result) => this.results.push(result),
    });
    this.call.start();
  }

  acquire(waiter: UpstreamWaiter, wantsFresh: boolean): void {
    this.events.push(wantsFresh ? "acquire fresh" : "acquire");
    this.waiter = waiter;
  }

  cancel(): void {
    this.events.push("cancel");
  }

  send(_head: RequestHead, isEnd: boolean, receiver: ResponseReceiver): UpstreamStream {
    this.events.push(isEnd ? "send whole" : "send");
    this.receiver = receiver;
    this.sent = "";
    return this;
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    const taken = Math.min(this.room, end - start);
    this.sent += bytes.toString("latin1", start, start + taken) + (isEnd && taken === end - start ? "." : "");
    return taken;
  }

  trailers(): void {
    this.events.push("trailers");
  }

  consumeResponse(count: number): void {
    this.events.push(`consume ${count}`);
  }

  abort(): void {
    this.events.push("abort");
  }

  respond(isEnd = false): void {
    const checked = checkResponse(new FieldBlock([":status", "200"]));
    const head = mustGet(checked instanceof ResponseHead ? checked : undefined, "a valid response");
    this.receiver?.onResponse(head, isEnd);
  }

  body(text: string, isEnd: boolean): void {
    const bytes = Buffer.from(`..${text}..`);
    this.receiver?.onResponseData(bytes, 2, 2 + text.length, isEnd);
    // Who sent them may use the memory again.
    bytes.fill(0);
  }

  /** What came of it: exactly one result. */
  result(): string {
    expect(this.results.length).toBe(1);
    const [result] = this.results;
    if (result === undefined || "kind" in result) return result?.kind ?? "";
    return `${result.head.status} ${result.body} ${result.trailers?.fields.join("=") ?? ""}`.trim();
  }
}

describe("a check", () => {
  test("is sent as it is taken, and its answer is gathered from whatever pieces it comes in", () => {
    const world = new World();
    world.room = 3;
    world.waiter?.onUpstream(world);
    expect(world.sent).toBe("que");
    world.receiver?.onUpstreamWritable();
    world.room = 99;
    world.receiver?.onUpstreamWritable();
    world.receiver?.onUpstreamWritable();
    expect(world.sent).toBe("question.");
    world.respond();
    world.body("an", false);
    world.body("", false);
    world.body("swer", false);
    expect(world.results).toEqual([]);
    world.receiver?.onResponseTrailers(new FieldBlock(["grpc-status", "0"]));
    expect(world.result()).toBe("200 answer grpc-status=0");
    expect(world.events).toEqual(["acquire", "send", "consume 2", "consume 0", "consume 4"]);
    expect(world.deadlines.size).toBe(0);
  });

  test("without a body is whole with its head, and so may its answer be", () => {
    const world = new World(null);
    world.waiter?.onUpstream(world);
    world.respond(true);
    expect([world.result(), world.sent, world.events]).toEqual(["200", "", ["acquire", "send whole"]]);
  });

  test("that is answered before it has been sent completely is not sent any further", () => {
    const world = new World();
    world.room = 3;
    world.waiter?.onUpstream(world);
    world.respond(true);
    expect([world.result(), world.events.at(-1)]).toEqual(["200", "abort"]);
  });

  test("takes as much of an answer as it may and no more", () => {
    for (const [text, expected] of [
      ["0123456789", "200 0123456789"],
      ["0123456789x", "failed"],
    ] as const) {
      const world = new World();
      world.waiter?.onUpstream(world);
      world.respond();
      world.body(text.slice(0, 5), false);
      world.body(text.slice(5), true);
      expect(world.result()).toBe(expected);
      expect(world.events.includes("abort")).toBe(expected === "failed");
    }
  });

  test("has its time, the wait for a connection included, and is over after it", async () => {
    const waiting = new World();
    const sent = new World();
    sent.waiter?.onUpstream(sent);
    sent.respond();
    for (const world of [waiting, sent]) {
      await world.clock.advance(99);
      expect(world.results).toEqual([]);
      await world.clock.advance(9);
      expect(world.result()).toBe("timeout");
    }
    expect([waiting.events, sent.events]).toEqual([
      ["acquire", "cancel"],
      ["acquire", "send", "cancel", "abort"],
    ]);
    // A connection that is found too late gets nothing.
    waiting.waiter?.onUpstream(waiting);
    expect(waiting.events).toEqual(["acquire", "cancel"]);
  });

  test("is sent again, whole, while its loss says nothing about it, and not for ever", () => {
    const world = new World();
    for (let i = 0; i < 3; i++) {
      world.waiter?.onUpstream(world);
      expect(world.sent).toBe("question.");
      world.receiver?.onUpstreamLost(reusedLoss);
    }
    expect(world.events).toEqual(["acquire", ...["send", "acquire fresh", "send", "acquire fresh", "send", "cancel"]]);
    expect(world.result()).toBe("failed");
  });

  test("is not sent again when it may have been the reason, or was answered in part", () => {
    const guilty = new World();
    guilty.waiter?.onUpstream(guilty);
    guilty.receiver?.onUpstreamLost(plainLoss);
    const answered = new World();
    answered.waiter?.onUpstream(answered);
    answered.respond();
    answered.receiver?.onUpstreamLost(reusedLoss);
    expect([guilty.result(), answered.result()]).toEqual(["failed", "failed"]);
  });

  test("is late when its server gives it up without a word", () => {
    const world = new World();
    world.waiter?.onUpstream(world);
    world.receiver?.onUpstreamLost({ ...plainLoss, reason: "cancelled" });
    expect(world.result()).toBe("timeout");
  });

  test("that is cancelled tells nobody anything, whatever comes then", async () => {
    const world = new World();
    world.waiter?.onUpstream(world);
    world.call.cancel();
    world.call.cancel();
    expect(world.events).toEqual(["acquire", "send", "cancel", "abort"]);
    world.receiver?.onUpstreamLost(plainLoss);
    await world.clock.advance(1_000);
    expect([world.results, world.deadlines.size]).toEqual([[], 0]);
  });
});
