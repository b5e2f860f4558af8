import { addressIssues, isUuid, metaIssues, nameIssues } from "../../lib/contract/catalog-rules.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { localityProblem } from "../../lib/contract/locality.ts";
import { formatIssues } from "../../lib/contract/schema-issues.ts";
import type { SchemaIssue } from "../../lib/contract/schema-issues.ts";
import { readServicePorts, servicePortIssues } from "../../lib/contract/service-ports.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import type { CheckBody, LocalityBody, RegisterBody, ServiceBody } from "./register-schema.ts";

/** What must be there, and what fits together, in a body of `/v1/catalog/register`. Throws `INVALID_ARGUMENT`. */
export function checkRegistration(body: RegisterBody): void {
  if (!body.Node) refuse("Must provide node");
  if (!body.Address && body.SkipNodeUpdate !== true) refuse("Must provide address if SkipNodeUpdate is not set");
  if (body.ID && !isUuid(body.ID)) refuse(`Bad node ID: "${body.ID}" is not a UUID`);
  if (body.Service !== undefined) mustBeService(body.Service);
  const checks = checksOf(body);
  for (const check of checks) mustBeCheck(check, body.Node ?? "");
  const issues: SchemaIssue[] = [];
  issues.push(...nameIssues("Node", body.Node ?? ""), ...addressIssues("Address", body.Address ?? ""));
  addLocalityIssue(issues, "Locality", body.Locality);
  if (body.NodeMeta !== undefined) issues.push(...metaIssues("NodeMeta", body.NodeMeta));
  if (body.Service !== undefined) addServiceIssues(issues, body.Service);
  for (const check of checks) {
    issues.push(...nameIssues("Check.CheckID", check.CheckID ?? ""), ...nameIssues("Check.Name", check.Name ?? ""));
  }
  if (issues.length > 0) refuse(formatIssues(issues));
}

/** A body may hold one check, a list of them, or both. */
export function checksOf(body: RegisterBody): readonly CheckBody[] {
  const { Check: one, Checks: more = [] } = body;
  return one === undefined ? more : [one, ...more];
}

function mustBeService(service: ServiceBody): void {
  if (!service.Service) {
    refuse(
      service.ID
        ? "Must provide service name (Service.Service) when service ID is provided"
        : "Must provide service name (Service.Service)",
    );
  }
  if (!service.Kind) {
    if (!isZeroValue(service.Proxy)) refuse('Service.Proxy is only valid with Service.Kind "connect-proxy"');
    if (service.Connect?.Native === true && !service.Port && !service.SocketPath && isZeroValue(service.Ports)) {
      refuse("Port or SocketPath must be set for a Connect native service.");
    }
  } else if (service.Kind === "connect-proxy") mustBeConnectProxy(service);
  else mustBeGateway(service);
}

function mustBeConnectProxy(service: ServiceBody): void {
  const destination = service.Proxy?.DestinationServiceName ?? "";
  if (destination === "") refuse("Proxy.DestinationServiceName must be non-empty for Connect proxy services");
  if (destination === "*") refuse("Proxy.DestinationServiceName must not be a wildcard for Connect proxy services");
  if (!service.Port && !service.SocketPath) refuse("Port or SocketPath must be set for a connect-proxy");
  if (service.Connect?.Native === true) refuse("A Proxy cannot also be Connect Native, only typical services");
}

function mustBeGateway({ Kind: kind, Port: port, Ports: ports, Proxy: proxy, Connect: connect }: ServiceBody): void {
  const hasOwnListeners = kind === "ingress-gateway" || kind === "api-gateway";
  if (!port && isZeroValue(ports) && !hasOwnListeners) refuse(`Port must be non-zero for a ${kind}`);
  for (const field of proxyFieldsOfNoGateway) {
    if (!isZeroValue(proxy?.[field])) refuse(`The Proxy.${field} configuration is invalid for a ${kind}`);
  }
  if (connect?.Native === true) refuse("A Proxy cannot also be Connect Native, only typical services");
}

const proxyFieldsOfNoGateway = [
  "DestinationServiceName",
  "DestinationServiceID",
  "LocalServiceAddress",
  "LocalServicePort",
  "LocalServiceSocketPath",
  "Upstreams",
] as const;

function mustBeCheck(check: CheckBody, node: string): void {
  if (!check.CheckID && !check.Name) refuse("Must provide a check name (Check.Name) or a check ID (Check.CheckID)");
  if (check.Node && check.Node !== node) refuse(`check node "${check.Node}" does not match node "${node}"`);
}

function addLocalityIssue(issues: SchemaIssue[], path: string, body: LocalityBody | undefined): void {
  const problem = localityProblem({ Region: body?.Region ?? "", Zone: body?.Zone ?? "" });
  if (problem !== undefined) issues.push({ path, message: problem });
}

function addServiceIssues(issues: SchemaIssue[], service: ServiceBody): void {
  issues.push(...nameIssues("Service.Service", service.Service ?? ""), ...nameIssues("Service.ID", service.ID ?? ""));
  issues.push(...addressIssues("Service.Address", service.Address ?? ""));
  addLocalityIssue(issues, "Service.Locality", service.Locality);
  if (service.Meta !== undefined) issues.push(...metaIssues("Service.Meta", service.Meta));
  if (service.Ports !== undefined) {
    issues.push(...servicePortIssues("Service.Ports", service.Port ?? 0, readServicePorts(service.Ports)));
  }
}

function refuse(message: string): never {
  throw new AtollError("INVALID_ARGUMENT", message);
}
