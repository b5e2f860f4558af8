import type {
  CheckFields,
  ConnectProxyFields,
  NodeFields,
  ServiceFields,
  Weights,
  TaggedAddress,
  Upstream,
} from "../../lib/contract/catalog.ts";
import type { DeregisterCommand, RegisterCommand } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Locality } from "../../lib/contract/locality.ts";
import { readProxyExtras, readUpstreamExtras } from "../../lib/contract/proxy-registration.ts";
import { readServicePorts } from "../../lib/contract/service-ports.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import type { CheckBody, DeregisterBody, LocalityBody, RegisterBody, ServiceBody } from "./register-schema.ts";
import { checkRegistration, checksOf } from "./register-rules.ts";

/**
 * Makes complete commands of catalog requests: every default is filled in here, so that applying one needs nothing else.
 * Throws `INVALID_ARGUMENT`; nothing is half-registered, since a command is applied whole or not at all.
 */
export function registerCommand(body: RegisterBody, datacenter: string): RegisterCommand {
  mustKnowDatacenter(body.Datacenter, datacenter);
  checkRegistration(body);
  const node = nodeFields(body, datacenter);
  const service = body.Service === undefined ? undefined : serviceFields(body.Service);
  return {
    type: "register",
    node,
    skipNodeUpdate: body.SkipNodeUpdate ?? false,
    ...(service === undefined ? {} : { service }),
    checks: checksOf(body).map((check) => checkFields(check, node.Node, service)),
  };
}

/** `isForced`: an agent that has it as well does not bring it back by itself. */
export function deregisterCommand(
  body: DeregisterBody,
  { datacenter, isForced = false }: { readonly datacenter: string; readonly isForced?: boolean },
): DeregisterCommand {
  mustKnowDatacenter(body.Datacenter, datacenter);
  if (!body.Node) throw new AtollError("INVALID_ARGUMENT", "Must provide node");
  return {
    type: "deregister",
    node: body.Node,
    ...(body.ServiceID ? { serviceId: body.ServiceID } : {}),
    ...(body.CheckID ? { checkId: body.CheckID } : {}),
    ...(isForced ? { isForced } : {}),
  };
}

function mustKnowDatacenter(asked: string | undefined, datacenter: string): void {
  if (asked && asked !== datacenter) throw new AtollError("NOT_FOUND", "No path to datacenter", { status: 500 });
}

function nodeFields(body: RegisterBody, datacenter: string): NodeFields {
  return {
    ID: (body.ID ?? "").toLowerCase(),
    Node: body.Node ?? "",
    Address: body.Address ?? "",
    Datacenter: datacenter,
    TaggedAddresses: body.TaggedAddresses ?? {},
    Meta: body.NodeMeta ?? {},
    ...locality(body.Locality),
  };
}

/** Go's client sends zeros for weights that nobody has set. */
function weights({ Passing = 0, Warning }: NonNullable<ServiceBody["Weights"]> = {}): Weights {
  if (Passing === 0) return { Passing: 1, Warning: Warning || 1 };
  return { Passing, Warning: Warning ?? 1 };
}

function serviceFields(body: ServiceBody): ServiceFields {
  const name = body.Service ?? "";
  return {
    Kind: body.Kind ?? "",
    ID: body.ID || name,
    Service: name,
    Tags: body.Tags ?? [],
    Meta: body.Meta ?? {},
    Port: body.Port ?? 0,
    ...servicePorts(body),
    Address: body.Address ?? "",
    ...(body.SocketPath && { SocketPath: body.SocketPath }),
    TaggedAddresses: body.TaggedAddresses === undefined ? {} : taggedAddresses(body.TaggedAddresses),
    Weights: weights(body.Weights),
    EnableTagOverride: body.EnableTagOverride ?? false,
    ...(hasProxy(body) ? { Proxy: proxyFields(body.Proxy ?? {}) } : {}),
    Connect: { Native: body.Connect?.Native ?? false },
    ...locality(body.Locality),
  };
}

/** A gateway may have one; an ordinary service sends an empty one. */
function hasProxy({ Kind: kind, Proxy: proxy }: ServiceBody): boolean {
  return kind === "connect-proxy" || (Boolean(kind) && !isZeroValue(proxy));
}

function servicePorts(body: ServiceBody): Pick<ServiceFields, "Ports"> {
  const ports = readServicePorts(body.Ports);
  return ports === undefined ? {} : { Ports: ports };
}

/** One that says nothing is none. */
function locality(body: LocalityBody | undefined): { readonly Locality?: Locality } {
  const { Region = "", Zone = "" } = body ?? {};
  return Region + Zone === "" ? {} : { Locality: { Region, Zone } };
}

function taggedAddresses(body: NonNullable<ServiceBody["TaggedAddresses"]>): Record<string, TaggedAddress> {
  const entries = Object.entries(body).map(([tag, { Address = "", Port = 0 }]) => [tag, { Address, Port }] as const);
  return Object.fromEntries(entries);
}

type ProxyBody = NonNullable<ServiceBody["Proxy"]>;

function proxyFields(body: ProxyBody): ConnectProxyFields {
  return {
    DestinationServiceName: body.DestinationServiceName ?? "",
    DestinationServiceID: body.DestinationServiceID ?? "",
    LocalServiceAddress: body.LocalServiceAddress ?? "",
    LocalServicePort: body.LocalServicePort ?? 0,
    Config: body.Config ?? {},
    Upstreams: (body.Upstreams ?? []).map(upstreamFields),
    ...readProxyExtras(body),
  };
}

function upstreamFields(body: NonNullable<ProxyBody["Upstreams"]>[number]): Upstream {
  return {
    DestinationType: body.DestinationType || "service",
    DestinationName: body.DestinationName ?? "",
    Datacenter: body.Datacenter ?? "",
    LocalBindAddress: body.LocalBindAddress ?? "",
    LocalBindPort: body.LocalBindPort ?? 0,
    Config: body.Config ?? {},
    ...readUpstreamExtras(body),
  };
}

/** A check without a service judges the node; the state fills name and tags of a service that was there before. */
function checkFields(body: CheckBody, node: string, service: ServiceFields | undefined): CheckFields {
  const isOfService = service !== undefined && body.ServiceID === service.ID;
  return {
    Node: body.Node || node,
    CheckID: body.CheckID || (body.Name ?? ""),
    Name: body.Name ?? "",
    Status: body.Status || "critical",
    Notes: body.Notes ?? "",
    Output: body.Output ?? "",
    ServiceID: body.ServiceID ?? "",
    ServiceName: isOfService ? service.Service : (body.ServiceName ?? ""),
    ServiceTags: isOfService ? service.Tags : [],
    Type: body.Type ?? "",
    Interval: body.Interval ?? "",
    Timeout: body.Timeout ?? "",
    Definition: body.Definition ?? {},
  };
}
