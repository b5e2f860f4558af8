import { expect, test } from "bun:test";
import {
  plainLoss,
  type ResponseReceiver,
  type Upstream,
  type UpstreamStream,
  type UpstreamWaiter,
} from "../../../proxy/exchange/ends.ts";
import { PassThrough } from "../../../proxy/exchange/stage.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";
import { LimitedRequest, RequestLimit } from "../../../proxy/upstream/limited-request.ts";

const head = checkRequest(new FieldBlock([":method", "GET", ":scheme", "http", ":authority", "api", ":path", "/"]));

/** One request to an upstream that a test plays; `waiters` are those who have asked it for a connection. */
class LimitedWorld {
  readonly waiters: UpstreamWaiter[] = [];
  readonly limit = new RequestLimit(() => 1);
  readonly failures: string[] = [];
  readonly request: LimitedRequest;
  /** Stands for the connection, the stream and whoever gets the response. */
  readonly end = new PassThrough({ acquire: () => undefined, cancel: () => undefined });
  stream: UpstreamStream | undefined;
  /** Who is told what comes back. */
  receiver: ResponseReceiver | undefined;
  takesRequests = true;

  constructor() {
    const upstream: Upstream = { acquire: (waiter) => this.waiters.push(waiter), cancel: () => undefined };
    this.request = new LimitedRequest(upstream, this.limit);
  }

  readonly waiter: UpstreamWaiter = {
    onUpstream: (connection) => {
      if (!(head instanceof RequestHead)) throw new Error(head);
      this.stream = connection.send(head, true, this.end);
    },
    onNoUpstream: (failure) => this.failures.push(failure),
  };

  acquire(): UpstreamWaiter {
    this.request.acquire(this.waiter, false);
    const asked = this.waiters.at(-1);
    if (asked === undefined) throw new Error("nobody has asked");
    return asked;
  }

  connect(): void {
    const stream = this.takesRequests ? this.end : undefined;
    const send = (_head: RequestHead, _isEnd: boolean, receiver: ResponseReceiver): UpstreamStream | undefined => {
      this.receiver = receiver;
      return stream;
    };
    this.acquire().onUpstream({ remoteAddress: "", send });
  }
}

test("a try counts while it waits, and not when it is given up or nothing is found", () => {
  const world = new LimitedWorld();
  world.acquire();
  expect(world.limit.underWay).toBe(1);
  world.request.cancel(world.waiter);
  expect(world.limit.underWay).toBe(0);
  world.acquire().onNoUpstream("connect_failure");
  expect(world.limit.underWay).toBe(0);
  expect(world.failures).toEqual(["connect_failure"]);
});

test("a try that its connection did not take is asked for again", () => {
  const world = new LimitedWorld();
  world.takesRequests = false;
  world.connect();
  expect(world.stream).toBeUndefined();
  expect(world.limit.underWay).toBe(0);
});

test("a try counts until it is lost, once, whatever is called afterwards", () => {
  const world = new LimitedWorld();
  world.connect();
  const { stream } = world;
  expect(world.limit.underWay).toBe(1);
  world.receiver?.onUpstreamLost(plainLoss);
  expect(world.limit.underWay).toBe(0);
  stream?.abort();
  world.request.cancel(world.waiter);
  expect(world.limit.underWay).toBe(0);
});

test("a next try counts beside one whose response is still read to its end", () => {
  const world = new LimitedWorld();
  world.connect();
  world.request.acquire(world.waiter, false);
  expect(world.failures).toEqual(["overflow"]);
  expect(world.limit.overflows).toBe(1);
  // Being told so is no reason to end what is under way.
  world.request.cancel(world.waiter);
  expect(world.limit.underWay).toBe(1);
  world.stream?.abort();
  expect(world.limit.underWay).toBe(0);
});

test("a try whose response is read for nobody counts no more", () => {
  const world = new LimitedWorld();
  world.connect();
  world.stream?.leave?.();
  expect(world.limit.underWay).toBe(0);
  world.receiver?.onUpstreamLost(plainLoss);
  expect(world.limit.underWay).toBe(0);
});
