import { join } from "node:path";
import type { AgentWait } from "../../../agent/agent-api.ts";
import { type Enrolment, type EnrolmentOptions, openEnrolment } from "../../../agent/identity/enrolment.ts";
import type { Runtime } from "../../../lib/base/runtime.ts";
import { connectServer } from "../../../lib/client/grpc-link.ts";
import type { ServerLink } from "../../../lib/client/server-link.ts";
import { formatHostPort } from "../../../lib/contract/address.ts";
import type { DeregisterCommand, RegisterCommand } from "../../../lib/contract/commands.ts";
import type { Topic, TopicOf, TopicValues } from "../../../lib/contract/topics.ts";
import type { Authority } from "../../../server/ca/authority.ts";
import type { LeasePort } from "../../../server/leases/leases.ts";
import { type RpcServer, startRpcServer } from "../../../server/rpc/rpc-server.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime, type TestRuntime } from "../../fakes/test-runtime.ts";
import { createTestAuthority } from "../ca/test-authority.ts";
import { createFakeTopics } from "./fake-topics.ts";

export const never = new AbortController().signal;
export const atOnce: AgentWait = { minIndex: 0, waitMs: 0, signal: never };

/** A real RPC server with a real authority over a catalog that only remembers what was written. */
export interface TestCluster extends AsyncDisposable {
  readonly rpc: RpcServer;
  readonly address: string;
  readonly authority: Authority;
  readonly dataDir: string;
  readonly runtime: TestRuntime;
  readonly writes: (RegisterCommand | DeregisterCommand)[];
  /** Changes the value of a topic and tells whoever subscribed. */
  publish<K extends Topic["kind"]>(topic: TopicOf<K>, value: TopicValues[K], index: number): void;
  subscriberCount(): number;
  /** Replaces what the catalog does with a write. */
  onWrite: ServerLink["write"];
  onForward: ServerLink["forward"];
  metric(name: string, labels: Readonly<Record<string, string>>): Promise<number>;
}

export interface TestClusterOptions {
  readonly host?: string;
  readonly port?: number;
  readonly requireJoinToken?: boolean;
  readonly dataDir?: string;
  readonly authority?: Authority;
  readonly runtime?: TestRuntime;
  readonly seed?: number;
  /** Absent: as a server of an older release. */
  readonly leases?: LeasePort;
}

export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const runtime = options.runtime ?? createTestRuntime({ seed: options.seed ?? 1 });
  const authority = options.authority ?? createTestAuthority({ runtime });
  const directory = createTempDir();
  const dataDir = options.dataDir ?? join(directory.path, "server-data");
  const topics = createFakeTopics();
  const writes: (RegisterCommand | DeregisterCommand)[] = [];
  const rpc = await startRpcServer({
    listen: { host: options.host ?? "127.0.0.1", port: options.port ?? 0 },
    authority,
    dataDir,
    ...(options.requireJoinToken === undefined ? {} : { requireJoinToken: options.requireJoinToken }),
    runtime,
    ...(options.leases && { leases: options.leases }),
    link: {
      write: (...write) => cluster.onWrite(...write),
      nodeRegistrations: async () => ({ nodeIndex: writes.length, services: [], checks: [] }),
      forward: (request, signal) => cluster.onForward(request, signal),
      subscribe: (topic, onValue) => topics.subscribe(topic, onValue),
    },
  });
  const cluster: TestCluster = {
    rpc,
    address: formatHostPort({ ...rpc.address, host: rpc.address.host === "0.0.0.0" ? "127.0.0.1" : rpc.address.host }),
    authority,
    dataDir,
    runtime,
    writes,
    async onWrite(command) {
      writes.push(command);
      return { index: writes.length };
    },
    async onForward(request) {
      return { status: 200, headers: { "x-method": request.method, "x-url": request.url }, body: request.body };
    },
    publish: topics.publish,
    subscriberCount: topics.subscriberCount,
    async metric(name, labels) {
      const found = await runtime.metrics.getSingleMetric(name)?.get();
      const matches = found?.values.filter((value) => Object.entries(labels).every(([k, v]) => value.labels[k] === v));
      return matches?.reduce((sum, value) => sum + value.value, 0) ?? 0;
    },
    async [Symbol.asyncDispose]() {
      await rpc.stop(1_000);
      directory[Symbol.dispose]();
    },
  };
  return cluster;
}

/** An agent's side: enrolled and connected. */
export interface TestAgent extends AsyncDisposable {
  readonly enrolment: Enrolment;
  readonly link: ServerLink;
  readonly runtime: TestRuntime;
  readonly dataDir: string;
}

export async function startTestAgent(
  cluster: { readonly address: string },
  options: Partial<EnrolmentOptions> & { readonly runtime?: TestRuntime } = {},
): Promise<TestAgent> {
  const directory = createTempDir();
  const runtime = options.runtime ?? createTestRuntime({ seed: 9 });
  const dataDir = options.dataDir ?? directory.path;
  const enrolment = await enrollTestNode(cluster, { ...options, dataDir, runtime });
  const link = await openTestLink(cluster, { enrolment, runtime });
  return {
    enrolment,
    link,
    runtime,
    dataDir,
    async [Symbol.asyncDispose]() {
      await link.close();
      directory[Symbol.dispose]();
    },
  };
}

export function enrollTestNode(
  cluster: { readonly address: string },
  options: Partial<EnrolmentOptions> & Pick<EnrolmentOptions, "dataDir" | "runtime">,
): Promise<Enrolment> {
  return openEnrolment({
    servers: [cluster.address],
    node: "host-1",
    datacenter: "dc1",
    joinToken: "",
    timeoutMs: 0,
    signal: never,
    ...options,
  });
}

export function openTestLink(
  cluster: { readonly address: string },
  parts: { readonly enrolment: Enrolment; readonly runtime: Runtime },
): Promise<ServerLink> {
  const { enrolment, runtime } = parts;
  const { explainFailure } = enrolment;
  return connectServer({ servers: [cluster.address], credentials: enrolment, explainFailure, runtime, signal: never });
}
