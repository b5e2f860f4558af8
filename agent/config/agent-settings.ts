import type { AuditSettings } from "../../lib/audit/audit-settings.ts";
import type { StringMap } from "../../lib/contract/catalog.ts";
import type { Locality } from "../../lib/contract/locality.ts";
import type { CoordinateFileSettings } from "./coordinate-options.ts";
import { type DnsFileSettings, mergeDnsSettings } from "./dns-options.ts";
import type { EdgeSettings, GrpcSettings, ProcessSettings } from "./edge-settings.ts";
import type { RequestSettings } from "./request-options.ts";
import { type AclFile, mergeAclFiles } from "./acl-options.ts";
import type { CheckDefinition, ServiceDefinition } from "../service-definition.ts";

/**
 * What a person set, in one configuration file or on the command line. What was not set is absent; defaults come later,
 * in agent-options.ts.
 */
export interface AgentSettings {
  readonly isDev?: boolean;
  readonly isServer?: boolean;
  readonly bootstrapExpect?: number;
  readonly datacenter?: string;
  readonly nodeName?: string;
  readonly nodeId?: string;
  readonly nodeMeta?: StringMap;
  readonly locality?: Locality;
  readonly dataDir?: string;
  readonly bindAddress?: string;
  readonly advertiseAddress?: string;
  readonly clientAddress?: string;
  readonly httpPort?: number;
  readonly dnsAddress?: string;
  /** -1 for no DNS. */
  readonly dnsPort?: number;
  readonly dns?: DnsFileSettings;
  readonly rpcPort?: number;
  readonly sidecarMinPort?: number;
  readonly sidecarMaxPort?: number;
  readonly adminMinPort?: number;
  /** Servers to join, as written. */
  readonly join: readonly string[];
  readonly joinToken?: string;
  readonly joinTokenFile?: string;
  readonly leaveOnTerminate?: boolean;
  readonly leaseTtlMs?: number;
  readonly leaseReapAfterMs?: number;
  readonly coordinates?: CoordinateFileSettings;
  readonly logLevel?: string;
  readonly isLogJson?: boolean;
  readonly maxBlockingQueries?: number;
  readonly checkUpdateIntervalMs?: number;
  readonly discardsCheckOutput?: boolean;
  /** As written; empty for none. */
  readonly defaultIntentionPolicy?: string;
  readonly requests?: RequestSettings;
  readonly edge?: EdgeSettings;
  readonly grpc?: GrpcSettings;
  readonly process?: ProcessSettings;
  /** Config entries as they were written. */
  readonly bootstrapEntries?: readonly object[];
  readonly acl?: AclFile;
  readonly audit?: AuditSettings;
  readonly enableScriptChecks?: boolean;
  readonly enableLocalScriptChecks?: boolean;
  readonly services: readonly ServiceDefinition[];
  readonly checks: readonly CheckDefinition[];
}

export const noSettings: AgentSettings = { join: [], services: [], checks: [] };

/** `later` wins over `earlier`, field by field; lists are joined, maps are merged. */
export function mergeSettings(earlier: AgentSettings, later: AgentSettings): AgentSettings {
  const acl = mergeAclFiles(earlier.acl, later.acl);
  return {
    ...earlier,
    ...later,
    ...(earlier.dns && later.dns && { dns: mergeDnsSettings(earlier.dns, later.dns) }),
    ...(earlier.nodeMeta !== undefined && { nodeMeta: { ...earlier.nodeMeta, ...later.nodeMeta } }),
    edge: {
      ...earlier.edge,
      ...later.edge,
      ...(earlier.edge?.allowWriteFrom !== undefined && {
        allowWriteFrom: [...earlier.edge.allowWriteFrom, ...(later.edge?.allowWriteFrom ?? [])],
      }),
    },
    grpc: { ...earlier.grpc, ...later.grpc },
    process: { ...earlier.process, ...later.process },
    requests: { ...earlier.requests, ...later.requests },
    ...(acl !== undefined && { acl }),
    join: [...earlier.join, ...later.join],
    services: [...earlier.services, ...later.services],
    checks: [...earlier.checks, ...later.checks],
  };
}
