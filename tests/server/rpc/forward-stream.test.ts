/** Forwarded requests over real sockets: what the stream between a follower and its leader promises. */
import { describe, expect, test } from "bun:test";
import { Metadata } from "@grpc/grpc-js";
import { issueHostCertificate } from "../../../agent/identity/host-certificate.ts";
import { systemClock } from "../../../lib/base/clock.ts";
import { createGrpcClient } from "../../../lib/client/grpc-client.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { maxOpenRequests, maxUnsentBytes } from "../../../server/rpc/forward-limits.ts";
import { openForwardStream } from "../../../server/rpc/forward-stream.ts";
import { type ForwardedAnswers, raftMethods } from "../../../server/rpc/raft-methods.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { testSeed } from "../raft/core/test-seed.ts";
import { createFollower, failureOf, startForwardLeader } from "./forward-world.ts";
import { never } from "./test-cluster.ts";

const streams = { method: "ForwardMany" };

describe("one stream", () => {
  test("carries all requests, and each gets its own answer whatever order they come in", async () => {
    await using leader = await startForwardLeader();
    using follower = createFollower(leader);
    const urls = Array.from({ length: 20 }, (_, i) => `/v1/catalog/service/s${i}`);
    const body = Uint8Array.from({ length: 256 }, (_, i) => i);
    const answers = urls.map((url) => follower.put(url, { body }));
    await leader.arrival("/v1/catalog/service/s19");
    expect(leader.arrived.map(({ request }) => request.url)).toEqual(urls);
    expect(leader.arrived[0]?.request).toMatchObject({ method: "PUT", headers: { "x-a": "b", "x-ü": "€" } });
    for (const one of leader.arrived.toReversed()) one.answer({ status: 207 });
    for (const [i, url] of urls.entries()) {
      const answer = await answers[i];
      expect(answer).toMatchObject({ status: 207, headers: { "x-url": url } });
      expect(Buffer.from(answer?.body ?? [])).toEqual(Buffer.from(body));
    }
    expect(await leader.metric({ method: "Forward", code: "OK" })).toBe(20);
    follower.client.close();
    await eventually("the end of the only stream", async () => (await leader.metric({ ...streams, code: "OK" })) === 1);
  });

  test("has one message for what comes in one turn of the event loop", async () => {
    const messages: string[][] = [];
    let message: string[] | undefined;
    await using leader = await startForwardLeader({
      onArrival({ request, answer }) {
        // Of one message all are run before anything else is.
        if (message === undefined) {
          message = [];
          messages.push(message);
          queueMicrotask(() => {
            message = undefined;
          });
        }
        message.push(request.url);
        answer();
      },
    });
    using follower = createFollower(leader);
    await follower.get("/v1/first");
    const urls = Array.from({ length: 20 }, (_, i) => `/v1/${i}`);
    await Promise.all(urls.map((url) => follower.get(url)));
    expect(messages).toEqual([["/v1/first"], urls]);
  });

  test("brings every failure back with its code, status, words and leader", async () => {
    await using leader = await startForwardLeader();
    using follower = createFollower(leader);
    const refused = failureOf(follower.put("/v1/a"));
    const broken = failureOf(follower.put("/v1/b"));
    const error = new AtollError("NO_LEADER", 'Größe "x"\n%41', { status: 418, leader: "127.0.0.1:1" });
    (await leader.arrival("/v1/a")).fail(error);
    (await leader.arrival("/v1/b")).fail(new Error("the secret is 42"));
    expect(await refused).toMatchObject({
      code: "NO_LEADER",
      status: 418,
      message: 'Größe "x"\n%41',
      leader: "127.0.0.1:1",
    });
    expect(await broken).toMatchObject({ code: "INTERNAL", message: "internal error: see the server's log" });
    expect(leader.runtime.lines.join("\n")).toContain("the secret is 42");
    expect((await failureOf(follower.get("/metrics"))).code).toBe("INVALID_ARGUMENT");
  });

  test("carries answers of any size and any number of requests at a time, each intact", async () => {
    const seed = testSeed;
    const random = createSeededRandom(seed);
    const sizes = Array.from({ length: 300 }, () => Math.floor(random.float() ** 8 * 3_000_000));
    await using leader = await startForwardLeader({
      onArrival({ request, answer }) {
        const i = Number(request.url.split("/").at(-1));
        const send = (): void => answer({ body: Buffer.alloc(sizes[i] ?? 0, i % 251) });
        if (i % 3 === 0) send();
        else setImmediate(send);
      },
    });
    using follower = createFollower(leader);
    const answers = await Promise.all(
      sizes.map((size, i) => follower.put(`/v1/${i}`, { body: Buffer.alloc(size % 60_000) })),
    );
    const wrong = answers.filter(({ body }, i) => !Buffer.alloc(sizes[i] ?? 0, i % 251).equals(body));
    expect({ seed, wrong: wrong.length }).toEqual({ seed, wrong: 0 });
  });
});

test("a leader runs nothing more for a follower that does not take its answers, until it does", async () => {
  const total = 200;
  const body = Buffer.alloc(1024 * 1024, "x");
  await using leader = await startForwardLeader({ onArrival: ({ answer }) => answer({ body }) });
  const { rootPem: rootsPem, trustDomain, datacenter } = leader.authority;
  const { chainPem: certPem, privateKeyPem } = leader.authority.issueServerCertificate();
  const certificate = { certPem, privateKeyPem };
  const client = createGrpcClient(leader.address, { rootsPem, trustDomain, datacenter, certificate });
  const { path, requestSerialize, responseDeserialize } = raftMethods.ForwardMany;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata());
  const answered: number[] = [];
  call.on("data", ({ answers }: ForwardedAnswers) => answered.push(...answers.map(({ id }) => id)));
  call.on("error", () => undefined);
  call.pause();
  for (let id = 1; id <= total; id++) {
    const request = { id, method: "GET", url: `/v1/${id}`, headers: {}, body: new Uint8Array() };
    await new Promise<void>((resolve) => call.write({ requests: [request], cancelledIds: [] }, () => resolve()));
  }
  let before = -1;
  let stillFor = 0;
  await eventually("the leader to pause", () => {
    stillFor = leader.arrived.length === before ? stillFor + 1 : 0;
    before = leader.arrived.length;
    return stillFor > 10;
  });
  expect(leader.arrived.length * body.length).toBeLessThan(4 * maxUnsentBytes);
  call.resume();
  await eventually("all answers", () => answered.length === total);
  expect(answered).toEqual(Array.from({ length: total }, (_, i) => i + 1));
  call.cancel();
  client.close();
}, 30_000);

describe("a request that nobody waits for any more", () => {
  test("is cancelled at the leader, and those beside it go on", async () => {
    await using leader = await startForwardLeader();
    using follower = createFollower(leader);
    const client = new AbortController();
    const read = failureOf(follower.get("/v1/read", client));
    const write = failureOf(follower.put("/v1/write", client));
    const other = follower.get("/v1/other");
    const [first, second, third] = await Promise.all(["/v1/read", "/v1/write", "/v1/other"].map(leader.arrival));
    client.abort();
    expect((await read).code).toBe("UNAVAILABLE");
    const lost = await write;
    expect(lost.code).toBe("UNKNOWN_OUTCOME");
    expect(lost.message).toStartWith("the write may or may not have taken effect: its answer was lost");
    await eventually("both broken off", () => first?.signal.aborted === true && second?.signal.aborted === true);
    // As a request does that was broken off.
    first?.fail(new Error("aborted"));
    third?.answer();
    expect((await other).status).toBe(200);
    expect(third?.signal.aborted).toBe(false);
    expect(leader.runtime.lines.filter((line) => line.includes("[ERROR]"))).toEqual([]);
  });

  test("is never sent when its client went away before, and had no effect then", async () => {
    await using leader = await startForwardLeader({ onArrival: ({ answer }) => answer() });
    using follower = createFollower(leader);
    await follower.get("/v1/first");
    const client = new AbortController();
    const write = failureOf(follower.put("/v1/write", client));
    client.abort();
    expect((await write).code).toBe("UNAVAILABLE");
    expect((await failureOf(follower.put("/v1/late", client))).code).toBe("UNAVAILABLE");
    await follower.get("/v1/last");
    expect(leader.arrived.map(({ request }) => request.url)).toEqual(["/v1/first", "/v1/last"]);
  });

  test("is given up when its time is over, later ones not before theirs", async () => {
    await using leader = await startForwardLeader();
    const clock = createVirtualClock(Date.now());
    using follower = createFollower(leader, clock);
    const early = failureOf(follower.get("/v1/early"));
    const { signal } = await leader.arrival("/v1/early");
    await clock.advance(600_000);
    const late = failureOf(follower.put("/v1/late"));
    await leader.arrival("/v1/late");
    await clock.advance(70_000);
    expect((await early).code).toBe("TIMEOUT");
    await eventually("the early one broken off", () => signal.aborted);
    expect((await leader.arrival("/v1/late")).signal.aborted).toBe(false);
    await clock.advance(600_000);
    expect(await late).toMatchObject({ code: "TIMEOUT" });
  });
});

describe("a stream that breaks", () => {
  test("leaves writes that were sent unknown, reads just unavailable, and is opened again", async () => {
    const first = await startForwardLeader();
    using follower = createFollower(first);
    const write = failureOf(follower.put("/v1/write"));
    const read = failureOf(follower.get("/v1/read"));
    await Promise.all([first.arrival("/v1/write"), first.arrival("/v1/read")]);
    await first.rpc.stop(0);
    expect(await write).toMatchObject({ code: "UNKNOWN_OUTCOME" });
    expect(await read).toMatchObject({ code: "UNAVAILABLE" });
    expect(first.arrived.every(({ signal }) => signal.aborted)).toBe(true);
    expect(await failureOf(follower.put("/v1/none"))).toMatchObject({ code: "NO_LEADER" });

    const { authority } = first;
    const { port } = first.rpc.address;
    await using second = await startForwardLeader({ authority, port, onArrival: ({ answer }) => answer() });
    expect(await eventually("the new one", () => follower.put("/v1/again").catch(() => undefined))).toMatchObject({
      status: 200,
    });
    expect(second.arrived.map(({ request }) => request.url)).toEqual(["/v1/again"]);
  });

  test("because its leader stops is answered first, and takes nothing new", async () => {
    const leader = await startForwardLeader();
    using follower = createFollower(leader);
    const write = follower.put("/v1/write");
    const { answer } = await leader.arrival("/v1/write");
    const stopped = leader.rpc.stop(5_000);
    expect((await failureOf(follower.put("/v1/late"))).code).toBe("NO_LEADER");
    expect((await failureOf(follower.put("/v1/later"))).code).toBe("NO_LEADER");
    answer();
    expect((await write).status).toBe(200);
    await stopped;
    expect(leader.arrived).toHaveLength(1);
  });
});

test("when another server leads, what is under way is answered by the old leader and the rest goes to the new one", async () => {
  await using old = await startForwardLeader();
  await using next = await startForwardLeader({ authority: old.authority, onArrival: ({ answer }) => answer() });
  using follower = createFollower(old);
  const client = new AbortController();
  const watcher = failureOf(follower.get("/v1/watch", client));
  const write = follower.put("/v1/write");
  await Promise.all([old.arrival("/v1/watch"), old.arrival("/v1/write")]);
  expect((await follower.get("/v1/next", { at: next.address })).status).toBe(200);
  expect(next.arrived).toHaveLength(1);
  (await old.arrival("/v1/write")).answer();
  expect((await write).status).toBe(200);
  expect(await old.metric(streams)).toBe(0);
  client.abort();
  expect((await watcher).code).toBe("UNAVAILABLE");
  await eventually("the old leader to be told", async () => (await old.arrival("/v1/watch")).signal.aborted);
  await eventually("the end of the old stream", async () => (await old.metric({ ...streams, code: "OK" })) === 1);
});

describe("a call of its own is made", () => {
  test("for a leader of an older release, which is asked for the stream again after a minute", async () => {
    const older = await startForwardLeader({ isOlder: true, onArrival: ({ answer }) => answer() });
    const clock = createVirtualClock(Date.now());
    using follower = createFollower(older, clock);
    const urls = ["/v1/a", "/v1/b", "/v1/c"];
    const answers = await Promise.all(urls.map((url) => follower.put(url)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(older.arrived.map(({ request }) => request.url).toSorted()).toEqual(urls);
    const { authority } = older;
    const { port } = older.rpc.address;
    await older.rpc.stop(0);

    await using upgraded = await startForwardLeader({ authority, port, onArrival: ({ answer }) => answer() });
    await eventually("the connection to come back", () => follower.get("/v1/d").catch(() => undefined));
    await clock.advance(60_000);
    await follower.get("/v1/e");
    follower.client.close();
    await eventually("a stream that ended", async () => (await upgraded.metric({ ...streams, code: "OK" })) === 1);
  });

  test("for large bodies and snapshots", async () => {
    await using leader = await startForwardLeader({ onArrival: ({ answer }) => answer() });
    using follower = createFollower(leader);
    const body = Buffer.alloc(512 * 1024, "x");
    expect(Buffer.from((await follower.put("/v1/kv/a", { body })).body).equals(body)).toBe(true);
    expect((await follower.get("/v1/snapshot?stale")).status).toBe(200);
    // It ends its streams before it has stopped.
    await leader.rpc.stop(5_000);
    expect(await leader.metric(streams)).toBe(0);
    expect(await leader.metric({ method: "Forward", code: "OK" })).toBe(2);
  });

  test("for what is more than a stream carries at a time", async () => {
    await using leader = await startForwardLeader();
    using follower = createFollower(leader);
    const client = new AbortController();
    const watchers = Array.from({ length: maxOpenRequests }, () => failureOf(follower.get("/v1/watch", client)));
    await eventually("all of them", () => leader.arrived.length === maxOpenRequests);
    const one = follower.put("/v1/one-more");
    (await leader.arrival("/v1/one-more")).answer();
    expect((await one).status).toBe(200);
    client.abort();
    await Promise.all(watchers);
    await eventually("all of them broken off", () =>
      leader.arrived.every(({ request, signal }) => request.url === "/v1/one-more" || signal.aborted),
    );
  }, 30_000);
});

describe("only a server with a valid certificate", () => {
  test("gets a stream: an agent does not", async () => {
    await using leader = await startForwardLeader();
    const { rootPem: rootsPem, trustDomain, datacenter } = leader.authority;
    const certificate = await issueHostCertificate({
      identity: { kind: "agent", trustDomain, datacenter, node: "host-1" },
      signal: never,
      sign: async (csrPem) => leader.authority.sign(csrPem, { services: false, agentNode: "host-1" }),
    });
    const client = createGrpcClient(leader.address, { rootsPem, trustDomain, datacenter, certificate });
    const opened = openForwardStream({
      client,
      address: leader.address,
      clock: systemClock,
      timeoutMs: 5_000,
      onClosing: () => undefined,
      onEnd: () => undefined,
    });
    expect(await failureOf(opened)).toMatchObject({
      code: "PERMISSION_DENIED",
      message: "only servers of the cluster may ask this",
    });
    client.close();
    expect(await leader.metric({ ...streams, code: "PERMISSION_DENIED" })).toBe(1);
  });

  test("keeps it: it ends when the certificate has expired", async () => {
    const clock = createVirtualClock(Date.now());
    await using leader = await startForwardLeader({ clock });
    using follower = createFollower(leader);
    const read = failureOf(follower.get("/v1/read"));
    const { signal } = await leader.arrival("/v1/read");
    await clock.advance(400 * 24 * 3_600_000);
    expect(await read).toMatchObject({ code: "UNAVAILABLE" });
    expect((await read).message).toContain("the certificate of this stream has expired");
    expect(signal.aborted).toBe(true);
    expect((await failureOf(follower.get("/v1/late"))).code).toBe("PERMISSION_DENIED");
  });
});
