import { isIP } from "node:net";
import { resolve } from "node:path";
import type { AuditSettings } from "../../lib/audit/audit-settings.ts";
import { logLevels, parseLogLevel } from "../../lib/base/logger.ts";
import { formatHostPort, isLoopbackHost, parseHostPort } from "../../lib/contract/address.ts";
import type { StringMap } from "../../lib/contract/catalog.ts";
import type { IntentionAction } from "../../lib/contract/config-entries.ts";
import { metaIssues } from "../../lib/contract/catalog-rules.ts";
import type { CoordinateSettings } from "../../lib/contract/coordinate-settings.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { type Locality, localityProblem } from "../../lib/contract/locality.ts";
import {
  defaultNodeClass,
  leaseBounds,
  type LeaseTerms,
  leaseTerms,
  nodeClassMetaKey,
} from "../../lib/contract/members.ts";
import type { RequestLimits } from "../../lib/contract/request-limits.ts";
import { formatIssues } from "../../lib/contract/schema-issues.ts";
import { formatSpiffeId, parseSpiffeId } from "../../lib/contract/spiffe.ts";
import type { ScriptRights } from "../checks/check-host.ts";
import type { PortRange } from "../registration/sidecar-ports.ts";
import type { CheckDefinition, ServiceDefinition } from "../service-definition.ts";
import type { DnsSettings } from "../dns/dns-settings.ts";
import type { GrpcSpec } from "../grpc/grpc-listeners.ts";
import { expandAddresses, type HostInterface } from "./address-template.ts";
import { type AgentAclOptions, resolveAclOptions } from "./acl-options.ts";
import type { AgentSettings } from "./agent-settings.ts";
import { resolveCoordinates } from "./coordinate-options.ts";
import { resolveDnsSettings } from "./dns-options.ts";
import { type EdgeOptions, resolveEdge } from "./edge-options.ts";
import { resolveGrpc } from "./grpc-options.ts";
import { mustBePort, noPort } from "./port.ts";
import { type ProcessOptions, resolveProcess } from "./process-options.ts";
import { resolveRequestLimits } from "./request-options.ts";

/** Everything that decides how an agent runs, with every default filled in. */
export interface AgentOptions {
  readonly isDev: boolean;
  readonly isServer: boolean;
  readonly datacenter: string;
  readonly nodeName: string;
  /** Absent: the one kept in the data directory. */
  readonly nodeId?: string;
  readonly nodeMeta: StringMap;
  /** Where the node is; absent when nobody said. */
  readonly locality?: Locality;
  /** Absolute; absent with `isDev` for a temporary one. */
  readonly dataDir?: string;
  readonly bindAddress: string;
  /** Where other nodes reach this one. */
  readonly advertiseAddress: string;
  /** The first of client_addr. */
  readonly clientAddress: string;
  readonly clientAddresses: readonly string[];
  /** -1 for no plain HTTP. */
  readonly httpPort: number;
  readonly edge: EdgeOptions;
  readonly grpc: GrpcSpec;
  readonly dnsAddress: string;
  /** -1 for no DNS. */
  readonly dnsPort: number;
  /** Nobody asked for DNS on that port: without it there is a warning only. */
  readonly isDnsOptional: boolean;
  readonly dns: DnsSettings;
  readonly rpcPort: number;
  /** With `isServer`: how many servers begin the cluster together. */
  readonly bootstrapExpect: number;
  /** RPC addresses of the servers to join; empty for a server that begins a cluster alone. */
  readonly servers: readonly string[];
  readonly joinToken: string;
  readonly sidecarPorts: PortRange;
  readonly adminMinPort: number;
  readonly leaveOnTerminate: boolean;
  readonly lease: LeaseTerms;
  readonly coordinates: CoordinateSettings;
  readonly logLevel: string;
  readonly isLogJson: boolean;
  /** HTTP connections of one address at a time; 0 is no limit. */
  /** Absent: the server's default. */
  readonly maxBlockingQueries?: number;
  readonly checkUpdateIntervalMs?: number;
  /** What checks say is neither kept nor told, only their status. */
  readonly discardsCheckOutput: boolean;
  /** What applies where no intention matches; absent: what ACLs say. */
  readonly defaultIntentionPolicy?: IntentionAction;
  readonly requests: RequestLimits;
  readonly process: ProcessOptions;
  /** Config entries as written, which the leader makes when they are not there. */
  readonly bootstrapEntries?: readonly object[];
  readonly acl: AgentAclOptions;
  /** Absent: nobody is told of changes. */
  readonly audit?: AuditSettings;
  /** Whose checks may run programs on this machine. */
  readonly scripts: ScriptRights;
  readonly services: readonly ServiceDefinition[];
  readonly checks: readonly CheckDefinition[];
}

/** What the defaults depend on. */
export interface HostFacts {
  readonly hostName: string;
  /** The addresses of this machine's interfaces, loopback left out. */
  readonly addresses: readonly string[];
  readonly workingDir: string;
  /** For templates of addresses. */
  readonly interfaces?: readonly HostInterface[];
}

export const defaultRpcPort = 8300;
const defaultHttpPort = 8500;
const defaultDnsPort = 8600;
const defaultSidecarMinPort = 21_000;
const sidecarPortCount = 256;
/** How many servers may begin a cluster together; 0 for one that only joins. More can be added later. */
const bootstrapCounts = [0, 1, 3, 5] as const;
/** Envoy's admin port is 19000, and the first sidecar's is 21000. */
const adminPortDistance = 2_000;

/** Checks `settings` and fills in the defaults. Throws `CONFIG_INVALID` that names the key, the value and the fix. */
export function resolveAgentOptions(written: AgentSettings, host: HostFacts): AgentOptions {
  const settings = expandTemplates(written, host.interfaces ?? []);
  const isDev = settings.isDev ?? false;
  const isServer = isDev || (settings.isServer ?? false);
  checkRole(settings, isServer);
  const bindAddress = mustBeIp("bind_addr", settings.bindAddress ?? (isDev ? "127.0.0.1" : "0.0.0.0"));
  const advertiseAddress = advertise(settings, bindAddress, host);
  const sidecarMinPort = mustBePort("sidecar_min_port", settings.sidecarMinPort ?? defaultSidecarMinPort);
  const clientAddresses = (settings.clientAddress || "127.0.0.1")
    .split(/\s+/)
    .map((address) => mustBeIp("client_addr", address));
  const clientAddress = clientAddresses[0] ?? "127.0.0.1";
  const httpPort = mustBePort("http port", settings.httpPort ?? defaultHttpPort, noPort);
  const datacenter = mustBeDatacenter(settings.datacenter ?? "dc1");
  const options: AgentOptions = {
    isDev,
    isServer,
    datacenter,
    nodeName: mustBeNodeName(settings.nodeName ?? host.hostName),
    ...(settings.nodeId === undefined ? {} : { nodeId: mustBeUuid(settings.nodeId) }),
    nodeMeta: mustBeMeta(settings.nodeMeta ?? {}),
    ...(settings.locality === undefined ? {} : { locality: mustBeLocality(settings.locality) }),
    ...(settings.dataDir === undefined ? {} : { dataDir: resolve(host.workingDir, settings.dataDir) }),
    bindAddress,
    advertiseAddress,
    clientAddress,
    clientAddresses,
    httpPort,
    edge: resolveEdge(settings.edge ?? {}, { clientAddresses, httpPort, workingDir: host.workingDir }),
    grpc: resolveGrpc(settings.grpc ?? {}, {
      ...{ clientAddresses, isDev, isServer, httpPort: settings.httpPort },
      workingDir: host.workingDir,
    }),
    dnsAddress: mustBeIp("addresses.dns", settings.dnsAddress ?? clientAddress),
    dnsPort: mustBePort("dns port", settings.dnsPort ?? dnsPortBeside(settings.httpPort), noPort),
    isDnsOptional: isDev && settings.dnsPort === undefined,
    dns: resolveDnsSettings(settings.dns ?? {}, datacenter),
    rpcPort: mustBePort("server port", settings.rpcPort ?? defaultRpcPort),
    bootstrapExpect: settings.bootstrapExpect ?? 1,
    servers: serversToJoin(settings, { bindAddress, advertiseAddress, host }),
    joinToken: settings.joinToken ?? "",
    sidecarPorts: {
      min: sidecarMinPort,
      max: mustBePort("sidecar_max_port", settings.sidecarMaxPort ?? sidecarMinPort + sidecarPortCount - 1),
    },
    adminMinPort: mustBePort("proxy_admin_min_port", settings.adminMinPort ?? sidecarMinPort - adminPortDistance),
    lease: mustBeTerms(settings),
    coordinates: resolveCoordinates(settings.coordinates ?? {}),
    leaveOnTerminate: settings.leaveOnTerminate ?? (isDev || !isServer),
    logLevel: mustBeLogLevel(settings.logLevel ?? "info"),
    isLogJson: settings.isLogJson ?? false,
    ...(settings.maxBlockingQueries === undefined ? {} : { maxBlockingQueries: settings.maxBlockingQueries }),
    ...(settings.checkUpdateIntervalMs === undefined ? {} : { checkUpdateIntervalMs: settings.checkUpdateIntervalMs }),
    discardsCheckOutput: settings.discardsCheckOutput ?? false,
    ...intentionPolicy(settings.defaultIntentionPolicy),
    requests: resolveRequestLimits(settings.requests ?? {}),
    process: resolveProcess(settings.process ?? {}, {
      workingDir: host.workingDir,
      leavesOnInterrupt: isDev || !isServer,
    }),
    scripts: {
      fromFiles: settings.enableLocalScriptChecks === true || settings.enableScriptChecks === true,
      fromApi: settings.enableScriptChecks ?? false,
    },
    ...(settings.bootstrapEntries !== undefined && { bootstrapEntries: settings.bootstrapEntries }),
    acl: resolveAclOptions(settings.acl),
    ...(settings.audit === undefined ? {} : { audit: absoluteSinks(settings.audit, host.workingDir) }),
    services: settings.services,
    checks: settings.checks,
  };
  checkTogether(options);
  return options;
}

/** Replaces the templates in all addresses; everything after this sees addresses only. */
function expandTemplates(settings: AgentSettings, interfaces: readonly HostInterface[]): AgentSettings {
  const expand = (key: string, text: string): string => expandAddresses(key, text, interfaces);
  const { bindAddress, advertiseAddress, clientAddress, dnsAddress, edge = {}, grpc = {} } = settings;
  const { httpAddresses, httpsAddresses } = edge;
  return {
    ...settings,
    ...(bindAddress !== undefined && { bindAddress: expand("bind_addr", bindAddress) }),
    ...(advertiseAddress !== undefined && { advertiseAddress: expand("advertise_addr", advertiseAddress) }),
    ...(clientAddress !== undefined && { clientAddress: expand("client_addr", clientAddress) }),
    ...(dnsAddress !== undefined && { dnsAddress: expand("addresses.dns", dnsAddress) }),
    edge: {
      ...edge,
      ...(httpAddresses !== undefined && { httpAddresses: expand("addresses.http", httpAddresses) }),
      ...(httpsAddresses !== undefined && { httpsAddresses: expand("addresses.https", httpsAddresses) }),
    },
    grpc: {
      ...grpc,
      ...(grpc.addresses !== undefined && { addresses: expand("addresses.grpc", grpc.addresses) }),
      ...(grpc.tlsAddresses !== undefined && { tlsAddresses: expand("addresses.grpc_tls", grpc.tlsAddresses) }),
    },
    join: settings.join.map((address) => expand("retry_join", address)),
  };
}

function intentionPolicy(text: string | undefined): Pick<AgentOptions, "defaultIntentionPolicy"> {
  if (!text) return {};
  if (text === "allow" || text === "deny") return { defaultIntentionPolicy: text };
  throw invalid(`default_intention_policy must be allow or deny, found "${text}"`);
}

function absoluteSinks(audit: AuditSettings, workingDir: string): AuditSettings {
  return { ...audit, sinks: audit.sinks.map((sink) => ({ ...sink, path: resolve(workingDir, sink.path) })) };
}

function checkRole(settings: AgentSettings, isServer: boolean): void {
  const expect = settings.bootstrapExpect ?? 0;
  if (expect > 0 && !isServer) {
    throw invalid(`bootstrap_expect is ${expect}, but only a server can bootstrap: add -server, or leave it out`);
  }
  if (!bootstrapCounts.some((count) => count === expect)) {
    throw invalid(
      `bootstrap_expect is ${expect}: a cluster begins with ${bootstrapCounts.slice(1).join(", ")} servers`,
    );
  }
  if (settings.isDev && (expect > 1 || settings.join.length > 0)) {
    throw invalid(
      "-dev runs one server that keeps nothing and has no peers: leave out -join and -bootstrap-expect, or use -server",
    );
  }
  if (expect > 1 && settings.join.length === 0) {
    throw invalid(
      `bootstrap_expect is ${expect}, so the servers have to find each other: give their addresses with -join`,
    );
  }
  if (!isServer && settings.join.length === 0) {
    throw invalid(
      "an agent that is not a server needs one to join: -join=<address>, or -server -bootstrap-expect=1, or -dev for a server and agent in one process",
    );
  }
  if (!settings.isDev && !settings.dataDir) {
    throw invalid("data_dir cannot be empty: -data-dir=<path> says where the agent keeps its state (-dev keeps none)");
  }
}

/** Who lets the system choose the one port has no use for a fixed other one. */
function dnsPortBeside(httpPort: number | undefined): number {
  return httpPort === 0 ? 0 : defaultDnsPort;
}

function checkTogether(options: AgentOptions): void {
  const { min, max } = options.sidecarPorts;
  if (min === 0 || min > max) {
    throw invalid(`sidecar_min_port is ${min} and sidecar_max_port ${max}: the first must be at least 1 and not above`);
  }
  const sharesAddress = [options.clientAddress, options.bindAddress].some(isUnspecified)
    ? true
    : options.clientAddress === options.bindAddress;
  if (options.isServer && options.httpPort === options.rpcPort && options.httpPort > 0 && sharesAddress) {
    throw invalid(`the HTTP port and the server port are both ${options.httpPort}: change -http-port or -server-port`);
  }
}

function advertise(settings: AgentSettings, bindAddress: string, host: HostFacts): string {
  if (settings.advertiseAddress !== undefined) {
    const address = mustBeIp("advertise_addr", settings.advertiseAddress);
    if (!isUnspecified(address)) return address;
    throw invalid(`advertise_addr is ${address}, which nobody can dial: give an address of this machine`);
  }
  if (!isUnspecified(bindAddress)) return bindAddress;
  const isPrivate = (address: string): boolean => /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(address);
  const candidates = host.addresses.filter((address) => isIP(address) === 4 && isPrivate(address));
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return only;
  const found = candidates.length === 0 ? "no private IPv4 address" : `several (${candidates.join(", ")})`;
  throw invalid(
    `bind_addr is ${bindAddress} and this machine has ${found}, so the address for other nodes is not clear: set -bind or -advertise`,
  );
}

/** A server that begins a cluster alone may name itself, as many of Consul's configurations do. */
function serversToJoin(
  settings: AgentSettings,
  own: { readonly bindAddress: string; readonly advertiseAddress: string; readonly host: HostFacts },
): string[] {
  const addresses = [...new Set(settings.join.map(readJoinAddress))];
  if (settings.bootstrapExpect !== 1) return addresses;
  const everywhere = isUnspecified(own.bindAddress)
    ? [...own.host.addresses, own.host.hostName, "localhost", "127.0.0.1"]
    : [];
  const ownHosts = new Set([own.bindAddress, own.advertiseAddress, ...everywhere]);
  const ownPort = settings.rpcPort ?? defaultRpcPort;
  const others = addresses.filter((address) => {
    const parsed = parseHostPort(address);
    return parsed === undefined || parsed.port !== ownPort || !ownHosts.has(parsed.host);
  });
  if (others.length === 0) return [];
  throw invalid(
    `bootstrap_expect is 1, which begins a cluster of its own, and -join (${others[0]}) joins another: leave one of them out`,
  );
}

/** `host` or `host:port`, IPv6 in brackets. */
function readJoinAddress(text: string): string {
  const withPort =
    isIP(text) === 6 ? `[${text}]:${defaultRpcPort}` : /:\d+$/.test(text) ? text : `${text}:${defaultRpcPort}`;
  const parsed = parseHostPort(withPort);
  if (parsed !== undefined && parsed.port > 0) return formatHostPort(parsed);
  throw invalid(
    `-join: "${text}" is not an address: write host or host:port, the port is ${defaultRpcPort} if left out`,
  );
}

function mustBeIp(name: string, text: string): string {
  if (isIP(text) !== 0) return text;
  throw invalid(`${name} must be an IP address, found "${text}"`);
}

function mustBeDatacenter(text: string): string {
  const datacenter = text.toLowerCase();
  if (/^[a-z0-9_-]{1,63}$/.test(datacenter)) return datacenter;
  throw invalid(`datacenter must be 1 to 63 letters, digits, "-" or "_", found "${text}"`);
}

/** It becomes a segment of the node's SPIFFE id. */
function mustBeNodeName(node: string): string {
  const id = formatSpiffeId({ kind: "agent", trustDomain: "t", datacenter: "d", node });
  if (parseSpiffeId(id) !== undefined) return node;
  throw invalid(`node_name must be 1 to 255 letters, digits, ".", "-" or "_", found "${node}": set -node`);
}

function mustBeMeta(meta: StringMap): StringMap {
  const issues = metaIssues("node_meta", meta);
  if (issues.length === 0) return meta;
  throw invalid(formatIssues(issues));
}

/** The class is a node meta, so that everybody sees it. */
function mustBeTerms({ nodeMeta = {}, leaseTtlMs, leaseReapAfterMs }: AgentSettings): LeaseTerms {
  const nodeClass = nodeMeta[nodeClassMetaKey] || defaultNodeClass;
  const terms = leaseTerms(nodeClass, { ttlMs: leaseTtlMs, reapAfterMs: leaseReapAfterMs });
  const { minTtlMs, maxTtlMs, minReapMs, maxReapMs } = leaseBounds;
  if (terms.TtlMs < minTtlMs || terms.TtlMs > maxTtlMs) {
    throw invalid(`lease.ttl must be ${minTtlMs / 1_000}s to ${maxTtlMs / 60_000}m, found ${terms.TtlMs} ms`);
  }
  if (terms.ReapAfterMs < minReapMs || terms.ReapAfterMs > maxReapMs) {
    throw invalid(
      `lease.reap_after must be ${minReapMs / 1_000}s to ${maxReapMs / 3_600_000}h, found ${terms.ReapAfterMs} ms`,
    );
  }
  return terms;
}

function mustBeLocality(locality: Locality): Locality {
  const problem = localityProblem(locality);
  if (problem === undefined) return locality;
  throw invalid(`locality ${problem}`);
}

function mustBeLogLevel(text: string): string {
  const level = parseLogLevel(text);
  if (level !== undefined) return level;
  throw invalid(`log level must be one of ${logLevels.join(", ")}, found "${text}"`);
}

function mustBeUuid(text: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
  throw invalid(`node_id must be a UUID, found "${text}"`);
}

function isUnspecified(address: string): boolean {
  return !isLoopbackHost(address) && /^[0:.]+$/.test(address);
}

function invalid(message: string): AtollError {
  return new AtollError("CONFIG_INVALID", message);
}
