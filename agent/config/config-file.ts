import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseDurationMs } from "../../lib/base/duration.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import { parseJsonText } from "../../lib/base/json-file.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { nodeClassMetaKey } from "../../lib/contract/members.ts";
import { formatIssues, type SchemaIssue, schemaIssues } from "../../lib/contract/schema-issues.ts";
import { decodeCheck } from "../registration/decode-check.ts";
import { type Decoded, issuesUnder } from "../registration/decode-result.ts";
import { decodeService } from "../registration/decode-service.ts";
import { type AgentSettings, mergeSettings, noSettings } from "./agent-settings.ts";
import { readAudit } from "./audit-block.ts";
import { dnsSettings } from "./dns-options.ts";
import { type AgentFile, agentFileValidator, unknownKeys } from "./file-schema.ts";

/** Configuration files as Consul's agent reads them, in JSON. */
export interface ConfigFiles {
  readonly settings: AgentSettings;
  /** One sentence per key that was ignored. */
  readonly warnings: readonly string[];
}

/**
 * Reads files in order; a later one wins. A path that is a directory stands for the `.json` files in it, by name. Rejects
 * with `CONFIG_INVALID` that names the file and either the line and column or the path of each wrong value.
 */
export async function readConfigFiles(paths: readonly string[]): Promise<ConfigFiles> {
  let settings = noSettings;
  const warnings: string[] = [];
  for (const path of paths) {
    for (const file of await expandDirectory(path)) {
      const read = await readConfigFile(file);
      settings = mergeSettings(settings, read.settings);
      warnings.push(...read.warnings);
    }
  }
  return { settings, warnings };
}

async function expandDirectory(path: string): Promise<string[]> {
  const names = await readdir(path).catch(() => undefined);
  if (names === undefined) return [path];
  return names
    .filter((name) => name.endsWith(".json"))
    .toSorted()
    .map((name) => join(path, name));
}

async function readConfigFile(path: string): Promise<ConfigFiles> {
  const document = parseObject(path, await readText(path));
  const shape = schemaIssues(agentFileValidator, document);
  if (shape.length > 0 || !agentFileValidator.Check(document)) throw invalid(path, shape);
  const issues: SchemaIssue[] = [];
  const unknown = unknownKeys(document);
  const settings = readSettings(document, { issues, unknown });
  if (issues.length > 0) throw invalid(path, issues);
  return { settings, warnings: unknown.map((key) => `${path}: "${key}" is not used by this version and is ignored`) };
}

async function readText(path: string): Promise<string> {
  if (path.endsWith(".hcl")) {
    throw new AtollError("CONFIG_INVALID", `config file ${path}: HCL cannot be read by this version, write it as JSON`);
  }
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    throw new AtollError("CONFIG_INVALID", `config file ${path} cannot be read: ${errorMessage(thrown)}`, {
      cause: thrown,
    });
  }
}

function parseObject(path: string, text: string): object {
  const parsed = parseJsonText(text);
  if (!parsed.ok) {
    const where = `line ${parsed.line}, column ${parsed.column}`;
    throw new AtollError("CONFIG_INVALID", `config file ${path}, ${where}: ${parsed.message}`);
  }
  if (typeof parsed.value === "object" && parsed.value !== null && !Array.isArray(parsed.value)) return parsed.value;
  throw new AtollError("CONFIG_INVALID", `config file ${path}: must hold one JSON object`);
}

function invalid(path: string, issues: readonly SchemaIssue[]): AtollError {
  return new AtollError("CONFIG_INVALID", `config file ${path}: ${formatIssues(issues)}`);
}

interface Found {
  readonly issues: SchemaIssue[];
  readonly unknown: string[];
}

function readSettings(file: AgentFile, found: Found): AgentSettings {
  const listed = <T>(one: T | undefined, many: readonly T[] | undefined, name: string): { path: string; raw: T }[] => [
    ...(one === undefined ? [] : [{ path: name, raw: one }]),
    ...(many ?? []).map((raw, i) => ({ path: `${name}s[${i}]`, raw })),
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
      clientAddress: file.addresses?.http ?? file.client_addr,
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
      checkUpdateIntervalMs: interval,
      acl: file.acl,
      audit: file.audit && readAudit(file.audit, found.issues),
    }),
    join: [...(file.start_join ?? []), ...(file.retry_join ?? [])],
    services: listed(file.service, file.services, "service").flatMap(({ path, raw }) =>
      unwrap(decodeService(raw), path, found),
    ),
    checks: listed(file.check, file.checks, "check").flatMap(({ path, raw }) => unwrap(decodeCheck(raw), path, found)),
  };
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
