import type { Server, ServerUnaryCall } from "@grpc/grpc-js";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { Authority } from "../ca/authority.ts";
import type { PeerInbox } from "../raft/shell/peer-wire.ts";
import type { ForwardRequest, ForwardResponse } from "../../lib/client/server-link.ts";
import type { LeaseReport, LeaseReportAnswer } from "../leases/lease-report.ts";
import type { createAnswerer } from "./answer.ts";
import { createForwardService } from "./forward-service.ts";
import { hasSameSecret } from "./join-token.ts";
import { fromWireReport } from "./lease-wire.ts";
import { agreeOnProtocol, ownProtocols, type ProtocolRange, protocolsOf } from "./protocol-range.ts";
import {
  type Empty,
  type Greeting,
  type JoinRequest,
  type JoinResponse,
  raftMethods,
  type WireLeaseReport,
  type WireLeaseReportAnswer,
  type ReadIndexRequest,
  type ReadIndexResponse,
} from "./raft-methods.ts";
import { createRaftService } from "./raft-service.ts";
import { createServerCheck } from "./server-caller.ts";

/** What a server with peers offers them. */
export interface RaftPort {
  readonly inbox: PeerInbox;
  /** What it speaks; absent: what this release does. */
  readonly protocols?: ProtocolRange;
  greet(): Omit<Greeting, "protocols">;
  /** What a read by the leader would show now, for a follower that answers it itself. Rejects with `NO_LEADER` where there is none. */
  readIndex(request: ReadIndexRequest, signal: AbortSignal): Promise<number>;
  /** Takes what the server of `nodeId` says of leases. Throws `NO_LEADER` that names the leader. */
  reportLeases?(nodeId: string, report: LeaseReport): LeaseReportAnswer;
  /** Takes a server that may join into the cluster. Rejects with `NO_LEADER` that names the leader. */
  join(request: JoinRequest): Promise<Omit<JoinResponse, "protocols">>;
}

/** Adds the service between servers to the listener; the result ends its streams. */
export function addRaftService(
  server: Server,
  options: {
    readonly port: RaftPort;
    readonly authority: Authority;
    readonly joinToken: string;
    /** Who reaches the listener runs on this machine already. */
    readonly isOpen: boolean;
    readonly answer: ReturnType<typeof createAnswerer>;
    /** Runs what a follower sends on. */
    readonly forward: (request: ForwardRequest, signal: AbortSignal) => Promise<ForwardResponse>;
    readonly countRefusal: (reason: string) => void;
    readonly countCall: (method: string, code: string) => void;
    readonly runtime: Runtime;
  },
): { close(): void } {
  const { port, authority, runtime, answer } = options;
  const { protocols = ownProtocols } = port;
  const service = createRaftService({ inbox: port.inbox, authority, protocols, runtime });
  const check = createServerCheck({ authority, clock: runtime.clock });
  const { clock } = runtime;
  const logger = runtime.logger.child("rpc");
  const forwards = createForwardService({ check, run: options.forward, countCall: options.countCall, clock, logger });

  const isMember = (call: Pick<ServerUnaryCall<unknown, unknown>, "getAuthContext">, nodeId: string): boolean => {
    try {
      return check(call.getAuthContext()).isNode(nodeId);
    } catch {
      return false;
    }
  };
  server.addService(raftMethods, {
    Messages: service.messages,
    InstallSnapshot: service.installSnapshot,
    Greet: answer<Empty, Greeting>("Greet", async () => ({ ...port.greet(), protocols })),
    ReadIndex: answer<ReadIndexRequest, ReadIndexResponse>("ReadIndex", async (call, signal) => {
      check(call.getAuthContext());
      return { index: await port.readIndex(call.request, signal) };
    }),
    ForwardMany: forwards.forwardMany,
    ReportLeases: answer<WireLeaseReport, WireLeaseReportAnswer>("ReportLeases", async (call) => {
      const { serverId } = call.request;
      if (!check(call.getAuthContext()).isNode(serverId)) {
        throw new AtollError("PERMISSION_DENIED", `the certificate of this call is not of server ${serverId}`);
      }
      if (port.reportLeases === undefined) throw new AtollError("METHOD_NOT_ALLOWED", "this server keeps no leases");
      return port.reportLeases(serverId, fromWireReport(call.request));
    }),
    Join: answer<JoinRequest, JoinResponse>("Join", async (call) => {
      const { request } = call;
      const isTrusted =
        options.isOpen || hasSameSecret(request.joinToken, options.joinToken) || isMember(call, request.nodeId);
      if (!isTrusted) {
        options.countRefusal("bad-join-token");
        throw new AtollError(
          "PERMISSION_DENIED",
          "a server that joins needs this cluster's join token: take it from the file join-token in a server's data directory",
        );
      }
      const joining = { name: `server ${request.nodeId}, which joins,`, protocols: protocolsOf(request.protocols) };
      agreeOnProtocol(joining, { name: `server ${port.inbox.nodeId}`, protocols });
      return { ...(await port.join(request)), protocols };
    }),
  });
  return {
    close() {
      forwards.close();
      service.close();
    },
  };
}
