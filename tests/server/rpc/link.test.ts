/** The link of an agent over real sockets: what it promises of calls, errors and subscriptions. */
import { describe, expect, test } from "bun:test";
import { AtollError, errorTable, isErrorCode } from "../../../lib/contract/error-codes.ts";
import type { TopicValues } from "../../../lib/contract/topics.ts";
import { connectServer } from "../../../lib/client/grpc-link.ts";
import { callUnary, createGrpcClient } from "../../../lib/client/grpc-client.ts";
import { rpcMethods } from "../../../lib/client/rpc-methods.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createTestRequest, serviceUri } from "../ca/test-authority.ts";
import { openRawStream } from "./raw-calls.ts";
import { never, startTestAgent, startTestCluster } from "./test-cluster.ts";

const deregister = { type: "deregister", node: "host-1" } as const;
const leaderRequest = { method: "GET", url: "/v1/status/leader?stale", headers: {}, body: new Uint8Array() };

function serviceConfig(service: string, protocol: "tcp" | "http"): TopicValues["service-config"] {
  return { service, protocol, localConnectTimeoutMs: 5_000, localRequestTimeoutMs: 0, maxInboundConnections: 0 };
}

async function failureOf(call: Promise<unknown>): Promise<AtollError> {
  const thrown: unknown = await call.then(
    () => new Error("it did not fail"),
    (error: unknown) => error,
  );
  if (thrown instanceof AtollError) return thrown;
  throw thrown;
}

describe("calls", () => {
  test("carry commands, registrations, certificates and /v1 requests unchanged", async () => {
    await using cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    expect(await agent.link.write(deregister, never)).toEqual({ index: 1 });
    expect(cluster.writes).toEqual([deregister]);
    expect(await agent.link.nodeRegistrations("host-1", never)).toEqual({ nodeIndex: 1, services: [], checks: [] });

    const uri = serviceUri(cluster.authority, "web");
    const signed = await agent.link.sign(createTestRequest({ uris: [uri] }), never);
    expect(signed).toMatchObject({ spiffeId: uri, chainPem: "", modifyIndex: 7 });

    const body = Uint8Array.from({ length: 256 }, (_, i) => i);
    const answer = await agent.link.forward(
      { method: "PUT", url: "/v1/kv/a?b=c%20d", headers: { a: "b" }, body },
      never,
    );
    expect(answer.status).toBe(200);
    expect(answer.headers).toEqual({ "x-method": "PUT", "x-url": "/v1/kv/a?b=c%20d" });
    expect(Buffer.from(answer.body)).toEqual(Buffer.from(body));
    expect(agent.link.status()).toEqual({ address: cluster.address, isConnected: true });
  });

  test("bring every error of the table back with its code, status and words", async () => {
    await using cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    for (const code of Object.keys(errorTable).filter(isErrorCode)) {
      cluster.onWrite = () => Promise.reject(new AtollError(code, `Größe "${code}"\n%41 is wrong`, { status: 418 }));
      const failure = await failureOf(agent.link.write(deregister, never));
      expect(failure).toMatchObject({ code, status: 418, message: `Größe "${code}"\n%41 is wrong` });
    }
  });

  test("keep the text of an unexpected error in the server's log", async () => {
    await using cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    cluster.onWrite = () => Promise.reject(new Error("the secret is 42"));
    expect(await failureOf(agent.link.write(deregister, never))).toMatchObject({
      code: "INTERNAL",
      message: "internal error: see the server's log",
    });
    expect(cluster.runtime.lines.join("\n")).toContain("the secret is 42");
  });

  test("refuse a malformed command by naming the field, and a path outside /v1/", async () => {
    await using cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    const client = createGrpcClient(cluster.address, agent.enrolment.current());
    const write = { method: rpcMethods.Write, request: { json: Buffer.from('{"type":"deregister","node":7}') } };
    const common = { client, address: cluster.address, isWrite: true, clock: agent.runtime.clock, timeoutMs: 5_000 };
    const failure = await failureOf(callUnary({ ...common, ...write, signal: never }));
    client.close();
    expect(failure).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(failure.message).toContain("node");
    const outside = agent.link.forward({ ...leaderRequest, url: "/metrics" }, never);
    expect((await failureOf(outside)).message).toBe('only /v1/ paths are forwarded, found "/metrics"');
    expect(cluster.writes).toEqual([]);
  });

  test("that the caller gives up are cancelled on the server", async () => {
    await using cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    const seen = Promise.withResolvers<AbortSignal>();
    const aborted = Promise.withResolvers<void>();
    cluster.onForward = (_request, signal) => {
      seen.resolve(signal);
      signal.addEventListener("abort", () => aborted.resolve());
      // As `inject` does with an aborted request.
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
    };
    const caller = new AbortController();
    const failure = failureOf(agent.link.forward(leaderRequest, caller.signal));
    await seen.promise;
    caller.abort();
    await aborted.promise;
    expect((await failure).code).toBe("UNAVAILABLE");
    await new Promise((resolve) => setImmediate(resolve));
    expect(cluster.runtime.lines.filter((line) => line.includes("[ERROR]"))).toEqual([]);
  });

  test("end at their deadline", async () => {
    await using cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    cluster.onForward = () => new Promise(() => undefined);
    const client = createGrpcClient(cluster.address, agent.enrolment.current());
    const call = { method: rpcMethods.Forward, request: leaderRequest, isWrite: false, timeoutMs: 100, signal: never };
    const failure = await failureOf(
      callUnary({ ...call, client, address: cluster.address, clock: agent.runtime.clock }),
    );
    client.close();
    expect(failure.code).toBe("TIMEOUT");
  });
});

describe("a server that dies", () => {
  test("during a write leaves its outcome unknown, during a read it was just unavailable", async () => {
    const cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    const arrived = Promise.withResolvers<void>();
    let calls = 0;
    const hang = (): Promise<never> => {
      if (++calls === 2) arrived.resolve();
      return new Promise(() => undefined);
    };
    cluster.onWrite = hang;
    cluster.onForward = hang;
    const write = failureOf(agent.link.write(deregister, never));
    const read = failureOf(agent.link.forward(leaderRequest, never));
    await arrived.promise;
    await cluster.rpc.stop(0);
    const lost = await write;
    expect(lost.code).toBe("UNKNOWN_OUTCOME");
    expect(lost.message).toStartWith(
      "the write may or may not have taken effect: its answer was lost (Write on server",
    );
    expect((await read).code).toBe("UNAVAILABLE");
    const later = await failureOf(agent.link.write(deregister, never));
    expect(later.code).toBe("UNAVAILABLE");
    expect(later.message).toContain(`no server listens on ${cluster.address}`);
    expect(agent.link.status().isConnected).toBe(false);
  });

  test("and comes back on its address is found again, with its subscriptions", async () => {
    const first = await startTestCluster();
    await using agent = await startTestAgent(first);
    const seen: string[] = [];
    agent.link.subscribe({ kind: "service-config", service: "web" }, (value) => seen.push(value.protocol));
    first.publish({ kind: "service-config", service: "web" }, serviceConfig("web", "tcp"), 5);
    await eventually("the first value", () => seen.length === 1);
    const { port } = first.rpc.address;
    await first.rpc.stop(0);

    await using second = await startTestCluster({ port, authority: first.authority });
    second.publish({ kind: "service-config", service: "web" }, serviceConfig("web", "http"), 9);
    await eventually("the value of the new server", () => seen.length > 1);
    expect(seen).toEqual(["tcp", "http"]);
    expect(await agent.link.write(deregister, never)).toEqual({ index: 1 });
  });

  test("is replaced by the next of several", async () => {
    const first = await startTestCluster();
    await using second = await startTestCluster({ authority: first.authority });
    await using agent = await startTestAgent(first);
    const { enrolment, runtime } = agent;
    const servers = [first.address, second.address];
    const link = await connectServer({ servers, credentials: enrolment, runtime, signal: never });
    const seen: number[] = [];
    link.subscribe({ kind: "service-config", service: "web" }, (_value, index) => seen.push(index));
    first.publish({ kind: "service-config", service: "web" }, serviceConfig("web", "tcp"), 5);
    second.publish({ kind: "service-config", service: "web" }, serviceConfig("web", "tcp"), 6);
    await eventually("the first server's value", () => seen.length === 1);
    await first.rpc.stop(0);
    await eventually("the second server's value", () => seen.length === 2);
    expect(seen).toEqual([5, 6]);
    expect(link.status().address).toBe(second.address);
    await link.write(deregister, never);
    expect(second.writes).toHaveLength(1);
    await link.close();
  });

  test("or is not the leader hands the call to another", async () => {
    await using follower = await startTestCluster();
    await using leader = await startTestCluster({ authority: follower.authority });
    await using agent = await startTestAgent(follower);
    follower.onWrite = () => Promise.reject(new AtollError("NO_LEADER", "No cluster leader"));
    const servers = [follower.address, leader.address];
    const link = await connectServer({ servers, credentials: agent.enrolment, runtime: agent.runtime, signal: never });
    expect(await link.write(deregister, never)).toEqual({ index: 1 });
    expect(leader.writes).toHaveLength(1);
    await link.close();
  });
});

describe("subscriptions", () => {
  test("get the value that is there, each change in order, and nothing after close", async () => {
    await using cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    const topic = { kind: "service-config", service: "web" } as const;
    cluster.publish(topic, serviceConfig("web", "tcp"), 3);
    const a: number[] = [];
    const b: number[] = [];
    const first = agent.link.subscribe(topic, (_value, index) => a.push(index));
    await eventually("the value that is there", () => a.length === 1);
    agent.link.subscribe(topic, (_value, index) => b.push(index));
    await eventually("the late subscriber has it too", () => b.length === 1);
    expect(cluster.subscriberCount()).toBe(1);
    cluster.publish(topic, serviceConfig("web", "http"), 4);
    await eventually("the change", () => a.length === 2 && b.length === 2);
    first.close();
    cluster.publish(topic, serviceConfig("web", "tcp"), 5);
    await eventually("the second change", () => b.length === 3);
    expect(a).toEqual([3, 4]);
    expect(b).toEqual([3, 4, 5]);
  });

  test("that nobody listens to any more end on the server", async () => {
    await using cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    const subscription = agent.link.subscribe({ kind: "intentions", destination: "web" }, () => undefined);
    await eventually("it is known to the server", () => cluster.subscriberCount() === 1);
    subscription.close();
    await eventually("it is gone from the server", () => cluster.subscriberCount() === 0);
    agent.link.subscribe({ kind: "intentions", destination: "web" }, () => undefined);
    await eventually("it is back", () => cluster.subscriberCount() === 1);
    await agent.link.close();
    await eventually("the server forgets the streams of a closed link", () => cluster.subscriberCount() === 0);
  });

  test("of a slow agent skip to the newest value instead of piling up on the server", async () => {
    await using cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    const client = createGrpcClient(cluster.address, agent.enrolment.current());
    const stream = await openRawStream(client);
    stream.pause();
    stream.send({ add: { kind: "service-config", name: "web" } });
    await eventually("the subscription", () => cluster.subscriberCount() === 1);
    const value = { ...serviceConfig("web", "tcp"), padding: "x".repeat(256 * 1024) };
    for (let index = 1; index <= 400; index++) {
      cluster.publish({ kind: "service-config", service: "web" }, { ...value }, index);
      if (index % 20 === 0) await Bun.sleep(1);
    }
    stream.resume();
    await eventually("the newest value", () => stream.updates.at(-1)?.index === 400);
    expect(stream.updates.length).toBeLessThan(200);
    const indexes = stream.updates.map((update) => update.index);
    expect(indexes).toEqual(indexes.toSorted((a, b) => a - b));
    stream.cancel();
    client.close();
  });

  test("with a value of the wrong shape are logged and skipped", async () => {
    await using cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    const seen: number[] = [];
    const topic = { kind: "service-config", service: "web" } as const;
    agent.link.subscribe(topic, (_value, index) => seen.push(index));
    const broken = JSON.parse('{"service":"web","protocol":"smoke-signals"}');
    cluster.publish(topic, broken, 1);
    cluster.publish(topic, serviceConfig("web", "tcp"), 2);
    await eventually("the sound value", () => seen.includes(2));
    expect(seen).toEqual([2]);
  });
});

test("two servers cannot have one address, and the second says who has it", async () => {
  await using cluster = await startTestCluster();
  const failure = await failureOf(startTestCluster({ port: cluster.rpc.address.port, runtime: createTestRuntime() }));
  expect(failure.code).toBe("ADDRESS_IN_USE");
  expect(failure.message).toContain(`cannot listen for agents on ${cluster.address}: process ${process.pid}`);
});

test("a closed link refuses calls and holds nothing open", async () => {
  await using cluster = await startTestCluster();
  await using agent = await startTestAgent(cluster);
  await agent.link.close();
  expect((await failureOf(agent.link.write(deregister, never))).message).toBe("the link to the servers is closed");
});
