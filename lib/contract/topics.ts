import type { CheckRecord, NodeRecord, ServiceInstance, ServiceRecord } from "./catalog.ts";
import type { IntentionAction, ResolvedServiceConfig } from "./config-entries.ts";
import type { Intention } from "./intentions.ts";
import type { IntentionJwt, JwtProviderFields } from "./jwt-provider.ts";

/** What an agent can subscribe to. A server sends the whole value of a topic at once and again after every change of it. */
export type Topic =
  | { readonly kind: "connect-endpoints"; readonly service: string }
  | { readonly kind: "intentions"; readonly destination: string }
  | { readonly kind: "service-config"; readonly service: string }
  | { readonly kind: "ca-roots" };

/** The topics of one kind. */
export type TopicOf<K extends Topic["kind"]> = Extract<Topic, { readonly kind: K }> & { readonly kind: K };

/** The value of each kind of topic. */
export interface TopicValues {
  /** The mesh-capable instances of the service, sorted by node, then service ID; whatever their health. */
  readonly "connect-endpoints": readonly ServiceInstance[];
  readonly intentions: IntentionsValue;
  readonly "service-config": ResolvedServiceConfig;
  readonly "ca-roots": CaRootsValue;
}

export interface IntentionsValue {
  readonly rules: readonly Intention[];
  readonly defaultAction: IntentionAction;
  /** `defaultAction` is set by itself; absent: it follows the default policy of ACLs. */
  readonly isDefaultSet?: boolean;
  /** What every request to the destination must show; absent for nothing. */
  readonly jwt?: IntentionJwt;
  /** The providers that `jwt` and the rules' permissions name, as far as they exist; absent when none is named. */
  readonly jwtProviders?: readonly JwtProviderFields[];
}

export interface CaRoot {
  readonly id: string;
  readonly name: string;
  readonly serialNumber: number;
  readonly signingKeyId: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly certPem: string;
  readonly active: boolean;
  /** Certificates that lead from this root to the one before it. */
  readonly intermediateCerts?: readonly string[];
  /** Absent for the active one, RFC 3339. */
  readonly trustedUntil?: string;
  readonly privateKeyType: string;
  readonly privateKeyBits: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** The public half of the certificate authority. `activeRootId` is empty before the first server has bootstrapped. */
export interface CaRootsValue {
  readonly activeRootId: string;
  readonly trustDomain: string;
  readonly roots: readonly CaRoot[];
}

/** A topic as one string, for maps and metrics. */
export function topicKey(topic: Topic): string {
  switch (topic.kind) {
    case "connect-endpoints":
      return `connect-endpoints/${topic.service}`;
    case "intentions":
      return `intentions/${topic.destination}`;
    case "service-config":
      return `service-config/${topic.service}`;
    case "ca-roots":
      return "ca-roots";
  }
}

/** What the catalog holds for one node, for an agent to compare with its own registrations. */
export interface NodeRegistrations {
  /** The node's own record; absent when the catalog does not know the node. */
  readonly node?: NodeRecord;
  readonly nodeIndex: number;
  readonly services: readonly ServiceRecord[];
  readonly checks: readonly CheckRecord[];
  /** What an operator has removed by force and must not come back by itself; servers of older releases say nothing. */
  readonly withdrawn?: { readonly services: readonly string[]; readonly checks: readonly string[] };
}
