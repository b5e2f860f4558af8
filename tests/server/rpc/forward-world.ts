/** A leader with a real RPC listener that only keeps what is forwarded to it, and the leader client of a follower. */
import { systemClock, type Clock } from "../../../lib/base/clock.ts";
import type { ForwardRequest, ForwardResponse } from "../../../lib/client/server-link.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { Authority } from "../../../server/ca/authority.ts";
import { createLeaderClient, type LeaderClient } from "../../../server/rpc/leader-client.ts";
import { type RpcServer, startRpcServer } from "../../../server/rpc/rpc-server.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTestRuntime, type TestRuntime } from "../../fakes/test-runtime.ts";
import { createTestAuthority } from "../ca/test-authority.ts";
import { never } from "./test-cluster.ts";

export interface Arrived {
  readonly request: ForwardRequest;
  readonly signal: AbortSignal;
  answer(answer?: Partial<ForwardResponse>): void;
  fail(thrown: unknown): void;
}

export interface ForwardLeader extends AsyncDisposable {
  readonly rpc: RpcServer;
  readonly address: string;
  readonly authority: Authority;
  readonly runtime: TestRuntime;
  /** Everything that came, in order. */
  readonly arrived: readonly Arrived[];
  /** Waits until `url` has come. */
  arrival(url: string): Promise<Arrived>;
  metric(labels: Readonly<Record<string, string>>): Promise<number>;
}

export async function startForwardLeader(
  options: {
    readonly authority?: Authority;
    readonly clock?: Clock;
    readonly port?: number;
    /** Of the release before the stream. */
    readonly isOlder?: boolean;
    /** Answers at once; absent: the test does it. */
    readonly onArrival?: (arrived: Arrived) => void;
  } = {},
): Promise<ForwardLeader> {
  const runtime = createTestRuntime({ clock: options.clock ?? systemClock });
  const authority = options.authority ?? createTestAuthority({ runtime });
  const arrived: Arrived[] = [];
  const forward = (request: ForwardRequest, signal: AbortSignal): Promise<ForwardResponse> =>
    new Promise((resolve, reject) => {
      const one: Arrived = {
        request,
        signal,
        answer: (answer = {}) =>
          resolve({ status: 200, headers: { "x-url": request.url }, body: request.body, ...answer }),
        fail: reject,
      };
      arrived.push(one);
      options.onArrival?.(one);
    });
  const raft = {
    inbox: { clusterId: "the-cluster", nodeId: "n1", onMessages: () => undefined, onSnapshot: unused },
    greet: () => ({ clusterId: "the-cluster", nodeId: "n1", datacenter: "dc1", leaderAddress: "" }),
    readIndex: unused,
    join: unused,
  };
  const rpc = await startRpcServer({
    listen: { host: "127.0.0.1", port: options.port ?? 0 },
    authority,
    link: { write: unused, nodeRegistrations: unused, forward, subscribe: () => ({ close: () => undefined }) },
    ...(options.isOlder === true ? {} : { raft }),
    runtime,
  });
  return {
    rpc,
    address: `127.0.0.1:${rpc.address.port}`,
    authority,
    runtime,
    arrived,
    arrival: (url) => eventually(`${url} at the leader`, () => arrived.find(({ request }) => request.url === url)),
    async metric(labels) {
      const found = await runtime.metrics.getSingleMetric("atoll_server_rpc_calls_total")?.get();
      const matches = found?.values.filter((value) => Object.entries(labels).every(([k, v]) => value.labels[k] === v));
      return matches?.reduce((sum, value) => sum + value.value, 0) ?? 0;
    },
    [Symbol.asyncDispose]: () => rpc.stop(0),
  };
}

export interface Follower extends Disposable {
  readonly client: LeaderClient;
  get(url: string, options?: { readonly signal?: AbortSignal; readonly at?: string }): Promise<ForwardResponse>;
  put(url: string, options?: { readonly signal?: AbortSignal; readonly body?: Uint8Array }): Promise<ForwardResponse>;
}

export function createFollower(leader: ForwardLeader, clock: Clock = systemClock): Follower {
  const client = createLeaderClient({ authority: leader.authority, clock });
  const headers = { "x-a": "b", "x-ü": "€" };
  return {
    client,
    get: (url, { signal = never, at = leader.address } = {}) =>
      client.forward(at, { method: "GET", url, headers, body: new Uint8Array() }, signal),
    put: (url, { signal = never, body = new Uint8Array() } = {}) =>
      client.forward(leader.address, { method: "PUT", url, headers, body }, signal),
    [Symbol.dispose]: () => client.close(),
  };
}

/** How a call fails; `answered` when it does not. */
export async function failureOf(call: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await call;
    return { code: "answered", message: "" };
  } catch (thrown) {
    if (thrown instanceof AtollError) return thrown;
    throw thrown;
  }
}

async function unused(): Promise<never> {
  throw new Error("not a part of this test");
}
