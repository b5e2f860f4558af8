/** The link of an agent to several servers, over real sockets. */
import { expect, test } from "bun:test";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { connectServer } from "../../../lib/client/grpc-link.ts";
import type { ServerLink } from "../../../lib/client/server-link.ts";
import { readAddresses } from "../../../lib/client/server-watch.ts";
import type { Clock } from "../../../lib/base/clock.ts";
import { systemClock } from "../../../lib/base/clock.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { never, startTestAgent, startTestCluster, type TestCluster } from "../../server/rpc/test-cluster.ts";

const deregister = { type: "deregister", node: "host-1" } as const;

async function link(servers: readonly string[], of: TestCluster, clock: Clock = systemClock) {
  const agent = await startTestAgent(of);
  const runtime = createTestRuntime({ clock, seed: 5 });
  const opened = await connectServer({ servers, credentials: agent.enrolment, runtime, signal: never });
  return {
    link: opened,
    runtime,
    async [Symbol.asyncDispose]() {
      await opened.close();
      await agent[Symbol.asyncDispose]();
    },
  };
}

test("a refusal that names the leader is followed to a server that nobody had configured", async () => {
  await using follower = await startTestCluster();
  await using leader = await startTestCluster({ authority: follower.authority });
  follower.onWrite = () => Promise.reject(new AtollError("NO_LEADER", "not here", { leader: leader.address }));
  await using agent = await link([follower.address], follower);
  expect(await agent.link.write(deregister, never)).toEqual({ index: 1 });
  expect(leader.writes).toEqual([deregister]);
  expect(agent.link.status().address).toBe(leader.address);
});

test("a write whose outcome is unknown is asked for again under the same request id", async () => {
  await using cluster = await startTestCluster();
  await using other = await startTestCluster({ authority: cluster.authority });
  const ids: (string | undefined)[] = [];
  const note = (outcome: () => ReturnType<ServerLink["write"]>): ServerLink["write"] => {
    return (_command, _signal, options) => {
      ids.push(options?.requestId);
      return outcome();
    };
  };
  cluster.onWrite = note(() => Promise.reject(new AtollError("UNKNOWN_OUTCOME", "leadership was lost")));
  other.onWrite = note(async () => ({ index: 9 }));
  await using agent = await link([cluster.address, other.address], cluster);
  expect(await agent.link.write(deregister, never)).toEqual({ index: 9 });
  expect(ids).toHaveLength(2);
  expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(ids[1]).toBe(ids[0]);
  await agent.link.write(deregister, never);
  expect(ids[2]).not.toBe(ids[0]);
});

test("an unknown outcome stays one when the next attempt only says that it did nothing", async () => {
  await using cluster = await startTestCluster();
  let calls = 0;
  cluster.onWrite = () => {
    calls++;
    const code = calls === 1 ? "UNKNOWN_OUTCOME" : "NO_LEADER";
    return Promise.reject(new AtollError(code, `attempt ${calls}`));
  };
  await using agent = await link([cluster.address], cluster);
  const failure: unknown = await agent.link.write(deregister, never).catch((thrown: unknown) => thrown);
  expect(failure instanceof AtollError && failure.message).toBe("attempt 1");
  expect(calls).toBe(4);
});

test("an agent learns which servers there are, and outlives all that it was configured with", async () => {
  // The look at the members comes at once instead of after seconds.
  const hurried: Clock = { ...systemClock, after: (ms, call) => systemClock.after(ms === 5_000 ? 0 : ms, call) };
  const old = await startTestCluster();
  await using young = await startTestCluster({ authority: old.authority });
  old.onForward = async () => ({ status: 200, headers: {}, body: Buffer.from(JSON.stringify([young.address])) });
  await using agent = await link([old.address], old, hurried);
  await eventually("the agent to know the servers", () =>
    agent.runtime.lines.some((line) => line.includes("the servers are") && line.includes(young.address)),
  );
  await old[Symbol.asyncDispose]();
  await eventually("the write to reach the young server", async () => {
    await agent.link.write(deregister, never).catch(() => undefined);
    return young.writes.length > 0;
  });
  expect(agent.link.status().address).toBe(young.address);
});

test.each([
  ["[", []],
  ["{}", []],
  ['["10.0.0.1:8300", 7, "nonsense", "server.example:8300", "x:0"]', ["10.0.0.1:8300", "server.example:8300"]],
])("of %s an agent takes %p as servers", (json, addresses) => {
  expect(readAddresses(json)).toEqual(addresses);
});

// `.rejects` would hold the event loop in which the answer has to arrive.
async function codeOf(call: Promise<unknown>): Promise<unknown> {
  const thrown: unknown = await call.catch((error: unknown) => error);
  return thrown instanceof AtollError ? thrown.code : thrown;
}

test("what a server refuses for good is not asked of another", async () => {
  await using cluster = await startTestCluster();
  await using other = await startTestCluster({ authority: cluster.authority });
  cluster.onWrite = () => Promise.reject(new AtollError("CONFLICT", "no"));
  await using agent = await link([cluster.address, other.address], cluster);
  expect(await codeOf(agent.link.write(deregister, never))).toBe("CONFLICT");
  expect(other.writes).toEqual([]);
});

test("a forwarded write is not repeated when nobody knows what became of it", async () => {
  await using cluster = await startTestCluster();
  let calls = 0;
  cluster.onForward = () => {
    calls++;
    return Promise.reject(new AtollError("UNKNOWN_OUTCOME", "leadership was lost"));
  };
  await using agent = await link([cluster.address], cluster);
  const request = { method: "PUT", url: "/v1/catalog/register", headers: {}, body: new Uint8Array() };
  expect(await codeOf(agent.link.forward(request, never))).toBe("UNKNOWN_OUTCOME");
  expect(calls).toBe(1);
});
