import { isIP } from "node:net";
import { resolve } from "node:path";
import type { AuditSettings } from "../../lib/audit/audit-settings.ts";
import { formatHostPort, isLoopbackHost, parseHostPort } from "../../lib/contract/address.ts";
import type { StringMap } from "../../lib/contract/catalog.ts";
import { metaIssues } from "../../lib/contract/catalog-rules.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { type Locality, localityProblem } from "../../lib/contract/locality.ts";
import {
  defaultNodeClass,
  leaseBounds,
  type LeaseTerms,
  leaseTerms,
  nodeClassMetaKey,
} from "../../lib/contract/members.ts";
import { formatIssues } from "../../lib/contract/schema-issues.ts";
import { formatSpiffeId, parseSpiffeId } from "../../lib/contract/spiffe.ts";
import type { PortRange } from "../registration/sidecar-ports.ts";
import type { CheckDefinition, ServiceDefinition } from "../service-definition.ts";
import { type AgentAclOptions, resolveAclOptions } from "./acl-options.ts";
import type { DnsSettings } from "../dns/dns-settings.ts";
import type { AgentSettings } from "./agent-settings.ts";
import { resolveDnsSettings } from "./dns-options.ts";

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
  readonly clientAddress: string;
  readonly httpPort: number;
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
  readonly logLevel: string;
  readonly isLogJson: boolean;
  readonly checkUpdateIntervalMs?: number;
  readonly acl: AgentAclOptions;
  /** Absent: nobody is told of changes. */
  readonly audit?: AuditSettings;
  readonly services: readonly ServiceDefinition[];
  readonly checks: readonly CheckDefinition[];
}

/** What the defaults depend on. */
export interface HostFacts {
  readonly hostName: string;
  /** The addresses of this machine's interfaces, loopback left out. */
  readonly addresses: readonly string[];
  readonly workingDir: string;
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
export function resolveAgentOptions(settings: AgentSettings, host: HostFacts): AgentOptions {
  const isDev = settings.isDev ?? false;
  const isServer = isDev || (settings.isServer ?? false);
  checkRole(settings, isServer);
  const bindAddress = mustBeIp("bind_addr", settings.bindAddress ?? (isDev ? "127.0.0.1" : "0.0.0.0"));
  const sidecarMinPort = mustBePort("sidecar_min_port", settings.sidecarMinPort ?? defaultSidecarMinPort);
  const clientAddress = mustBeIp("client_addr", settings.clientAddress ?? "127.0.0.1");
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
    advertiseAddress: advertise(settings, bindAddress, host),
    clientAddress,
    httpPort: mustBePort("http port", settings.httpPort ?? defaultHttpPort),
    dnsAddress: mustBeIp("addresses.dns", settings.dnsAddress ?? clientAddress),
    dnsPort:
      settings.dnsPort === -1 ? -1 : mustBePort("dns port", settings.dnsPort ?? dnsPortBeside(settings.httpPort)),
    isDnsOptional: isDev && settings.dnsPort === undefined,
    dns: resolveDnsSettings(settings.dns ?? {}, datacenter),
    rpcPort: mustBePort("server port", settings.rpcPort ?? defaultRpcPort),
    bootstrapExpect: settings.bootstrapExpect ?? 1,
    servers: [...new Set(settings.join.map(readJoinAddress))],
    joinToken: settings.joinToken ?? "",
    sidecarPorts: {
      min: sidecarMinPort,
      max: mustBePort("sidecar_max_port", settings.sidecarMaxPort ?? sidecarMinPort + sidecarPortCount - 1),
    },
    adminMinPort: mustBePort("proxy_admin_min_port", settings.adminMinPort ?? sidecarMinPort - adminPortDistance),
    lease: mustBeTerms(settings),
    leaveOnTerminate: settings.leaveOnTerminate ?? (isDev || !isServer),
    logLevel: settings.logLevel ?? "info",
    isLogJson: settings.isLogJson ?? false,
    ...(settings.checkUpdateIntervalMs === undefined ? {} : { checkUpdateIntervalMs: settings.checkUpdateIntervalMs }),
    acl: resolveAclOptions(settings.acl),
    ...(settings.audit === undefined ? {} : { audit: absoluteSinks(settings.audit, host.workingDir) }),
    services: settings.services,
    checks: settings.checks,
  };
  checkTogether(options);
  return options;
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
  if (expect === 1 && settings.join.length > 0) {
    throw invalid(
      `bootstrap_expect is 1, which begins a cluster of its own, and -join (${settings.join[0]}) joins another: leave one of them out`,
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
  if (options.isServer && options.httpPort === options.rpcPort && options.httpPort !== 0 && sharesAddress) {
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

function mustBePort(name: string, port: number): number {
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw invalid(`${name} must be 0 to 65535, found ${port}`);
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
