import type { Command } from "../../../lib/contract/commands.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { logIndex } from "../../../lib/contract/ids.ts";
import type { HttpApp } from "../../../lib/http/http-app.ts";
import { createHttpApp } from "../../../lib/http/http-app.ts";
import type { Freshness } from "../../../server/follower-reads.ts";
import { createForwardHandler } from "../../../server/http/forward-handler.ts";
import { registerServerRoutes } from "../../../server/http/server-routes.ts";
import type { Leadership, ProposeOptions } from "../../../server/log/replicated-log.ts";
import { createBlockingReader } from "../../../server/state/blocking.ts";
import { createState, type State } from "../../../server/state/state.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createFakeOperator } from "../operator/fake-operator.ts";

/**
 * Servers whose routes are real and whose log is a list in this process: what one of them proposes as the leader is
 * applied on all of them at once. Who leads, and who believes what about it, is up to the test.
 */
export interface RouteCluster {
  readonly servers: ReadonlyMap<string, RouteServer>;
  server(name: string): RouteServer;
  /** Everybody learns it. */
  setLeader(name: string | undefined): void;
  readonly proposed: { readonly by: string; readonly command: Command; readonly requestId: string }[];
  readonly forwards: { readonly from: string; readonly to: string; readonly url: string }[];
}

export interface RouteServer {
  readonly app: HttpApp;
  readonly state: State;
  readonly readIndexCalls: () => number;
  /** Only this server believes it. */
  believe(leadership: Partial<Leadership>): void;
  /** The next proposal here rejects with it, and has no effect unless the code says that it may have. */
  failNextProposal(error: AtollError): void;
  /** What a read index will be; by default the applied one. */
  setReadIndex(index: number): void;
  request(method: "GET" | "PUT", url: string, options?: RequestOptions): Promise<RouteAnswer>;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RouteAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

export function createRouteCluster(
  names: readonly string[],
  options: {
    readonly leaderWaitMs?: number;
    /** Whether a follower gets to where its leader is; absent: it does not even ask. */
    readonly catchUp?: (freshness: Freshness) => Promise<boolean>;
  } = {},
): RouteCluster {
  const proposed: RouteCluster["proposed"][number][] = [];
  const forwards: RouteCluster["forwards"][number][] = [];
  const servers = new Map<string, RouteServer>();
  const handlers = new Map<string, ReturnType<typeof createForwardHandler>>();
  const logs = new Map<string, { set(leadership: Leadership): void }>();
  const states = new Map(names.map((name) => [name, createState()]));
  let lastIndex = 10;

  for (const name of names) {
    const runtime = createTestRuntime();
    const state = states.get(name) ?? createState();
    const listeners = new Set<(leadership: Leadership) => void>();
    let leadership: Leadership = { isLeader: false, leaderAddress: "", peers: [], lastContactMs: 0 };
    let failure: AtollError | undefined;
    let readIndex: number | undefined;
    let readIndexCalls = 0;
    const set = (next: Leadership): void => {
      leadership = next;
      for (const listener of [...listeners]) listener(next);
    };
    logs.set(name, { set });
    const mustLead = (): void => {
      if (!leadership.isLeader) throw new AtollError("NO_LEADER", "No cluster leader");
    };
    const app = createHttpApp({ runtime });
    registerServerRoutes(app, {
      runtime,
      leaderWaitMs: options.leaderWaitMs ?? 2_000,
      server: {
        datacenter: "dc1",
        reader: state.reader,
        blocking: createBlockingReader({ reader: state.reader, watches: state.watches, clock: runtime.clock }),
        log: {
          async propose(command: Command, _signal?: AbortSignal, { requestId = "" }: ProposeOptions = {}) {
            await new Promise((resolve) => setImmediate(resolve));
            const failed = failure;
            failure = undefined;
            if (failed !== undefined) throw failed;
            mustLead();
            proposed.push({ by: name, command, requestId });
            const index = ++lastIndex;
            const results = [...states.values()].map((one) => one.apply(index, command).result);
            for (const one of states.values()) one.notify();
            const [result] = results;
            if (result === undefined) throw new Error("there is no server");
            return { index: logIndex(index), result };
          },
          async readIndex() {
            readIndexCalls++;
            mustLead();
            return logIndex(readIndex ?? state.reader.appliedIndex());
          },
          leadership: () => leadership,
          onLeadershipChange(listener) {
            listeners.add(listener);
            return { close: () => listeners.delete(listener) };
          },
          stop: async () => undefined,
        },
        operator: createFakeOperator(state),
        locks: {
          ready: async () => undefined,
          renewSession: async (id) => state.reader.session(id).value,
          isDelayed: async (key) => state.reader.lockDelay(key) !== undefined,
        },
        autopilot: { health: () => ({ isHealthy: true, failureTolerance: 0, servers: [] }) },
        leaderLink: {
          async forward(address, request, signal) {
            forwards.push({ from: name, to: address, url: request.url });
            const handler = handlers.get(address);
            if (handler === undefined) throw new AtollError("NO_LEADER", `${address} cannot be reached`);
            return handler(request, signal);
          },
        },
        ...(options.catchUp === undefined ? {} : { followerReads: { catchUp: options.catchUp } }),
        get link(): never {
          throw new Error("the routes do not use the link");
        },
      },
    });
    handlers.set(name, createForwardHandler(app));
    servers.set(name, {
      app,
      state,
      readIndexCalls: () => readIndexCalls,
      believe: (part) => set({ ...leadership, ...part }),
      failNextProposal: (error) => {
        failure = error;
      },
      setReadIndex: (index) => {
        readIndex = index;
      },
      async request(method, url, { body, headers = {} } = {}) {
        const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
        const answer = await app.inject({ method, url, headers: { ...headers }, ...payload });
        return { status: answer.statusCode, body: answer.body, headers: answer.headers };
      },
    });
  }

  return {
    servers,
    proposed,
    forwards,
    server(name) {
      const found = servers.get(name);
      if (found === undefined) throw new Error(`there is no server ${name}`);
      return found;
    },
    setLeader(leader) {
      for (const [name, log] of logs) {
        const isLeader = name === leader;
        log.set({ isLeader, leaderAddress: leader ?? "", peers: names, lastContactMs: isLeader ? 0 : 40 });
      }
    },
  };
}
