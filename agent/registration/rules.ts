import { addressIssues, metaIssues } from "../../lib/contract/catalog-rules.ts";
import type { SchemaIssue } from "../../lib/contract/schema-issues.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import type { ServiceDefinition } from "../service-definition.ts";
import { nameIssues } from "./name-issues.ts";

/** Names that can be a path segment of a SPIFFE id and, without dots, a DNS label: what the mesh needs of a name. */
const meshNamePattern = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,253}[A-Za-z0-9])?$/;

/** What is wrong with a decoded service on its own; whether it fits the other services of the agent is checked later. */
export function serviceIssues(service: ServiceDefinition): SchemaIssue[] {
  return [
    ...nameIssues("Name", service.name),
    ...nameIssues("ID", service.id),
    ...addressIssues("Address", service.address),
    ...metaIssues("Meta", service.meta),
    ...duplicateCheckIssues(service),
    ...meshIssues(service),
    ...proxyIssues(service),
    ...sidecarIssues(service),
  ];
}

function duplicateCheckIssues(service: ServiceDefinition): SchemaIssue[] {
  const ids = service.checks.map((check) => check.checkId).filter((id) => id !== "");
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  return twice === undefined ? [] : [{ path: "Checks", message: `the check id "${twice}" is used twice` }];
}

function meshIssues(service: ServiceDefinition): SchemaIssue[] {
  const isInMesh = service.sidecar !== undefined || service.connectNative || service.kind === "connect-proxy";
  if (!isInMesh || meshNamePattern.test(service.name)) return [];
  const message = `a service in the mesh needs a name of letters, digits, ".", "_" and "-", found ${JSON.stringify(service.name)}`;
  return [{ path: "Name", message }];
}

function proxyIssues(service: ServiceDefinition): SchemaIssue[] {
  const { kind, proxy } = service;
  if (kind === "") {
    const message =
      'The Proxy configuration is only valid with Kind "connect-proxy"; a service with a sidecar has it in Connect.SidecarService.Proxy';
    return proxy === undefined ? [] : [{ path: "Proxy", message }];
  }
  const issues = kind === "connect-proxy" ? connectProxyIssues(service) : gatewayIssues(service);
  if (service.connectNative) {
    issues.push({ path: "Connect.Native", message: "a Proxy cannot also be Connect Native, only typical services" });
  }
  if (service.sidecar !== undefined) {
    issues.push({ path: "Connect.SidecarService", message: `a ${kind} cannot have a sidecar service defined` });
  }
  return issues;
}

function connectProxyIssues({ proxy, port, ports, socketPath }: ServiceDefinition): SchemaIssue[] {
  const issues: SchemaIssue[] = [];
  const destination = proxy?.DestinationServiceName ?? "";
  if (destination === "") {
    issues.push({ path: "Proxy.DestinationServiceName", message: "must be non-empty for Connect proxy services" });
  }
  if (destination === "*") {
    issues.push({ path: "Proxy.DestinationServiceName", message: "must not be a wildcard for Connect proxy services" });
  }
  if (port === 0 && socketPath === undefined) {
    issues.push({ path: "Port", message: "Port or SocketPath must be set for a Connect proxy: others dial it there" });
  }
  if (ports !== undefined) issues.push({ path: "Ports", message: "a Connect proxy has one port: use Port" });
  return issues;
}

function gatewayIssues({ kind, proxy, port, ports }: ServiceDefinition): SchemaIssue[] {
  const issues: SchemaIssue[] = [];
  const hasOwnListeners = kind === "ingress-gateway" || kind === "api-gateway";
  if (port === 0 && ports === undefined && !hasOwnListeners) {
    issues.push({ path: "Port", message: `Port must be non-zero for a ${kind}` });
  }
  for (const field of proxyFieldsOfNoGateway) {
    const value = proxy?.[field];
    if (isZeroValue(value)) continue;
    issues.push({ path: `Proxy.${field}`, message: `The Proxy.${field} configuration is invalid for a ${kind}` });
  }
  return issues;
}

const proxyFieldsOfNoGateway = [
  "DestinationServiceName",
  "DestinationServiceID",
  "LocalServiceAddress",
  "LocalServicePort",
  "LocalServiceSocketPath",
  "Upstreams",
] as const;

function sidecarIssues(service: ServiceDefinition): SchemaIssue[] {
  const { sidecar } = service;
  if (sidecar === undefined || service.kind !== "") return [];
  const path = "Connect.SidecarService";
  const proxy = sidecar.proxy ?? {};
  const issues = [
    ...metaIssues(`${path}.Meta`, sidecar.meta ?? {}),
    ...addressIssues(`${path}.Address`, sidecar.address ?? ""),
    ...nameIssues(`${path}.Name`, sidecar.name ?? ""),
  ];
  if (service.connectNative) {
    issues.push({ path, message: "a Connect Native service does its own mTLS and cannot have a sidecar" });
  }
  // A sidecar stands for the service that it is registered with: another destination would not exist or be another's.
  if (proxy.DestinationServiceName !== undefined && proxy.DestinationServiceName !== service.name) {
    const message = `must be the service itself, "${service.name}", or left out, found "${proxy.DestinationServiceName}"`;
    issues.push({ path: `${path}.Proxy.DestinationServiceName`, message });
  }
  if (proxy.DestinationServiceID !== undefined && proxy.DestinationServiceID !== service.id) {
    const message = `must be the service itself, "${service.id}", or left out, found "${proxy.DestinationServiceID}"`;
    issues.push({ path: `${path}.Proxy.DestinationServiceID`, message });
  }
  const upstreamOnOwnPort = (proxy.Upstreams ?? []).find((upstream) => upstream.LocalBindPort === sidecar.port);
  if (sidecar.port !== undefined && upstreamOnOwnPort !== undefined) {
    const message = `port ${sidecar.port} is already the local bind port of the upstream "${upstreamOnOwnPort.DestinationName}"`;
    issues.push({ path: `${path}.Port`, message });
  }
  return issues;
}
