/**
 * The door of a server for agents: gRPC on port 8300 over TLS 1.3. Every method but `Enroll` is answered only to a caller
 * with a certificate that this cluster's authority issued to an agent and that has not expired, checked on every call.
 */
import { Server } from "@grpc/grpc-js";
import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { MeteredRuntime } from "../../lib/base/runtime.ts";
import { maxMessageBytes } from "../../lib/client/grpc-client.ts";
import { toRpcStatus } from "../../lib/client/rpc-errors.ts";
import {
  type EnrollRequest,
  type EnrollResponse,
  type ForwardAnswer,
  type ForwardMessage,
  rpcMethods,
  type JsonMessage,
} from "../../lib/client/rpc-methods.ts";
import type { ServerLink } from "../../lib/client/server-link.ts";
import { formatHostPort, type HostPort, isLoopbackHost } from "../../lib/contract/address.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { bind, shutDown } from "../../lib/grpc/serve.ts";
import type { AgentJudge } from "../acl/agent-judge.ts";
import type { Authority } from "../ca/authority.ts";
import type { LeasePort } from "../leases/leases.ts";
import { createAgentCalls } from "./agent-calls.ts";
import { createAnswerer, createAuthentication } from "./answer.ts";
import type { AgentIdentity } from "./caller.ts";
import { renewAtHalfLife } from "./certificate-renewal.ts";
import { createJsonEncoder } from "./encode-once.ts";
import { enroll } from "./enroll.ts";
import { loadJoinToken } from "./join-token.ts";
import { type AgentLeaseStream, serveLease } from "./lease-stream.ts";
import { addRaftService, type RaftPort } from "./raft-server.ts";
import { createRpcMetrics } from "./rpc-metrics.ts";
import { OptionalClientCertificates } from "./server-credentials.ts";
import { type AgentStream, serveSubscriptions } from "./subscription-stream.ts";

export interface RpcServerOptions {
  readonly listen: HostPort;
  readonly authority: Authority;
  /** Answers what enrolled agents ask: the link of this process to its own catalog. */
  readonly link: Pick<ServerLink, "write" | "nodeRegistrations" | "forward" | "subscribe">;
  /** Answers what other servers send on for their agents, without sending it on once more; absent: as `link`. */
  readonly ownLink?: Pick<ServerLink, "write" | "nodeRegistrations">;
  /** What agents may do where ACLs are on; absent: anything on their own node. */
  readonly judge?: AgentJudge;
  /** Where the join token is kept; absent: nowhere. */
  readonly dataDir?: string;
  /** Whether `Enroll` asks for the join token; by default unless only processes of this machine can reach it. */
  readonly requireJoinToken?: boolean;
  /** Absent: agents get no leases here. */
  readonly leases?: LeasePort;
  /** For a server with peers: what they say to it comes in on the same listener. */
  readonly raft?: RaftPort;
  readonly runtime: MeteredRuntime;
}

export interface RpcServer {
  /** As bound: the port is the real one. */
  readonly address: HostPort;
  readonly joinToken: string;
  /** To be called when the roots have changed: shows a certificate of the new one, trusts all that are trusted now. */
  readonly followRoots: () => void;
  /** Ends the streams at once and the calls under way within `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

interface EndableStream {
  end(error: AtollError): void;
}

/** Starts to listen. Rejects with `ADDRESS_IN_USE` that names the address and who may hold it. */
export async function startRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  const { authority, runtime } = options;
  const logger = runtime.logger.child("rpc");
  const metrics = createRpcMetrics(runtime.metrics);
  const loadToken = (): Promise<string> =>
    loadJoinToken({
      ...(options.dataDir === undefined ? {} : { dataDir: options.dataDir }),
      rootPem: authority.rootPem,
      random: runtime.random,
    });
  const joinToken = await loadToken();
  const isOpen = !(options.requireJoinToken ?? !isLoopbackHost(options.listen.host));
  const certificate = authority.issueServerCertificate();
  const credentials = new OptionalClientCertificates(certificate, authority.rootsPem);
  const server = new Server({
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
  });
  const streams = new Set<EndableStream>();
  const authentication = createAuthentication({ authority, metrics, clock: runtime.clock });
  const answer = createAnswerer({ metrics, logger });
  const calls = createAgentCalls(options);
  const encode = createJsonEncoder();
  const asAgent = <Request, Response>(
    method: string,
    handle: (request: Request, caller: AgentIdentity, signal: AbortSignal) => Promise<Response>,
  ) =>
    answer<Request, Response>(method, async (call, signal) =>
      handle(call.request, authentication.agent(call).identity, signal),
    );

  server.addService(rpcMethods, {
    Enroll: answer<EnrollRequest, EnrollResponse>("Enroll", async ({ request }) => {
      const response = enroll(request, { authority, joinToken, isOpen, countRefusal: metrics.countRefusal });
      logger.info("enrolled a node", { node: request.node });
      return response;
    }),
    Write: answer<JsonMessage, { readonly index: number }>("Write", async (call, signal) =>
      calls.write(call.request, authentication.agentOrServer(call).identity, signal),
    ),
    NodeRegistrations: answer<{ readonly node: string }, JsonMessage>("NodeRegistrations", async (call, signal) =>
      calls.nodeRegistrations(call.request, authentication.agentOrServer(call).identity, signal),
    ),
    Sign: asAgent("Sign", calls.sign),
    // A following server has its leader run what its own clients asked of it.
    Forward: answer<ForwardMessage, ForwardAnswer>("Forward", async (call, signal) => {
      return calls.forward(call.request, authentication.agentOrServer(call).identity, signal);
    }),
    Subscribe: (stream: AgentStream) => openOrRefuse("Subscribe", stream, openStream),
    Lease: (stream: AgentLeaseStream) => openOrRefuse("Lease", stream, openLease),
  });

  const { countRefusal, countCall } = metrics;
  const raft =
    options.raft === undefined
      ? undefined
      : addRaftService(server, {
          port: options.raft,
          authority,
          joinToken,
          isOpen,
          answer,
          forward: (request, signal) => calls.forward(request, { kind: "server" }, signal),
          countRefusal,
          countCall,
          runtime,
        });

  function openOrRefuse<Stream extends AgentStream | AgentLeaseStream>(
    method: string,
    stream: Stream,
    open: (stream: Stream) => EndableStream,
  ): void {
    try {
      streams.add(open(stream));
    } catch (thrown) {
      metrics.countCall(method, thrown instanceof AtollError ? thrown.code : "INTERNAL");
      stream.emit("error", toRpcStatus(thrown));
    }
  }
  /** The identity was proven for as long as its certificate lasts; the agent comes back with the renewed one. */
  const endAtExpiry = (notAfterMs: number, served: () => EndableStream): Timer =>
    runtime.clock.after(Math.min(notAfterMs - runtime.clock.nowMs(), 2_000_000_000), () =>
      served().end(new AtollError("PERMISSION_DENIED", "the client certificate of this stream has expired")),
    );
  const openLease = (stream: AgentLeaseStream): EndableStream => {
    const caller = authentication.agent(stream);
    const { leases } = options;
    if (leases === undefined) throw new AtollError("METHOD_NOT_ALLOWED", "this server gives no leases");
    const expiry = endAtExpiry(caller.notAfterMs, () => served);
    const served = serveLease({
      stream,
      leases,
      node: caller.identity.node,
      clock: runtime.clock,
      onClose() {
        expiry.cancel();
        streams.delete(served);
        metrics.countCall("Lease", "OK");
      },
    });
    return served;
  };
  const openStream = (stream: AgentStream): EndableStream => {
    const caller = authentication.agent(stream);
    const expiry = endAtExpiry(caller.notAfterMs, () => served);
    metrics.streamOpened();
    const served = serveSubscriptions({
      stream,
      link: options.link,
      encode,
      node: caller.identity.node,
      logger,
      onClose() {
        expiry.cancel();
        streams.delete(served);
        metrics.streamClosed();
        metrics.countCall("Subscribe", "OK");
      },
    });
    return served;
  };

  const port = await bind(server, options.listen, { credentials, purpose: "for agents" });
  const address = { host: options.listen.host, port };
  const renewal = renewAtHalfLife({
    certificate,
    clock: runtime.clock,
    renew() {
      const renewed = authority.issueServerCertificate();
      credentials.replaceCertificate(renewed, authority.rootsPem);
      return renewed;
    },
  });
  logger.info("listening for agents", { address: formatHostPort(address), enrolment: isOpen ? "open" : "join token" });
  return {
    address,
    joinToken,
    followRoots() {
      renewal.renewNow();
      // The file names the root that signs; tokens that name one before it are good as long as that is trusted.
      loadToken().catch((thrown: unknown) => {
        logger.error("the join token could not be written anew", { error: errorMessage(thrown) });
      });
    },
    async stop(deadlineMs) {
      renewal.close();
      raft?.close();
      for (const stream of [...streams]) stream.end(new AtollError("UNAVAILABLE", "this server is stopping"));
      await shutDown({ server, deadlineMs, clock: runtime.clock });
    },
  };
}
