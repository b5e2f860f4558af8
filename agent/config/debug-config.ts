import { formatDurationMs } from "../../lib/base/duration.ts";
import { formatHostPort } from "../../lib/contract/address.ts";
import type { EdgeListenerSpec } from "../../lib/http/edge-listeners.ts";
import { defaultCheckUpdateIntervalMs } from "../anti-entropy.ts";
import type { DnsSettings } from "../dns/dns-settings.ts";
import type { AgentOptions } from "./agent-options.ts";

/** What a client must not see but may know to be there, as Consul writes it. */
const hidden = "hidden";

/**
 * The settings in force under the names of Consul's `DebugConfig`, which tools look into (Nomad for the ports and for Connect). A
 * listener that there is not has port -1, as one that is switched off has in Consul.
 */
export function debugConfig(options: AgentOptions): Readonly<Record<string, unknown>> {
  const { acl, dnsPort, edge, grpc, httpPort, requests } = options;
  const dnsAddress = { host: options.dnsAddress, port: dnsPort };
  return {
    ACLEnableTokenPersistence: acl.isTokenPersistent,
    ACLInitialManagementToken: acl.initialManagementToken === "" ? "" : hidden,
    ACLResolverSettings: {
      ACLDefaultPolicy: acl.defaultPolicy,
      ACLDownPolicy: acl.downPolicy,
      ACLTokenTTL: formatDurationMs(acl.tokenTtlMs),
      ACLsEnabled: acl.isEnabled,
      Datacenter: options.datacenter,
      NodeName: options.nodeName,
    },
    ACLsEnabled: acl.isEnabled,
    AdvertiseAddrLAN: options.advertiseAddress,
    BindAddr: options.bindAddress,
    Bootstrap: options.isServer && options.bootstrapExpect === 1,
    BootstrapExpect: options.isServer ? options.bootstrapExpect : 0,
    CheckUpdateInterval: formatDurationMs(options.checkUpdateIntervalMs ?? defaultCheckUpdateIntervalMs),
    ClientAddrs: options.clientAddresses,
    ConnectEnabled: true,
    ConnectSidecarMaxPort: options.sidecarPorts.max,
    ConnectSidecarMinPort: options.sidecarPorts.min,
    ...dnsFields(options.dns),
    DNSAddrs: dnsPort < 0 ? [] : ["tcp", "udp"].map((kind) => `${kind}://${formatHostPort(dnsAddress)}`),
    DNSPort: dnsPort,
    DataDir: options.dataDir ?? "",
    Datacenter: options.datacenter,
    DefaultIntentionPolicy: options.defaultIntentionPolicy ?? "",
    DefaultQueryTime: formatDurationMs(requests.defaultQueryMs),
    DevMode: options.isDev,
    DisableCoordinates: !options.coordinates.isEnabled,
    DiscardCheckOutput: options.discardsCheckOutput,
    DiscoveryMaxStale: formatDurationMs(requests.discoveryMaxStaleMs),
    EnableLocalScriptChecks: options.scripts.fromFiles,
    EnableRemoteScriptChecks: options.scripts.fromApi,
    GRPCAddrs: addressesOf(grpc.listeners, false),
    GRPCPort: portOf(grpc.listeners, false),
    GRPCTLSAddrs: addressesOf(grpc.listeners, true),
    GRPCTLSPort: portOf(grpc.listeners, true),
    HTTPAddrs: addressesOf(edge.listeners, false),
    HTTPPort: httpPort,
    HTTPSAddrs: addressesOf(edge.listeners, true),
    HTTPSPort: portOf(edge.listeners, true),
    KVMaxValueSize: requests.kvMaxValueBytes,
    LeaveOnTerm: options.leaveOnTerminate,
    Logging: { LogJSON: options.isLogJson, LogLevel: options.logLevel.toUpperCase() },
    MaxQueryTime: formatDurationMs(requests.maxQueryMs),
    NodeID: options.nodeId ?? "",
    NodeMeta: options.nodeMeta,
    NodeName: options.nodeName,
    PrimaryDatacenter: options.datacenter,
    RetryJoinLAN: options.servers,
    JoinToken: options.joinToken === "" ? "" : hidden,
    ServerMode: options.isServer,
    ServerPort: options.rpcPort,
    SessionTTLMin: formatDurationMs(requests.sessionTtlMinMs),
    SkipLeaveOnInt: options.process.skipLeaveOnInterrupt,
    SyncCoordinateIntervalMin: formatDurationMs(options.coordinates.intervalMinMs),
    SyncCoordinateRateTarget: options.coordinates.rateTarget,
    TxnMaxReqLen: requests.txnMaxBytes,
  };
}

function dnsFields(dns: DnsSettings): Readonly<Record<string, unknown>> {
  const { exact, prefixes } = dns.serviceTtl;
  const ttls = [...exact, ...prefixes.map(({ prefix, ttlS }) => [`${prefix}*`, ttlS] as const)];
  const { refreshS, retryS, expireS, minTtlS } = dns.soa;
  return {
    DNSARecordLimit: dns.aRecordLimit,
    DNSAllowStale: dns.isStaleAllowed,
    DNSDisableCompression: !dns.isCompressed,
    DNSDomain: `${dns.domains[0]}.`,
    DNSEnableTruncate: dns.isTruncationShown,
    DNSMaxStale: formatDurationMs(dns.maxStaleMs),
    DNSNodeMetaTXT: dns.hasNodeMetaTxt,
    DNSNodeTTL: formatDurationMs(dns.nodeTtlS * 1_000),
    DNSOnlyPassing: dns.isOnlyPassing,
    DNSRecursorStrategy: dns.recursorOrder,
    DNSRecursorTimeout: formatDurationMs(dns.recursorTimeoutMs),
    DNSRecursors: dns.recursors,
    DNSSOA: { Expire: expireS, Minttl: minTtlS, Refresh: refreshS, Retry: retryS },
    DNSServiceTTL: Object.fromEntries(ttls.map(([name, ttlS]) => [name, formatDurationMs(ttlS * 1_000)])),
    DNSUDPAnswerLimit: dns.udpAnswerLimit,
  };
}

function addressesOf(listeners: readonly EdgeListenerSpec[], isTls: boolean): readonly string[] {
  return listeners
    .filter((listener) => listener.isTls === isTls)
    .map(({ at }) => ("socketPath" in at ? `unix://${at.socketPath}` : `tcp://${formatHostPort(at)}`));
}

function portOf(listeners: readonly EdgeListenerSpec[], wanted: boolean): number {
  for (const { isTls, at } of listeners) if (isTls === wanted && "port" in at) return at.port;
  return -1;
}
