import type { Clock } from "../../../lib/base/clock.ts";
import { defaultAutopilotConfig } from "../../../lib/contract/autopilot.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { Command } from "../../../lib/contract/commands.ts";
import type { RequestLimits } from "../../../lib/contract/request-limits.ts";
import { logIndex } from "../../../lib/contract/ids.ts";
import type { HttpApp } from "../../../lib/http/http-app.ts";
import { createHttpApp } from "../../../lib/http/http-app.ts";
import { registerServerRoutes } from "../../../server/http/server-routes.ts";
import type { Leadership } from "../../../server/log/replicated-log.ts";
import { createAclResolver } from "../../../server/acl/resolver.ts";
import { createAuthority } from "../../../server/ca/authority.ts";
import type { CatalogServer } from "../../../server/server-api.ts";
import { createHealthTracker } from "../../../server/autopilot/health.ts";
import { createBlockingReader } from "../../../server/state/blocking.ts";
import { createState } from "../../../server/state/state.ts";
import type { State } from "../../../server/state/state.ts";
import { createFakeOperator, type FakeOperator } from "../operator/fake-operator.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import type { TestRuntime } from "../../fakes/test-runtime.ts";

/**
 * The real state and the real routes over a log that keeps nothing: a command is applied as soon as it is proposed. The
 * durable log has tests of its own; real-server.test.ts runs the routes over it.
 */
export interface TestCatalog {
  readonly app: HttpApp;
  readonly server: CatalogServer;
  readonly state: State;
  readonly operator: FakeOperator;
  readonly runtime: TestRuntime;
  /** Applies a command and wakes its watchers; returns its index. */
  apply(command: Command): number;
  get(url: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  send(
    method: "PUT" | "DELETE" | "POST",
    url: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>;
  /** As a person does who writes the file on the leader's disk. */
  putBootstrapReset(index: number): void;
  /** What operators said of nodes that are gone. */
  readonly forcedOut: { readonly node: string; readonly isForgotten: boolean }[];
  /** From now on there is no leader. */
  loseLeader(): void;
  readonly readIndexCalls: () => number;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly json: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly index: number;
}

export const leaderAddress = "127.0.0.1:8300";

export interface TestCatalogOptions {
  /** Access control is on, by default it is off. */
  readonly acl?: { readonly defaultPolicy: "allow" | "deny"; readonly demandsKeyList?: boolean };
  readonly clock?: Clock;
  readonly limits?: Partial<RequestLimits>;
}

export function createTestCatalog(options: TestCatalogOptions = {}): TestCatalog {
  const runtime = createTestRuntime(options.clock === undefined ? {} : { clock: options.clock });
  const state = createState({ defaultIntention: { defaultAction: options.acl?.defaultPolicy ?? "allow" } });
  let resetIndex = 0;
  const resolver =
    options.acl === undefined
      ? undefined
      : createAclResolver({
          reader: state.reader,
          settings: { isEnabled: true, ...options.acl, datacenter: "dc1" },
          clock: runtime.clock,
        });
  let lastIndex = 10;
  let readIndexCalls = 0;
  let leadership: Leadership = { isLeader: true, leaderAddress, peers: [leaderAddress], lastContactMs: 0 };

  const apply = (command: Command): ReturnType<State["apply"]>["result"] => {
    const { result } = state.apply(++lastIndex, command);
    state.notify();
    return result;
  };
  const mustLead = (): void => {
    if (!leadership.isLeader) throw new AtollError("NO_LEADER", "No cluster leader");
  };
  const operator = createFakeOperator(state);
  const forcedOut: { readonly node: string; readonly isForgotten: boolean }[] = [];
  const tracker = createHealthTracker();
  const server: CatalogServer = {
    datacenter: "dc1",
    reader: state.reader,
    blocking: createBlockingReader({ reader: state.reader, watches: state.watches, clock: runtime.clock }),
    log: {
      async propose(command) {
        mustLead();
        // A durable log answers in a later turn of the loop: other requests come between.
        await new Promise((resolve) => setImmediate(resolve));
        const result = apply(command);
        return { index: logIndex(lastIndex), result };
      },
      async readIndex() {
        readIndexCalls++;
        mustLead();
        return logIndex(state.reader.appliedIndex());
      },
      leadership: () => leadership,
      onLeadershipChange: () => ({ close: () => undefined }),
      stop: async () => undefined,
    },
    operator,
    authority: {
      planRotation: (wish) =>
        createAuthority({
          roots: state.caRoots,
          datacenter: "dc1",
          currentIndex: () => lastIndex,
          runtime,
        }).planRotation(wish),
    },
    locks: {
      ready: async () => undefined,
      renewSession: async (id) => state.reader.session(id).value,
      isDelayed: async (key) => state.reader.lockDelay(key) !== undefined,
    },
    autopilot: {
      health: () =>
        tracker.observe({
          status: operator.status(),
          members: operator.members(),
          config: state.reader.autopilot().value ?? defaultAutopilotConfig,
          nowMs: runtime.clock.nowMs(),
        }),
    },
    leases: {
      async forceLeave(node, { isForgotten }) {
        forcedOut.push({ node, isForgotten });
      },
    },
    leaderLink: {
      forward: async () => {
        throw new AtollError("NO_LEADER", "there is only one server");
      },
    },
    ...(resolver !== undefined && {
      acl: {
        ...resolver,
        async takeBootstrapReset() {
          const taken = resetIndex;
          resetIndex = 0;
          return taken;
        },
      },
    }),
    get link(): never {
      throw new Error("the routes do not use the link");
    },
  };
  const app = createHttpApp({ runtime, discoveryMaxStaleMs: options.limits?.discoveryMaxStaleMs ?? 0 });
  registerServerRoutes(app, { server, runtime, leaderWaitMs: 20, limits: options.limits ?? {} });

  const inject = async (
    method: "GET" | "PUT" | "DELETE" | "POST",
    url: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> => {
    const payload = typeof body === "string" ? body : JSON.stringify(body);
    const answer = await app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });
    const isJson = answer.headers["content-type"] === "application/json";
    return {
      status: answer.statusCode,
      body: answer.body,
      json: isJson ? JSON.parse(answer.body) : undefined,
      headers: answer.headers,
      index: Number(answer.headers["x-consul-index"]),
    };
  };
  return {
    app,
    server,
    state,
    operator,
    forcedOut,
    runtime,
    apply(command) {
      const result = apply(command);
      if (!result.ok) throw new Error(result.message);
      return lastIndex;
    },
    get: (url, headers) => inject("GET", url, undefined, headers),
    send: inject,
    putBootstrapReset(index) {
      resetIndex = index;
    },
    loseLeader() {
      leadership = { isLeader: false, leaderAddress: "", peers: [leaderAddress], lastContactMs: 1234 };
    },
    readIndexCalls: () => readIndexCalls,
  };
}

/** A body of `/v1/catalog/register` for one instance, as a client would write it. */
export function instanceBody(options: {
  readonly node: string;
  readonly service: string;
  readonly id?: string;
  readonly tags?: readonly string[];
  readonly nodeMeta?: Readonly<Record<string, string>>;
  readonly status?: string;
}): object {
  const id = options.id ?? options.service;
  return {
    Node: options.node,
    Address: "10.0.0.1",
    NodeMeta: options.nodeMeta ?? {},
    Service: { ID: id, Service: options.service, Port: 8080, Tags: options.tags ?? [] },
    Check: { CheckID: `service:${id}`, Name: `${id} alive`, ServiceID: id, Status: options.status ?? "passing" },
  };
}
