import type { CheckFields, CheckStatus, ServiceFields } from "../lib/contract/catalog.ts";
import type { ForwardRequest, ForwardResponse } from "../lib/client/server-link.ts";
import type { CaRootsValue, IntentionsValue } from "../lib/contract/topics.ts";
import type { MaintenanceWish } from "./maintenance.ts";
import type { CheckDefinition, ServiceDefinition } from "./service-definition.ts";

/**
 * What the agent can do for the processes of its host. The HTTP routes under `/v1/agent` are a thin layer over it; config
 * files and signals use it directly. Rejections are `AtollError`s with Consul's wording.
 */
export interface AgentApi {
  readonly identity: AgentIdentity;
  services(): ReadonlyMap<string, ServiceFields>;
  checks(): ReadonlyMap<string, CheckFields>;
  /** Calls back after every change of the local services and checks until closed. */
  onLocalChange(listener: () => void): { close(): void };
  /**
   * Registers or replaces a service with its checks and, when it asks for one, its sidecar: all of it or nothing. Resolves
   * when it is persisted locally and in the catalog as well; when no server answers soon, without the latter: the catalog
   * follows as soon as one does. The same holds for the other changes.
   */
  registerService(definition: ServiceDefinition, options: { readonly replaceExistingChecks: boolean }): Promise<void>;
  deregisterService(serviceId: string): Promise<void>;
  registerCheck(definition: CheckDefinition): Promise<void>;
  deregisterCheck(checkId: string): Promise<void>;
  /** Heartbeat of a TTL check. */
  updateTtlCheck(checkId: string, status: CheckStatus, output: string): Promise<void>;
  /** Takes a service out of rotation, or back into it; rejects with `NOT_FOUND`. Kept over restarts. */
  setServiceMaintenance(serviceId: string, wish: MaintenanceWish): Promise<void>;
  /** The same for everything on this node. */
  setNodeMaintenance(wish: MaintenanceWish): Promise<void>;
  /** The intentions that are about a destination; rejects with `UNAVAILABLE` when no server has sent them. */
  intentions(destination: string, signal: AbortSignal): Promise<IntentionsValue>;
  /** Runs a `/v1` request on a server. */
  forward(request: ForwardRequest, signal: AbortSignal): Promise<ForwardResponse>;
  /** Dials one more server from now on. Rejects with `UNAVAILABLE` when none of this cluster answers there. */
  join(address: string, signal: AbortSignal): Promise<void>;
  /** The process ends soon: its proxies drain and its node leaves the catalog. */
  leave(): void;
  caRoots(options: AgentWait): Promise<Indexed<CaRootsValue>>;
  /** The current leaf certificate of a service, made on first use. */
  leaf(service: string, options: AgentWait & { readonly token?: string }): Promise<LeafAnswer>;
}

export interface AgentIdentity {
  readonly nodeName: string;
  readonly nodeId: string;
  readonly datacenter: string;
  readonly address: string;
  /** Where the server in this process listens for agents, as configured; absent without one. */
  readonly serverPort?: number;
  readonly version: string;
  /** Git commit of the executable and when it was made (ISO 8601); empty when run from sources. */
  readonly revision: string;
  readonly buildDate: string;
  readonly isServer: boolean;
}

export interface AgentWait {
  /** Blocks while the index is at most this; 0 answers at once. */
  readonly minIndex: number;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export interface Indexed<T> {
  readonly index: number;
  readonly value: T;
}

/** `isCached`: it was there before it was asked for. */
export type LeafAnswer = Indexed<LeafCertificate> & { readonly isCached: boolean };

/** A leaf with its private key, which was made on this host and is given to local callers only. */
export interface LeafCertificate {
  readonly service: string;
  readonly spiffeId: string;
  readonly serialNumber: string;
  /** The leaf followed by its chain, without the root. */
  readonly certPem: string;
  readonly privateKeyPem: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
}
