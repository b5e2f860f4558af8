import { expect, test } from "bun:test";
import { createWatchedReads, type WatchedReadsOptions } from "../../../agent/dns/source/watched-reads.ts";
import type { ForwardRequest, ForwardResponse } from "../../../lib/client/server-link.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock, settle, type VirtualClock } from "../../fakes/virtual-clock.ts";

interface Asked {
  readonly request: ForwardRequest;
  readonly signal: AbortSignal;
  readonly answer: (response: Partial<ForwardResponse> & { readonly json?: unknown; readonly index?: number }) => void;
  readonly fail: () => void;
}

/** Servers whose every answer a test gives by hand. */
function createFakeServers(options: Partial<WatchedReadsOptions> = {}) {
  const clock: VirtualClock = createVirtualClock(0);
  const asked: Asked[] = [];
  const reads = createWatchedReads({
    link: {
      forward: (request, signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener("abort", () => reject(new Error("given up")), { once: true });
          asked.push({
            request,
            signal,
            answer: ({ json, index, ...response }) =>
              resolve({
                status: 200,
                headers: index === undefined ? {} : { "x-consul-index": `${index}` },
                body: Buffer.from(JSON.stringify(json ?? null)),
                ...response,
              }),
            fail: () => reject(new Error("unreachable")),
          });
        }),
    },
    runtime: { ...createTestRuntime(), clock },
    token: () => undefined,
    maxStaleMs: () => 60_000,
    ...options,
  });
  const decode = (json: unknown) => {
    const list = Array.isArray(json) ? json.map(String) : [];
    return { value: list, isAbsent: list.length === 0 };
  };
  const read = (path = "/v1/health/service/web?dc=dc1") => reads.read(path, decode);
  const next = async (): Promise<Asked> => {
    await settle();
    const one = asked.shift();
    if (one === undefined) throw new Error("nothing was asked");
    return one;
  };
  return { clock, reads, read, next, asked };
}

const known = (...value: string[]) => ({ state: "known" as const, value });

test("the first answer is fetched, later ones are at hand and follow every change", async () => {
  const { clock, read, next, asked, reads } = createFakeServers();
  const first = read();
  (await next()).answer({ json: ["a"], index: 7 });
  expect(await first).toEqual(known("a"));
  expect(read()).toEqual(known("a"));
  await clock.advance(20);
  const blocked = await next();
  expect(blocked.request.url).toBe("/v1/health/service/web?dc=dc1&index=7&wait=300s");
  blocked.answer({ json: ["a", "b"], index: 9 });
  await settle();
  expect(read()).toEqual(known("a", "b"));
  await clock.advance(20);
  expect((await next()).request.url).toContain("index=9");
  expect(asked).toHaveLength(0);
  reads.close();
});

test("many questions for one name are one request", async () => {
  const { read, next, asked, reads } = createFakeServers();
  const answers = Promise.all([read(), read(), read()]);
  (await next()).answer({ json: ["a"], index: 1 });
  expect(await answers).toEqual([known("a"), known("a"), known("a")]);
  expect(asked.filter(({ request }) => !request.url.includes("index"))).toHaveLength(0);
  reads.close();
});

test("while no server answers the last value stands, for as long as it may be stale", async () => {
  const { clock, read, next, reads } = createFakeServers();
  const first = read();
  (await next()).answer({ json: ["a"], index: 7 });
  await first;
  await clock.advance(20);
  (await next()).fail();
  await settle();
  expect(read()).toEqual(known("a"));
  await clock.advance(59_000);
  expect(read()).toEqual(known("a"));
  await clock.advance(2_000);
  expect(read()).toEqual({ state: "unreachable" });
  // And it comes back with the servers.
  const retried = await next();
  retried.answer({ json: ["b"], index: 8 });
  await settle();
  expect(read()).toEqual(known("b"));
  reads.close();
});

test("who asks for what nobody knows waits 2.5 s and not longer", async () => {
  const { clock, read, next, reads } = createFakeServers();
  const answer = read();
  const { signal } = await next();
  await clock.advance(2_500);
  expect(signal.aborted).toBe(true);
  expect(await answer).toEqual({ state: "unreachable" });
  reads.close();
});

test("a name that does not exist is followed from the second question on", async () => {
  const { clock, read, next, asked, reads } = createFakeServers();
  const first = read();
  (await next()).answer({ json: [], index: 3 });
  expect(await first).toEqual(known());
  await clock.advance(1_000);
  expect(asked).toHaveLength(0);
  expect(reads.size()).toBe(0);
  const second = read();
  (await next()).answer({ json: [], index: 3 });
  await second;
  await clock.advance(20);
  (await next()).answer({ json: ["new"], index: 4 });
  await settle();
  expect(read()).toEqual(known("new"));
  reads.close();
});

test("names that nobody asks for any more are dropped, and their requests end", async () => {
  const { clock, read, next, reads } = createFakeServers({ limits: { idleMs: 120_000 } });
  const first = read();
  (await next()).answer({ json: ["a"], index: 7 });
  await first;
  await clock.advance(20);
  const blocked = await next();
  await clock.advance(100_000);
  expect(read()).toEqual(known("a"));
  await clock.advance(100_000);
  expect(blocked.signal.aborted).toBe(false);
  await clock.advance(100_000);
  expect(blocked.signal.aborted).toBe(true);
  expect(reads.size()).toBe(0);
  reads.close();
});

test("only so many names are followed: the one unused for longest goes", async () => {
  const { clock, read, next, reads, asked } = createFakeServers({ limits: { maxPresent: 2 } });
  for (const name of ["a", "b", "c"]) {
    const answer = read(`/v1/${name}?x`);
    (await next()).answer({ json: [name], index: 1 });
    await answer;
    await clock.advance(20);
    asked.length = 0;
  }
  expect(reads.size()).toBe(2);
  expect(read("/v1/c?x")).toEqual(known("c"));
  expect(read("/v1/b?x")).toEqual(known("b"));
  expect(read("/v1/a?x")).toBeInstanceOf(Promise);
  reads.close();
});

test("only so many first questions are under way", async () => {
  const { read, reads } = createFakeServers({ limits: { maxFetches: 1 } });
  expect(read("/v1/a?x")).toBeInstanceOf(Promise);
  expect(read("/v1/b?x")).toEqual({ state: "unreachable" });
  reads.close();
});

test("the token goes along, and what one token was shown is not given for another", async () => {
  let token: string | undefined = "one";
  const { clock, read, next, reads } = createFakeServers({ token: () => token });
  const first = read();
  const asked = await next();
  expect(asked.request.headers).toEqual({ "x-consul-token": "one" });
  asked.answer({ json: ["secret"], index: 7 });
  await first;
  await clock.advance(20);
  const blocked = await next();
  token = "two";
  const second = read();
  expect(blocked.signal.aborted).toBe(true);
  const again = await next();
  expect(again.request.headers).toEqual({ "x-consul-token": "two" });
  again.answer({ status: 403, body: Buffer.from("Permission denied") });
  expect(await second).toEqual({ state: "denied" });
  expect(reads.size()).toBe(0);
  reads.close();
});

test("an answer that was asked for with an old token is not kept for the new one", async () => {
  let token: string | undefined = "one";
  const { read, next, reads } = createFakeServers({ token: () => token });
  const first = read();
  const asked = await next();
  token = undefined;
  const second = read();
  asked.answer({ json: ["secret"], index: 7 });
  expect(await first).toEqual({ state: "unreachable" });
  const anonymous = await next();
  expect(anonymous.request.headers).toEqual({});
  anonymous.answer({ json: ["public"], index: 7 });
  expect(await second).toEqual(known("public"));
  expect(read()).toEqual(known("public"));
  reads.close();
});

test("an unknown datacenter has nothing, and other failures are no answer", async () => {
  const { read, next, reads } = createFakeServers();
  const nowhere = read();
  (await next()).answer({ status: 500, body: Buffer.from("No path to datacenter") });
  expect(await nowhere).toEqual(known());
  const leaderless = read("/v1/other?x");
  (await next()).answer({ status: 500, body: Buffer.from("No cluster leader") });
  expect(await leaderless).toEqual({ state: "unreachable" });
  const unknownRoute = read("/v1/route?x");
  (await next()).answer({ status: 404, body: Buffer.from("") });
  expect(await unknownRoute).toEqual(known());
  const broken = read("/v1/broken?x");
  (await next()).answer({ body: Buffer.from("{") });
  expect(await broken).toEqual({ state: "unreachable" });
  reads.close();
});

test("closing ends every request and timer", async () => {
  const { clock, read, next, reads } = createFakeServers();
  const first = read();
  (await next()).answer({ json: ["a"], index: 7 });
  await first;
  await clock.advance(20);
  const { signal } = await next();
  reads.close();
  await settle();
  expect(signal.aborted).toBe(true);
  expect(clock.pendingTimers()).toBe(0);
  expect(read()).toEqual({ state: "unreachable" });
});
