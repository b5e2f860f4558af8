/** The service between servers in TypeScript: lib/contract/raft.proto, parsed when the program starts. */
import type { MethodDefinition } from "@grpc/grpc-js";
import type { WireCoordinate } from "../../lib/client/wire-coordinate.ts";
import type { ForwardRequest, ForwardResponse } from "../../lib/client/server-link.ts";
import type { ProtocolRange } from "./protocol-range.ts";
import { parseService } from "../../lib/grpc/proto-service.ts";
import protoText from "../../lib/contract/raft.proto" with { type: "text" };

export interface WireEntry {
  readonly term: number;
  readonly kind: string;
  readonly data: string;
}
export interface WireMessage {
  readonly type: string;
  readonly term: number;
  readonly index: number;
  readonly logTerm: number;
  readonly commit: number;
  readonly round: number;
  readonly flag: boolean;
  readonly hintIndex: number;
  readonly hintTerm: number;
  readonly entries: readonly WireEntry[];
  readonly snapshotJson: string;
}
export interface WireMessageGroup {
  readonly protocolVersion: number;
  readonly clusterId: string;
  readonly from: string;
  readonly to: string;
  readonly fromAddress: string;
  readonly messages: readonly Partial<WireMessage>[];
}
export interface WireSnapshotPart {
  readonly header?: {
    readonly protocolVersion: number;
    readonly clusterId: string;
    readonly from: string;
    readonly to: string;
    readonly term: number;
    readonly snapshotJson: string;
  } | null;
  readonly chunk?: { readonly offset: number; readonly data: Uint8Array; readonly checksum: number } | null;
  readonly end?: { readonly totalBytes: number; readonly rowCount: number; readonly rowDigest: number } | null;
}
export interface Greeting {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly datacenter: string;
  readonly leaderAddress: string;
  readonly protocols: ProtocolRange | null;
}
export interface ReadIndexRequest {
  readonly isConsistent: boolean;
}
export interface ReadIndexResponse {
  readonly index: number;
}
export interface ForwardedRequest extends ForwardRequest {
  readonly id: number;
}
export interface ForwardedRequests {
  readonly requests: readonly ForwardedRequest[];
  readonly cancelledIds: readonly number[];
}
export interface ForwardedError {
  readonly code: string;
  readonly status: number;
  readonly message: string;
  readonly leader: string;
}
export interface ForwardedAnswer extends Partial<ForwardResponse> {
  readonly id: number;
  readonly error?: ForwardedError | null;
}
export interface ForwardedAnswers {
  readonly answers: readonly ForwardedAnswer[];
  readonly isClosing?: boolean;
}
export interface WireLeaseMember {
  readonly node: string;
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly role: string;
  readonly build: string;
  readonly nodeClass: string;
  readonly ttlMs: number;
  readonly reapAfterMs: number;
}
export interface WireLeaseReport {
  readonly serverId: string;
  readonly asked: readonly WireLeaseMember[];
  readonly renewed: readonly string[];
  readonly placed?: readonly { readonly id: string; readonly coordinate?: WireCoordinate | null }[];
  readonly knowsCoordinates?: boolean;
}
export interface WireLeaseReportAnswer {
  readonly isKept: boolean;
  readonly unknown: readonly string[];
  readonly refused: readonly { readonly id: string; readonly reason: string }[];
  readonly takesCoordinates?: boolean;
}
export interface JoinRequest {
  readonly nodeId: string;
  readonly address: string;
  readonly joinToken: string;
  readonly csrPem: string;
  readonly datacenter: string;
  readonly protocols: ProtocolRange | null;
}
export interface JoinResponse {
  readonly chainPem: string;
  readonly rootPem: string;
  readonly clusterId: string;
  readonly trustDomain: string;
  readonly datacenter: string;
  readonly protocols: ProtocolRange | null;
}
export type Empty = Readonly<Record<never, never>>;

const { root, method } = parseService(protoText, "atoll.v1.Raft");

export const raftMethods = {
  Messages: method<WireMessageGroup, Empty>("Messages"),
  InstallSnapshot: method<WireSnapshotPart, Empty>("InstallSnapshot"),
  Greet: method<Empty, Greeting>("Greet"),
  ReadIndex: method<ReadIndexRequest, ReadIndexResponse>("ReadIndex"),
  ForwardMany: forwardMany(),
  ReportLeases: method<WireLeaseReport, WireLeaseReportAnswer>("ReportLeases"),
  Join: method<JoinRequest, JoinResponse>("Join"),
} as const;

/**
 * proto-loader makes a plain object of every message before it writes it and after it has read it, which costs more than
 * the bytes do; the classes that protobufjs makes of raft.proto have the same fields, absent ones with their defaults.
 */
function forwardMany(): MethodDefinition<ForwardedRequests, ForwardedAnswers> {
  const requests = codec<ForwardedRequests>("ForwardedRequests");
  const answers = codec<ForwardedAnswers>("ForwardedAnswers");
  return {
    ...method<ForwardedRequests, ForwardedAnswers>("ForwardMany"),
    requestSerialize: requests.serialize,
    requestDeserialize: requests.deserialize,
    responseSerialize: answers.serialize,
    responseDeserialize: answers.deserialize,
  };
}

function codec<Message extends object>(name: string) {
  const type = root.lookupType(`atoll.v1.${name}`);
  return {
    serialize: (message: Message): Buffer => Buffer.from(type.encode(message).finish()),
    deserialize: (bytes: Buffer): Message => type.decode(bytes) as object as Message,
  };
}
