/**
 * The RPC service in TypeScript: lib/contract/atoll.proto, parsed when the program starts. The text is part of the
 * executable, so no file has to lie beside it.
 */
import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { parseService } from "../grpc/proto-service.ts";
import type { WireCoordinate, WireServerPlace } from "./wire-coordinate.ts";
import protoText from "../contract/atoll.proto" with { type: "text" };

export interface EnrollRequest {
  readonly node: string;
  readonly csrPem: string;
  readonly joinToken: string;
}
export interface EnrollResponse {
  readonly certPem: string;
  readonly rootsPem: string;
  readonly clusterId: string;
  readonly trustDomain: string;
  readonly datacenter: string;
}
export interface JsonMessage {
  readonly json: Uint8Array;
}
export interface WriteMessage extends JsonMessage {
  /** Empty or absent for a write that has no name. */
  readonly requestId?: string;
  /** Empty or absent for none. */
  readonly token?: string;
}
export interface SignMessage {
  readonly csrPem: string;
  readonly token?: string;
}
export interface WireTopic {
  readonly kind: string;
  readonly name: string;
}
export interface SubscribeRequest {
  readonly add?: WireTopic | null;
  readonly remove?: WireTopic | null;
}
export interface TopicUpdate {
  readonly topic: WireTopic | null;
  readonly index: number;
  readonly json: Uint8Array;
}
export interface LeaseRenewal {
  readonly request?: {
    readonly id: string;
    readonly address: string;
    readonly build: string;
    readonly nodeClass: string;
    readonly ttlMs: number;
    readonly reapAfterMs: number;
  } | null;
  readonly turn?: number;
  readonly coordinate?: WireCoordinate | null;
}
export interface LeaseAnswerMessage {
  readonly refusal: string;
  readonly isOutOfDate: boolean;
  readonly isGiven: boolean;
  readonly reference?: WireServerPlace | null;
  readonly members?: number;
}
export interface SignResponse {
  readonly certPem: string;
  readonly chainPem: string;
  readonly serialNumber: string;
  readonly spiffeId: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly modifyIndex: number;
}
export interface ForwardMessage {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}
export interface ForwardAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

// grpc-js prints to the console by itself; everything it has to say reaches us as an error as well.
setLogVerbosity(logVerbosity.NONE);

const { method } = parseService(protoText, "atoll.v1.Catalog");

/** The methods by their names in atoll.proto. Each has a path, and codecs that refuse what is not its message. */
export const rpcMethods = {
  Enroll: method<EnrollRequest, EnrollResponse>("Enroll"),
  Write: method<WriteMessage, { readonly index: number }>("Write"),
  NodeRegistrations: method<{ readonly node: string }, JsonMessage>("NodeRegistrations"),
  Sign: method<SignMessage, SignResponse>("Sign"),
  Forward: method<ForwardMessage, ForwardAnswer>("Forward"),
  Subscribe: method<SubscribeRequest, TopicUpdate>("Subscribe"),
  Lease: method<LeaseRenewal, LeaseAnswerMessage>("Lease"),
} as const;
