import { parseHostPort } from "../../lib/contract/address.ts";
import type { SchemaIssue } from "../../lib/contract/schema-issues.ts";
import type { CheckProbe, ProbeTiming, ProbeTls } from "../service-definition.ts";
import { readDurationMs } from "./durations.ts";
import type { RawCheck } from "./schemas.ts";

/** Consul's defaults and floor. */
export const defaultProbeTimeoutMs = 10_000;
export const defaultScriptTimeoutMs = 30_000;
export const minProbeIntervalMs = 1_000;

type ProbeKind = Exclude<CheckProbe["type"], "maintenance">;

/** Where a check names several kinds, the first of these is what it is, as in Consul. */
const kindsByPriority: readonly ProbeKind[] = [
  "grpc",
  "http",
  "ttl",
  "tcp",
  "udp",
  "alias",
  "docker",
  "script",
  "h2ping",
  "os_service",
];

/** What a check does to find its status. Adds what is wrong to `issues`, with Consul's sentences; undefined when there is no usable probe. */
export function readProbe(raw: RawCheck, issues: SchemaIssue[]): CheckProbe | undefined {
  const found: SchemaIssue[] = [];
  const intervalMs = readDurationMs("Interval", raw.Interval, found);
  const timeoutMs = readDurationMs("Timeout", raw.Timeout, found);
  const ttlMs = readDurationMs("TTL", raw.TTL, found);
  if (found.length === 0) found.push(...timingIssues(raw, intervalMs, ttlMs));
  const kind = kindsByPriority.find((candidate) => isOfKind(raw, candidate, ttlMs));
  const probe = found.length > 0 || kind === undefined ? undefined : read();
  issues.push(...found);
  return probe;

  function read(): CheckProbe | undefined {
    const defaultTimeoutMs = kind === "script" || kind === "docker" ? defaultScriptTimeoutMs : defaultProbeTimeoutMs;
    const timing: ProbeTiming = {
      intervalMs: Math.max(intervalMs, minProbeIntervalMs),
      timeoutMs: timeoutMs || defaultTimeoutMs,
    };
    switch (kind) {
      case "grpc":
        return readGrpcProbe(raw, timing, found);
      case "http":
        return readHttpProbe(raw, timing, found);
      case "ttl":
        return { type: "ttl", ttlMs };
      case "tcp":
        found.push(...addressIssues("TCP", raw.TCP ?? ""));
        return { type: "tcp", address: raw.TCP ?? "", ...tls(raw, raw.TCPUseTLS), ...timing };
      case "udp":
        found.push(...addressIssues("UDP", raw.UDP ?? ""));
        return { type: "udp", address: raw.UDP ?? "", ...timing };
      case "alias":
        return { type: "alias", node: raw.AliasNode ?? "", service: raw.AliasService ?? "" };
      case "docker":
        return { type: "docker", container: raw.DockerContainerID ?? "", args: argsOf(raw), ...timing };
      case "script":
        return { type: "script", args: argsOf(raw), ...timing };
      case "h2ping":
        found.push(...addressIssues("H2PING", raw.H2PING ?? ""));
        return { type: "h2ping", address: raw.H2PING ?? "", ...tls(raw, raw.H2PingUseTLS ?? true), ...timing };
      case "os_service":
        return { type: "os_service", service: raw.OSService ?? "", ...timing };
      case undefined:
        return undefined;
    }
  }
}

function isOfKind(raw: RawCheck, kind: ProbeKind, ttlMs: number): boolean {
  switch (kind) {
    case "grpc":
      return given(raw.GRPC);
    case "http":
      return given(raw.HTTP);
    case "ttl":
      return ttlMs > 0;
    case "tcp":
      return given(raw.TCP);
    case "udp":
      return given(raw.UDP);
    case "alias":
      return isAlias(raw);
    case "docker":
      return argsOf(raw).length > 0 && given(raw.DockerContainerID);
    case "script":
      return argsOf(raw).length > 0;
    case "h2ping":
      return given(raw.H2PING);
    case "os_service":
      return given(raw.OSService);
  }
}

function timingIssues(raw: RawCheck, intervalMs: number, ttlMs: number): SchemaIssue[] {
  const hasInterval = [raw.GRPC, raw.HTTP, raw.TCP, raw.UDP, raw.H2PING, raw.OSService].some(given);
  const isPeriodic = hasInterval || argsOf(raw).length > 0;
  const invalid = (message: string): SchemaIssue[] => [{ path: "", message: `Invalid check: ${message}` }];
  if (intervalMs > 0 && ttlMs > 0) return invalid("Interval and TTL cannot both be specified");
  if (isPeriodic && intervalMs <= 0) {
    return invalid("Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks");
  }
  if (isAlias(raw) && (isPeriodic || intervalMs > 0)) return invalid("Interval cannot be set for Alias checks");
  if (isAlias(raw) && ttlMs > 0) return invalid("TTL must be not be set for Alias checks");
  return isPeriodic || isAlias(raw) || ttlMs > 0 ? [] : invalid("TTL must be > 0 for TTL checks");
}

/** A line for a shell, as old clients send it, is run by one; a list of arguments is not. */
function argsOf(raw: RawCheck): readonly string[] {
  const args = raw.ScriptArgs ?? raw.Args ?? [];
  if (args.length > 0) return args;
  return given(raw.Script) ? [raw.Shell || "/bin/sh", "-c", raw.Script] : [];
}

function isAlias(raw: RawCheck): boolean {
  return given(raw.AliasService) || given(raw.AliasNode);
}

function tls(raw: RawCheck, isWanted: boolean | undefined): { readonly tls?: ProbeTls } {
  if (isWanted !== true) return {};
  return { tls: { skipVerify: raw.TLSSkipVerify ?? false, serverName: raw.TLSServerName ?? "" } };
}

/** `host:port`, or `host:port/service`. */
function readGrpcProbe(raw: RawCheck, timing: ProbeTiming, issues: SchemaIssue[]): CheckProbe {
  const target = raw.GRPC ?? "";
  const slashAt = target.indexOf("/");
  const address = slashAt < 0 ? target : target.slice(0, slashAt);
  issues.push(...addressIssues("GRPC", address));
  const service = slashAt < 0 ? "" : target.slice(slashAt + 1);
  return { type: "grpc", address, service, ...tls(raw, raw.GRPCUseTLS), ...timing };
}

const methodPattern = /^[A-Za-z]{1,32}$/;

function readHttpProbe(raw: RawCheck, timing: ProbeTiming, issues: SchemaIssue[]): CheckProbe {
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

function addressIssues(path: string, address: string): SchemaIssue[] {
  const parsed = parseHostPort(address);
  if (parsed !== undefined && parsed.port !== 0) return [];
  const message = `must be host:port with a port from 1 to 65535, found ${JSON.stringify(address)}`;
  return [{ path, message }];
}

/** A field that carries its type's zero value counts as not given, as it does for Consul's clients in Go. */
function given(text: string | undefined): text is string {
  return text !== undefined && text !== "";
}
