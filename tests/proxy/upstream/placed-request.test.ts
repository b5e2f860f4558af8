import { expect, test } from "bun:test";
import type { Upstream, UpstreamWaiter } from "../../../proxy/exchange/ends.ts";
import { PlacedRequest } from "../../../proxy/upstream/placed-request.ts";

test("a request with a hash may wait twice, and each wait is answered or cancelled by itself", () => {
  const asked: UpstreamWaiter[] = [];
  const cancelled: UpstreamWaiter[] = [];
  const upstream: Upstream = { acquire: (waiter) => asked.push(waiter), cancel: (waiter) => cancelled.push(waiter) };
  const seen: string[] = [];
  const waiterOf = (name: string): UpstreamWaiter => ({
    onOpening: () => seen.push(`${name} opens`),
    onUpstream: () => seen.push(`${name} has one`),
    onNoUpstream: (failure) => seen.push(`${name} ${failure}`),
  });
  const [first, second] = [waiterOf("first"), waiterOf("second")];
  const request = new PlacedRequest(upstream, { hash: 7, subset: undefined });
  request.acquire(first, false);
  request.acquire(second, false);
  expect(asked.map(({ hash }) => hash)).toEqual([7, 7]);
  asked[1]?.onOpening?.({});
  asked[1]?.onNoUpstream("overflow");
  request.cancel(first);
  request.cancel(second);
  expect([seen, cancelled]).toEqual([["second opens", "second overflow"], asked.slice(0, 1)]);
});
