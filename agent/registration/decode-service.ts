import { type ServiceKind, type Weights, serviceKinds } from "../../lib/contract/catalog.ts";
import { type Locality, localityProblem } from "../../lib/contract/locality.ts";
import { type SchemaIssue, schemaIssues } from "../../lib/contract/schema-issues.ts";
import type { CheckDefinition, ServiceDefinition, SidecarDefinition } from "../service-definition.ts";
import { canonicalKeys } from "../../lib/contract/canonical-keys.ts";
import { readCheck } from "./decode-check.ts";
import { localHost, readProxy } from "./decode-proxy.ts";
import { type Decoded, issuesUnder } from "./decode-result.ts";
import { serviceIssues } from "./rules.ts";
import { type RawInstance, type RawService, type RawSidecar, ServiceSchema, serviceValidator } from "./schemas.ts";

/** Decodes a service: the body of `/v1/agent/service/register` or a member of a `services` block of a config file. */
export function decodeService(document: unknown): Decoded<ServiceDefinition> {
  const canonical = canonicalKeys(ServiceSchema, document);
  const shape = [...canonical.issues, ...schemaIssues(serviceValidator, canonical.value)];
  if (shape.length > 0 || !serviceValidator.Check(canonical.value)) return { ok: false, stage: "shape", issues: shape };
  const issues: SchemaIssue[] = [];
  const value = readService(canonical.value, issues);
  if (issues.length === 0) issues.push(...serviceIssues(value));
  if (issues.length > 0) return { ok: false, stage: "rules", issues };
  return { ok: true, value, unknownFields: canonical.unknownFields };
}

const defaultWeights: Weights = { Passing: 1, Warning: 1 };

function readService(raw: RawService, issues: SchemaIssue[]): ServiceDefinition {
  const name = raw.Name ?? "";
  if (name === "") issues.push({ path: "", message: "Missing service name" });
  refuseUnsupported(raw, issues);
  const locality = readLocality(raw, issues);
  const sidecar = raw.Connect?.SidecarService;
  const proxy =
    raw.Proxy === undefined ? undefined : readUnder("Proxy", issues, (own) => readProxy(raw.Proxy ?? {}, own));
  return {
    kind: readKind(raw.Kind ?? "", issues),
    id: raw.ID || name,
    name,
    tags: raw.Tags ?? [],
    meta: raw.Meta ?? {},
    address: raw.Address ?? "",
    port: raw.Port ?? 0,
    taggedAddresses: readTaggedAddresses(raw),
    weights: readWeights(raw.Weights) ?? defaultWeights,
    enableTagOverride: raw.EnableTagOverride ?? false,
    ...(proxy !== undefined && {
      proxy: {
        DestinationServiceName: proxy.DestinationServiceName ?? "",
        DestinationServiceID: proxy.DestinationServiceID ?? "",
        LocalServiceAddress: proxy.LocalServiceAddress ?? localHost,
        LocalServicePort: proxy.LocalServicePort ?? 0,
        Config: proxy.Config ?? {},
        Upstreams: proxy.Upstreams ?? [],
      },
    }),
    connectNative: raw.Connect?.Native ?? false,
    ...(raw.Token && { token: raw.Token }),
    ...(locality !== undefined && { locality }),
    ...(sidecar !== undefined && {
      sidecar: readUnder("Connect.SidecarService", issues, (own) => readSidecar(sidecar, own)),
    }),
    checks: readChecks(raw, issues),
  };
}

function readSidecar(raw: RawSidecar, issues: SchemaIssue[]): SidecarDefinition {
  if (raw.ID)
    issues.push({ path: "ID", message: 'sidecar service cannot specify an ID: it is always "<id>-sidecar-proxy"' });
  if (raw.Connect !== undefined)
    issues.push({ path: "Connect", message: "sidecar service cannot have a nested sidecar service" });
  if (raw.Kind && raw.Kind !== "connect-proxy") {
    issues.push({ path: "Kind", message: `must be "connect-proxy" or left out, found ${JSON.stringify(raw.Kind)}` });
  }
  refuseUnsupported(raw, issues);
  const checks = readChecks(raw, issues);
  const weights = readWeights(raw.Weights);
  const locality = readLocality(raw, issues);
  return {
    ...(raw.Name && { name: raw.Name }),
    ...(raw.Tags && { tags: raw.Tags }),
    ...(raw.Meta && { meta: raw.Meta }),
    ...(raw.Address && { address: raw.Address }),
    ...(raw.TaggedAddresses && { taggedAddresses: readTaggedAddresses(raw) }),
    ...(weights && { weights }),
    ...(raw.EnableTagOverride !== undefined && { enableTagOverride: raw.EnableTagOverride }),
    ...(locality !== undefined && { locality }),
    ...(raw.Port && { port: raw.Port }),
    ...(raw.Proxy && { proxy: readUnder("Proxy", issues, (own) => readProxy(raw.Proxy ?? {}, own)) }),
    ...(checks.length > 0 && { checks }),
  };
}

function readKind(kind: string, issues: SchemaIssue[]): ServiceKind {
  const known = serviceKinds.find((candidate) => candidate === kind);
  if (known === undefined) {
    const message = `must be "" or "connect-proxy" in this version, found ${JSON.stringify(kind)}`;
    issues.push({ path: "Kind", message });
  }
  return known ?? "";
}

function readChecks(raw: RawInstance, issues: SchemaIssue[]): CheckDefinition[] {
  const entries = [
    ...(raw.Check === undefined ? [] : [{ path: "Check", check: raw.Check }]),
    ...(raw.Checks ?? []).map((check, i) => ({ path: `Checks[${i}]`, check })),
  ];
  return entries.flatMap(({ path, check }) => {
    // Clients in Go send an empty object for "no check".
    if (Object.keys(check).length === 0) return [];
    return readUnder(path, issues, (own) => readCheck(check, { isServiceCheck: true }, own)) ?? [];
  });
}

function readTaggedAddresses(raw: RawInstance): ServiceDefinition["taggedAddresses"] {
  const entries = Object.entries(raw.TaggedAddresses ?? {});
  return Object.fromEntries(
    entries.map(([tag, value]) => [tag, { Address: value.Address ?? "", Port: value.Port ?? 0 }]),
  );
}

/** One that says nothing is none. */
function readLocality(raw: RawInstance, issues: SchemaIssue[]): Locality | undefined {
  const locality = { Region: raw.Locality?.Region ?? "", Zone: raw.Locality?.Zone ?? "" };
  const problem = localityProblem(locality);
  if (problem !== undefined) issues.push({ path: "Locality", message: problem });
  return locality.Region + locality.Zone === "" ? undefined : locality;
}

function readWeights(raw: RawInstance["Weights"]): Weights | undefined {
  return raw === undefined ? undefined : { Passing: raw.Passing ?? 1, Warning: raw.Warning ?? 1 };
}

function refuseUnsupported(raw: RawInstance, issues: SchemaIssue[]): void {
  for (const field of ["Ports", "SocketPath"] as const) {
    const value = raw[field];
    const isGiven = Array.isArray(value) ? value.length > 0 : value !== undefined && value !== "";
    if (isGiven) issues.push({ path: field, message: "is not supported by this version; use Port" });
  }
}

/** Runs `read` and files what it finds wrong under `path`. */
function readUnder<T>(path: string, issues: SchemaIssue[], read: (own: SchemaIssue[]) => T): T {
  const own: SchemaIssue[] = [];
  const value = read(own);
  issues.push(...issuesUnder(path, own));
  return value;
}
