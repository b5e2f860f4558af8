import type { SchemaIssue } from "../../lib/contract/schema-issues.ts";
import { schemaIssues } from "../../lib/contract/schema-issues.ts";
import { parseHostPort } from "../../lib/contract/address.ts";
import type { CheckDefinition, CheckProbe } from "../service-definition.ts";
import { canonicalKeys } from "../../lib/contract/canonical-keys.ts";
import type { Decoded } from "./decode-result.ts";
import { readDurationMs } from "./durations.ts";
import { nameIssues } from "./name-issues.ts";
import { CheckSchema, type RawCheck, checkValidator } from "./schemas.ts";

/** Consul's limits and defaults for checks. */
export const maxCheckOutputBytes = 4_096;
export const defaultProbeTimeoutMs = 10_000;
export const minProbeIntervalMs = 1_000;
export const minDeregisterAfterMs = 60_000;

/** Decodes a check of its own: the body of `/v1/agent/check/register` or a member of a `checks` block. */
export function decodeCheck(document: unknown): Decoded<CheckDefinition> {
  const canonical = canonicalKeys(CheckSchema, document);
  const shape = [...canonical.issues, ...schemaIssues(checkValidator, canonical.value)];
  if (shape.length > 0 || !checkValidator.Check(canonical.value)) return { ok: false, stage: "shape", issues: shape };
  const issues: SchemaIssue[] = [];
  const raw = canonical.value;
  if (blank(raw.Name)) issues.push({ path: "", message: "Missing check name" });
  const value = readCheck(raw, { isServiceCheck: false }, issues);
  if (value === undefined || issues.length > 0) return { ok: false, stage: "rules", issues };
  return { ok: true, value, unknownFields: canonical.unknownFields };
}

/**
 * Reads a check whose shape is right. Adds what is wrong to `issues`; undefined when there is no usable probe. A check
 * inside a service belongs to that service, so its own `ServiceID` has no meaning and is dropped.
 */
export function readCheck(
  raw: RawCheck,
  options: { readonly isServiceCheck: boolean },
  issues: SchemaIssue[],
): CheckDefinition | undefined {
  const checkId = raw.CheckID ?? raw.ID ?? "";
  issues.push(...nameIssues("CheckID", checkId), ...nameIssues("Name", raw.Name ?? ""));
  const probe = readProbe(raw, issues);
  const failuresBeforeCritical = raw.FailuresBeforeCritical ?? 0;
  const failuresBeforeWarning = raw.FailuresBeforeWarning ?? failuresBeforeCritical;
  if (failuresBeforeWarning > failuresBeforeCritical) {
    const message = `${failuresBeforeWarning} can't be higher than FailuresBeforeCritical, which is ${failuresBeforeCritical}`;
    issues.push({ path: "FailuresBeforeWarning", message });
  }
  const after = "DeregisterCriticalServiceAfter";
  const deregisterAfterMs = readDurationMs(after, raw.DeregisterCriticalServiceAfter, issues);
  if (probe === undefined) return undefined;
  return {
    checkId: checkId === "" && !options.isServiceCheck ? (raw.Name ?? "") : checkId,
    name: raw.Name ?? "",
    notes: raw.Notes ?? "",
    serviceId: options.isServiceCheck ? "" : (raw.ServiceID ?? ""),
    initialStatus: raw.Status === undefined || raw.Status === "" ? "critical" : raw.Status,
    successBeforePassing: raw.SuccessBeforePassing ?? 0,
    failuresBeforeWarning,
    failuresBeforeCritical,
    deregisterCriticalServiceAfterMs: deregisterAfterMs === 0 ? 0 : Math.max(deregisterAfterMs, minDeregisterAfterMs),
    outputMaxBytes: Math.min(
      raw.OutputMaxSize === undefined || raw.OutputMaxSize === 0 ? maxCheckOutputBytes : raw.OutputMaxSize,
      maxCheckOutputBytes,
    ),
    probe,
  };
}

const unsupportedKinds = [
  "GRPC",
  "GRPCUseTLS",
  "UDP",
  "H2PING",
  "Script",
  "ScriptArgs",
  "Args",
  "Shell",
  "DockerContainerID",
  "OSService",
  "TCPUseTLS",
] as const;

function readProbe(raw: RawCheck, issues: SchemaIssue[]): CheckProbe | undefined {
  const unsupported = unsupportedKinds.filter((kind) => isGiven(raw[kind]));
  for (const kind of unsupported) {
    issues.push({
      path: kind,
      message: "checks of this kind are not supported by this version; use HTTP, TCP, TTL or AliasService",
    });
  }
  if (unsupported.length > 0) return undefined;
  const intervalMs = readDurationMs("Interval", raw.Interval, issues);
  const timeoutMs = readDurationMs("Timeout", raw.Timeout, issues) || defaultProbeTimeoutMs;
  const ttlMs = readDurationMs("TTL", raw.TTL, issues);
  if (issues.length > 0) return undefined;
  if (intervalMs > 0 && ttlMs > 0) {
    issues.push({
      path: "",
      message: "Interval and TTL cannot both be specified: give Interval for HTTP and TCP checks, TTL for heartbeats",
    });
    return undefined;
  }
  const kinds = [
    ...(blank(raw.HTTP) ? [] : ["HTTP"]),
    ...(blank(raw.TCP) ? [] : ["TCP"]),
    ...(blank(raw.AliasService) && blank(raw.AliasNode) ? [] : ["AliasService"]),
    ...(ttlMs > 0 ? ["TTL"] : []),
  ];
  if (kinds.length > 1) {
    issues.push({ path: "", message: `${kinds.join(" and ")} cannot be specified together: make one check of each` });
    return undefined;
  }
  const timing = { intervalMs: Math.max(intervalMs, minProbeIntervalMs), timeoutMs };
  switch (kinds[0]) {
    case "HTTP":
      return needsInterval(intervalMs, issues) ? readHttpProbe(raw, timing, issues) : undefined;
    case "TCP":
      return needsInterval(intervalMs, issues) ? readTcpProbe(raw, timing, issues) : undefined;
    case "TTL":
      return { type: "ttl", ttlMs };
    case "AliasService":
      if (intervalMs === 0) return { type: "alias", node: raw.AliasNode ?? "", service: raw.AliasService ?? "" };
      issues.push({ path: "Interval", message: "cannot be set for Alias checks: they follow the service at once" });
      return undefined;
    default:
      issues.push({
        path: "",
        message: "TTL must be > 0 for TTL checks: a check needs HTTP, TCP, TTL or AliasService",
      });
      return undefined;
  }
}

function needsInterval(intervalMs: number, issues: SchemaIssue[]): boolean {
  if (intervalMs > 0) return true;
  issues.push({ path: "Interval", message: 'must be > 0 for HTTP and TCP checks, as in "10s"' });
  return false;
}

interface Timing {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

const methodPattern = /^[A-Za-z]{1,32}$/;

function readHttpProbe(raw: RawCheck, timing: Timing, issues: SchemaIssue[]): CheckProbe | undefined {
  const url = raw.HTTP ?? "";
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !["http:", "https:"].includes(parsed.protocol)) {
    issues.push({
      path: "HTTP",
      message: `must be a URL such as "http://127.0.0.1:8080/health", found ${JSON.stringify(url)}`,
    });
  }
  const method = raw.Method === undefined || raw.Method === "" ? "GET" : raw.Method;
  if (!methodPattern.test(method)) {
    issues.push({ path: "Method", message: `must be an HTTP method such as "GET", found ${JSON.stringify(method)}` });
  }
  issues.push(...headerIssues(raw.Header ?? {}));
  return {
    type: "http",
    url,
    method: method.toUpperCase(),
    headers: raw.Header ?? {},
    body: raw.Body ?? "",
    tlsSkipVerify: raw.TLSSkipVerify ?? false,
    tlsServerName: raw.TLSServerName ?? "",
    disableRedirects: raw.DisableRedirects ?? false,
    ...timing,
  };
}

const headerNamePattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

function headerIssues(headers: Readonly<Record<string, readonly string[]>>): SchemaIssue[] {
  return Object.entries(headers).flatMap(([name, values]) => {
    const path = `Header.${name}`;
    if (!headerNamePattern.test(name)) return [{ path, message: "is not a header name" }];
    return values.some((value) => /[\r\n\0]/.test(value)) ? [{ path, message: "may not hold a line break" }] : [];
  });
}

function readTcpProbe(raw: RawCheck, timing: Timing, issues: SchemaIssue[]): CheckProbe | undefined {
  const address = raw.TCP ?? "";
  const parsed = parseHostPort(address);
  if (parsed === undefined || parsed.port === 0) {
    issues.push({
      path: "TCP",
      message: `must be host:port with a port from 1 to 65535, found ${JSON.stringify(address)}`,
    });
  }
  return { type: "tcp", address, ...timing };
}

/** A field that carries its type's zero value counts as not given, as it does for Consul's clients in Go. */
function isGiven(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== "" && value !== false;
}

function blank(text: string | undefined): boolean {
  return text === undefined || text === "";
}
