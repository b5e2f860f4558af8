import type {
  ForwardRequest,
  ForwardResponse,
  ServerLink,
  SignedLeaf,
  Subscription,
} from "../lib/client/server-link.ts";
import type { DeregisterCommand, RegisterCommand } from "../lib/contract/commands.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import type { NodeRegistrations } from "../lib/contract/topics.ts";
import type { ReplicatedLog } from "./log/replicated-log.ts";
import type { StateReader } from "./state/reader.ts";
import type { TopicSource } from "./topics.ts";

/** Runs one `/v1` request on this server's own HTTP app. */
export type ForwardHandler = (request: ForwardRequest, signal: AbortSignal) => Promise<ForwardResponse>;

export interface LocalLinkOptions {
  readonly log: ReplicatedLog;
  readonly reader: StateReader;
  readonly topics: TopicSource;
  readonly sign: (csrPem: string) => SignedLeaf;
  readonly forward: ForwardHandler;
  /** Holds the lease of the agent in this process. */
  readonly holdLease: ServerLink["holdLease"];
  readonly addServer: ServerLink["addServer"];
  /** Tells somebody of the writes; absent: nobody is told. */
  readonly audit?: (write: ServerLink["write"]) => ServerLink["write"];
}

/** The link of an agent to the server in its own process; the RPC service answers remote agents through one as well. */
export function createLocalLink(options: LocalLinkOptions): ServerLink {
  const { log, reader, topics } = options;
  const write: ServerLink["write"] = (command, signal, writeOptions) =>
    writeCatalog({ log, command, signal, ...writeOptions });
  const subscriptions = new Set<Subscription>();
  return {
    write: options.audit?.(write) ?? write,
    async nodeRegistrations(node, signal) {
      await log.readIndex(signal);
      return readNodeRegistrations(reader, node);
    },
    async sign(csrPem) {
      return options.sign(csrPem);
    },
    forward: options.forward,
    holdLease: options.holdLease,
    addServer: options.addServer,
    subscribe(topic, onValue) {
      const inner = topics.subscribe(topic, onValue);
      const subscription: Subscription = {
        close() {
          subscriptions.delete(subscription);
          inner.close();
        },
      };
      subscriptions.add(subscription);
      return subscription;
    },
    status: () => ({ address: log.leadership().leaderAddress, isConnected: log.leadership().isLeader }),
    async close() {
      for (const subscription of [...subscriptions]) subscription.close();
    },
  };
}

/** Proposes a catalog write; a command that the state refused becomes the error that it named. */
async function writeCatalog(write: {
  readonly log: ReplicatedLog;
  readonly command: RegisterCommand | DeregisterCommand;
  readonly signal: AbortSignal;
  readonly requestId?: string;
}): Promise<{ readonly index: number }> {
  const { log, command, signal, requestId } = write;
  const { index, result } = await log.propose(command, signal, requestId === undefined ? {} : { requestId });
  if (!result.ok) throw new AtollError(result.code, result.message);
  return { index };
}

function readNodeRegistrations(reader: StateReader, name: string): NodeRegistrations {
  const withdrawn = reader.withdrawals(name);
  const idsOf = (kind: "service" | "check") => withdrawn.filter(({ Kind }) => Kind === kind).map(({ ID }) => ID);
  const node = reader.node(name);
  const services = reader.nodeServices(name);
  const checks = reader.nodeChecks(name);
  return {
    nodeIndex: Math.max(node.index, services.index, checks.index),
    services: services.value,
    checks: checks.value,
    ...(node.value === undefined ? {} : { node: node.value }),
    ...(withdrawn.length === 0 ? {} : { withdrawn: { services: idsOf("service"), checks: idsOf("check") } }),
  };
}
