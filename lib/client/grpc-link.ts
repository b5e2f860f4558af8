/** The {@link ServerLink} of an agent on another machine, or in another process, than its servers: gRPC over mTLS. */
import type { Runtime } from "../base/runtime.ts";
import { AtollError } from "../contract/error-codes.ts";
import { defaultRequestLimits, longestForwardMs } from "../contract/request-limits.ts";
import type { ChannelCredentials } from "./grpc-client.ts";
import { rpcMethods } from "./rpc-methods.ts";
import { type Caller, createCaller } from "./leader-calls.ts";
import { createServerConnections, type ServerConnections } from "./server-connections.ts";
import type { ServerLink, Subscription } from "./server-link.ts";
import { createLeaseStream, type LeaseStream } from "./lease-stream.ts";
import { watchServers } from "./server-watch.ts";
import { createTopicStream, type TopicStream } from "./topic-stream.ts";
import { decodeNodeRegistrations, decodeTopicValue, encodeJson } from "./wire-schemas.ts";

const callTimeoutMs = 15_000;

/** Where the certificate comes from that this agent shows; it changes while the agent runs. */
export interface CredentialSource {
  current(): ChannelCredentials;
  onChange(listener: () => void): Subscription;
}

export interface GrpcLinkOptions {
  /** At least one `host:port`. */
  readonly servers: readonly string[];
  readonly credentials: CredentialSource;
  /** Says why no connection to `address` came about: its own words end up in the error. */
  readonly explainFailure?: (address: string, signal: AbortSignal) => Promise<AtollError | undefined>;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** How long a forwarded request may take, which may be a blocking query. */
  readonly forwardTimeoutMs?: number;
}

/**
 * Opens the link. A server that cannot be reached now is no error, the link goes on trying; one of another cluster is:
 * rejects with `WRONG_CLUSTER`. Which of its servers an agent talks to is decided anew whenever one fails.
 */
export async function connectServer(options: GrpcLinkOptions): Promise<ServerLink> {
  if (options.servers.length === 0) throw new AtollError("CONFIG_INVALID", "no server address is configured to join");
  const { clock } = options.runtime;
  const logger = options.runtime.logger.child("link");
  const connections = createServerConnections({
    servers: options.servers,
    credentials: options.credentials.current,
    ...(options.explainFailure === undefined ? {} : { explainFailure: options.explainFailure }),
    clock,
    logger,
  });
  const stream = createTopicStream({ connections, runtime: { ...options.runtime, logger } });
  const credentialChanges = options.credentials.onChange(() => {
    connections.renew();
    stream.restart();
    link.restartLeases();
  });
  const calls = createCaller(connections, options.runtime);
  const membership = watchServers({ connections, calls, runtime: options.runtime });
  const onClose = (): void => {
    credentialChanges.close();
    membership.close();
  };
  const link = createLink({
    connections,
    stream,
    calls,
    runtime: options.runtime,
    forwardTimeoutMs: options.forwardTimeoutMs ?? longestForwardMs(defaultRequestLimits),
    onClose,
  });
  try {
    await connections.connect(options.signal);
  } catch (thrown) {
    if (thrown instanceof AtollError && thrown.code !== "WRONG_CLUSTER") {
      logger.warn("no server can be reached yet", { error: thrown.message });
    } else {
      await link.close();
      throw thrown;
    }
  }
  return link;
}

function createLink(parts: {
  readonly connections: ServerConnections;
  readonly stream: TopicStream;
  readonly calls: Caller;
  readonly runtime: Runtime;
  readonly forwardTimeoutMs: number;
  readonly onClose: () => void;
}): ServerLink & { restartLeases(): void } {
  const { connections, stream, calls: call, forwardTimeoutMs } = parts;
  const leases = new Set<LeaseStream>();
  const { logger, random } = parts.runtime;
  const read = { isWrite: false, isRepeatable: true, timeoutMs: callTimeoutMs };
  return {
    async write(command, signal, { requestId = random.uuid(), token = "" } = {}) {
      const request = { json: encodeJson(command), requestId, token };
      // Under its name it has one effect, however often it is sent.
      return call(rpcMethods.Write, request, { isWrite: true, isRepeatable: true, timeoutMs: callTimeoutMs, signal });
    },
    async nodeRegistrations(node, signal) {
      const answer = await call(rpcMethods.NodeRegistrations, { node }, { ...read, signal });
      return decodeNodeRegistrations(answer.json);
    },
    sign: (csrPem, signal, { token = "" } = {}) => call(rpcMethods.Sign, { csrPem, token }, { ...read, signal }),
    async forward(request, signal) {
      const isWrite = request.method !== "GET" && request.method !== "HEAD" && request.method !== "OPTIONS";
      return call(rpcMethods.Forward, request, {
        isWrite,
        isRepeatable: !isWrite,
        timeoutMs: forwardTimeoutMs,
        signal,
      });
    },
    subscribe(topic, onValue) {
      return stream.subscribe(topic, (json, index) => {
        try {
          onValue(decodeTopicValue<typeof topic.kind>(topic.kind, json), index);
        } catch (thrown) {
          if (!(thrown instanceof AtollError)) throw thrown;
          logger.error("a server sent a topic that cannot be used", { topic: topic.kind, error: thrown.message });
        }
      });
    },
    holdLease(request, listener) {
      const lease = createLeaseStream({ connections, runtime: parts.runtime, request, listener });
      leases.add(lease);
      return {
        close() {
          leases.delete(lease);
          lease.close();
        },
      };
    },
    addServer: connections.add,
    status: connections.status,
    restartLeases() {
      for (const lease of leases) lease.restart();
    },
    async close() {
      parts.onClose();
      for (const lease of leases) lease.close();
      stream.close();
      connections.close();
    },
  };
}
