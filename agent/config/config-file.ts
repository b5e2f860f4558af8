import { parseDurationMs } from "../../lib/base/duration.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { nodeClassMetaKey } from "../../lib/contract/members.ts";
import { formatIssues, type SchemaIssue, schemaIssues } from "../../lib/contract/schema-issues.ts";
import { decodeCheck } from "../registration/decode-check.ts";
import { type Decoded, issuesUnder } from "../registration/decode-result.ts";
import { decodeService } from "../registration/decode-service.ts";
import { type AgentSettings, noSettings } from "./agent-settings.ts";
import { readAudit } from "./audit-block.ts";
import { type ConfigFormat, findConfigFiles, parseConfigText, readConfigText } from "./config-text.ts";
import { dnsSettings } from "./dns-options.ts";
import type { EdgeSettings, GrpcSettings, ProcessSettings, TlsSettings } from "./edge-settings.ts";
import type { RequestSettings } from "./request-options.ts";
import { type AgentFile, agentFileValidator, type TlsFile } from "./file-schema.ts";
import { mergeDocuments, normaliseFile } from "./normalise.ts";

/** Configuration files as Consul's agent reads them, in JSON and HCL. */
export interface ConfigFiles {
  readonly settings: AgentSettings;
  /** One sentence per key or file that was ignored though somebody may count on it. */
  readonly warnings: readonly string[];
  /** One sentence per key of Consul's that changes nothing here. */
  readonly notes: readonly string[];
}

export interface ConfigForm {
  /** Of all files, whatever their names. */
  readonly format?: ConfigFormat | undefined;
  /** Pieces of HCL that come after the files. */
  readonly fragments?: readonly string[];
}

/**
 * Reads files in order, a later one wins, lists are joined, maps merged. A path that is a directory stands for the files in
 * it, by name. Rejects with `CONFIG_INVALID` that names the file and either the line and column or the path of each wrong value.
 */
export async function readConfigFiles(paths: readonly string[], form: ConfigForm = {}): Promise<ConfigFiles> {
  const { format, fragments = [] } = form;
  const { files, skipped } = await findConfigFiles(paths, format);
  const sources = [
    ...files.map((path) => ({ path: `config file ${path}`, read: () => readConfigText(path, format) })),
    ...fragments.map((text) => ({ path: "-hcl", read: async () => parseConfigText("-hcl", text, "hcl") })),
  ];
  const warnings = [...skipped];
  const notes: string[] = [];
  let merged: Record<string, unknown> = {};
  for (const { path, read } of sources) {
    const normal = normaliseFile(await read());
    const found = mustRead(normal.document, (issues) => invalid(path, issues), normal.issues);
    warnings.push(...normal.unknown.map((sentence) => `${path}: ${sentence}`));
    warnings.push(...found.unknown.map((key) => `${path}: "${key}" is not used by this version and is ignored`));
    notes.push(...normal.idle.map((sentence) => `${path}: ${sentence}`));
    merged = mergeDocuments(merged, normal.document);
  }
  if (sources.length === 0) return { settings: noSettings, warnings, notes };
  const names = sources.map(({ path }) => path).join(" and ");
  const together = (issues: readonly SchemaIssue[]): AtollError => invalid(names, issues);
  return { settings: mustRead(merged, together).settings, warnings, notes };
}

function mustRead(
  document: object,
  refuse: (issues: readonly SchemaIssue[]) => AtollError,
  before: readonly SchemaIssue[] = [],
): { readonly settings: AgentSettings; readonly unknown: readonly string[] } {
  const shape = [...before, ...schemaIssues(agentFileValidator, document)];
  if (shape.length > 0 || !agentFileValidator.Check(document)) throw refuse(shape);
  const found: Found = { issues: [], unknown: [] };
  const settings = readSettings(document, found);
  if (found.issues.length > 0) throw refuse(found.issues);
  return { settings, unknown: found.unknown };
}

function invalid(path: string, issues: readonly SchemaIssue[]): AtollError {
  return new AtollError("CONFIG_INVALID", `${path}: ${formatIssues(issues)}`);
}

interface Found {
  readonly issues: SchemaIssue[];
  readonly unknown: string[];
}

function readSettings(file: AgentFile, found: Found): AgentSettings {
  const listed = <T>(one: readonly T[] = [], many: readonly T[] = [], name: string): { path: string; raw: T }[] => [
    ...one.map((raw, i) => ({ path: one.length === 1 ? name : `${name}[${i}]`, raw })),
    ...many.map((raw, i) => ({ path: `${name}s[${i}]`, raw })),
  ];
  const interval = readInterval("check_update_interval", file.check_update_interval, found);
  const { lease } = file;
  const nodeClass = lease?.class === undefined ? {} : { [nodeClassMetaKey]: lease.class };
  return {
    ...present({
      isServer: file.server,
      bootstrapExpect: file.bootstrap === true ? 1 : file.bootstrap_expect,
      datacenter: file.datacenter,
      nodeName: file.node_name,
      nodeId: file.node_id,
      nodeMeta:
        file.node_meta === undefined && lease?.class === undefined ? undefined : { ...file.node_meta, ...nodeClass },
      locality: file.locality && { Region: file.locality.region ?? "", Zone: file.locality.zone ?? "" },
      dataDir: file.data_dir,
      bindAddress: file.bind_addr,
      advertiseAddress: file.advertise_addr,
      clientAddress: file.client_addr,
      httpPort: file.ports?.http,
      dnsAddress: file.addresses?.dns,
      dnsPort: file.ports?.dns,
      dns: dnsSettings({
        domain: file.domain,
        altDomain: file.alt_domain,
        config: file.dns_config,
        recursors: file.recursors,
      }),
      rpcPort: file.ports?.server,
      sidecarMinPort: file.ports?.sidecar_min_port,
      sidecarMaxPort: file.ports?.sidecar_max_port,
      adminMinPort: file.ports?.proxy_admin_min_port,
      joinToken: file.join_token,
      joinTokenFile: file.join_token_file,
      leaveOnTerminate: file.leave_on_terminate,
      leaseTtlMs: readInterval("lease.ttl", lease?.ttl, found),
      leaseReapAfterMs:
        readInterval("lease.reap_after", lease?.reap_after, found) ??
        readInterval("reconnect_timeout", file.reconnect_timeout, found),
      logLevel: file.log_level,
      isLogJson: file.log_json,
      maxBlockingQueries: file.limits?.max_blocking_queries,
      checkUpdateIntervalMs: interval,
      discardsCheckOutput: file.discard_check_output,
      defaultIntentionPolicy: file.default_intention_policy,
      bootstrapEntries: file.config_entries?.bootstrap,
      acl: file.acl,
      audit: file.audit && readAudit(file.audit, found.issues),
      enableScriptChecks: file.enable_script_checks,
      enableLocalScriptChecks: file.enable_local_script_checks,
    }),
    coordinates: present({
      isDisabled: file.disable_coordinates,
      rateTarget: file.sync_coordinate_rate_target,
      intervalMinMs: readInterval("sync_coordinate_interval_min", file.sync_coordinate_interval_min, found),
    }),
    edge: readEdge(file),
    grpc: readGrpc(file),
    process: readProcess(file),
    requests: readRequests(file),
    join: [...(file.start_join ?? []), ...(file.retry_join ?? [])],
    services: listed(file.service, file.services, "service").flatMap(({ path, raw }) =>
      unwrap(decodeService(raw), path, found),
    ),
    checks: listed(file.check, file.checks, "check").flatMap(({ path, raw }) => unwrap(decodeCheck(raw), path, found)),
  };
}

function readEdge(file: AgentFile): EdgeSettings {
  return present({
    ...readTls(file, file.tls?.https, file.verify_incoming_https),
    httpAddresses: file.addresses?.http,
    httpsAddresses: file.addresses?.https,
    httpsPort: file.ports?.https,
    socketUser: file.unix_sockets?.user,
    socketGroup: file.unix_sockets?.group,
    socketMode: file.unix_sockets?.mode,
    responseHeaders: file.http_config?.response_headers,
    blockEndpoints: file.http_config?.block_endpoints,
    allowWriteFrom: file.http_config?.allow_write_http_from,
    maxHeaderBytes: file.http_config?.max_header_bytes,
    maxConnsPerClient: file.limits?.http_max_conns_per_client,
    handshakeTimeout: file.limits?.https_handshake_timeout,
  });
}

function readGrpc(file: AgentFile): GrpcSettings {
  return present({
    ...readTls(file, file.tls?.grpc),
    addresses: file.addresses?.grpc,
    tlsAddresses: file.addresses?.grpc_tls,
    port: file.ports?.grpc,
    tlsPort: file.ports?.grpc_tls,
  });
}

/** Of one kind of listener: its own words, then those for all, then the older names of these. */
function readTls(file: AgentFile, own: TlsFile = {}, olderVerifyIncoming?: boolean): TlsSettings {
  const defaults = file.tls?.defaults ?? {};
  return present({
    caFile: own.ca_file ?? defaults.ca_file ?? file.ca_file,
    caPath: own.ca_path ?? defaults.ca_path ?? file.ca_path,
    certFile: own.cert_file ?? defaults.cert_file ?? file.cert_file,
    keyFile: own.key_file ?? defaults.key_file ?? file.key_file,
    verifyIncoming: own.verify_incoming ?? olderVerifyIncoming ?? defaults.verify_incoming ?? file.verify_incoming,
    tlsMinVersion: own.tls_min_version ?? defaults.tls_min_version ?? file.tls_min_version,
    tlsCipherSuites: own.tls_cipher_suites ?? defaults.tls_cipher_suites ?? file.tls_cipher_suites,
  });
}

function readProcess(file: AgentFile): ProcessSettings {
  return present({
    pidFile: file.pid_file,
    logFile: file.log_file,
    logRotateDuration: file.log_rotate_duration,
    logRotateBytes: file.log_rotate_bytes,
    logRotateMaxFiles: file.log_rotate_max_files,
    skipLeaveOnInterrupt: file.skip_leave_on_interrupt,
  });
}

function readRequests(file: AgentFile): RequestSettings {
  return present({
    kvMaxValueBytes: file.limits?.kv_max_value_size,
    txnMaxBytes: file.limits?.txn_max_req_len,
    sessionTtlMin: file.session_ttl_min,
    defaultQueryTime: file.default_query_time,
    maxQueryTime: file.max_query_time,
    discoveryMaxStale: file.discovery_max_stale,
  });
}

function readInterval(path: string, text: string | undefined, found: Found): number | undefined {
  if (text === undefined) return undefined;
  const intervalMs = parseDurationMs(text);
  if (intervalMs !== undefined && intervalMs >= 0) return intervalMs;
  const message = `must be a duration such as "5m", found ${JSON.stringify(text)}`;
  found.issues.push({ path, message });
  return undefined;
}

function unwrap<T>(decoded: Decoded<T>, path: string, found: Found): T[] {
  if (decoded.ok) {
    found.unknown.push(...decoded.unknownFields.map((field) => `${path}.${field}`));
    return [decoded.value];
  }
  found.issues.push(...issuesUnder(path, decoded.issues));
  return [];
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the fields that are undefined, so that they do not overwrite anything when merged. */
export function present<T extends object>(fields: T): Present<T> {
  // What is left has the types of `fields`, less undefined.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
}
