import { checkAnswer } from "../../lib/http/check-answer.ts";
import { catalogOwner } from "../../lib/contract/catalog.ts";
import type {
  ConnectProxyFields,
  NodeRecord,
  ServiceFields,
  ServiceInstance,
  ServiceRecord,
  Upstream,
} from "../../lib/contract/catalog.ts";

/**
 * Consul's JSON of catalog records: names, order and which empty fields are left out (Go's `omitempty`), because clients
 * pair answers by position and diff them as text. `Owner` is ours, behind all of Consul's: the ID of the node whose agent
 * holds the registration, or `catalog`. Clients pass over it.
 */
export function nodeAnswer(node: NodeRecord): object {
  return {
    ID: node.ID,
    Node: node.Node,
    Address: node.Address,
    Datacenter: node.Datacenter,
    TaggedAddresses: node.TaggedAddresses,
    Meta: node.Meta,
    ...(node.Locality !== undefined && { Locality: node.Locality }),
    CreateIndex: node.CreateIndex,
    ModifyIndex: node.ModifyIndex,
  };
}

/** An entry of `/v1/catalog/service/:name`: the service's fields, prefixed, beside its node's. */
export function serviceNodeAnswer({ Node: node, Service: service }: ServiceInstance): object {
  return {
    ID: node.ID,
    Node: node.Node,
    Address: node.Address,
    Datacenter: node.Datacenter,
    TaggedAddresses: node.TaggedAddresses,
    NodeMeta: node.Meta,
    ServiceKind: service.Kind,
    ServiceID: service.ID,
    ServiceName: service.Service,
    ServiceTags: service.Tags,
    ServiceAddress: service.Address,
    ...unlessEmpty("ServiceTaggedAddresses", service.TaggedAddresses),
    ServiceWeights: { Passing: service.Weights.Passing, Warning: service.Weights.Warning },
    ServiceMeta: service.Meta,
    ServicePort: service.Port,
    ...(service.Ports !== undefined && { ServicePorts: service.Ports }),
    ServiceSocketPath: service.SocketPath ?? "",
    ServiceEnableTagOverride: service.EnableTagOverride,
    ServiceProxy: proxyAnswer(service.Proxy),
    ServiceConnect: connectAnswer(service.Connect),
    ...(service.Locality !== undefined && { ServiceLocality: service.Locality }),
    CreateIndex: service.CreateIndex,
    ModifyIndex: service.ModifyIndex,
    Owner: service.Owner ?? catalogOwner,
  };
}

/** A service as part of its node: in `/v1/health/service/:name` and `/v1/catalog/node/:node`. */
export function nodeServiceAnswer(service: ServiceRecord): object {
  return {
    ...(service.Kind === "" ? {} : { Kind: service.Kind }),
    ID: service.ID,
    Service: service.Service,
    Tags: service.Tags,
    Address: service.Address,
    ...unlessEmpty("TaggedAddresses", service.TaggedAddresses),
    Meta: service.Meta,
    Port: service.Port,
    ...(service.Ports !== undefined && { Ports: service.Ports }),
    ...unlessEmpty("SocketPath", service.SocketPath),
    Weights: { Passing: service.Weights.Passing, Warning: service.Weights.Warning },
    EnableTagOverride: service.EnableTagOverride,
    Proxy: proxyAnswer(service.Proxy),
    Connect: connectAnswer(service.Connect),
    ...(service.Locality !== undefined && { Locality: service.Locality }),
    CreateIndex: service.CreateIndex,
    ModifyIndex: service.ModifyIndex,
    Owner: service.Owner ?? catalogOwner,
  };
}

/** An entry of `/v1/health/service/:name`. */
export function healthEntryAnswer(instance: ServiceInstance): object {
  return {
    Node: nodeAnswer(instance.Node),
    Service: nodeServiceAnswer(instance.Service),
    Checks: instance.Checks.map(checkAnswer),
  };
}

function proxyAnswer(proxy: ConnectProxyFields | undefined): object {
  return {
    ...unlessEmpty("DestinationServiceName", proxy?.DestinationServiceName),
    ...unlessEmpty("DestinationServiceID", proxy?.DestinationServiceID),
    ...unlessEmpty("LocalServiceAddress", proxy?.LocalServiceAddress),
    ...unlessEmpty("LocalServicePort", proxy?.LocalServicePort),
    ...unlessEmpty("LocalServiceSocketPath", proxy?.LocalServiceSocketPath),
    Mode: proxy?.Mode ?? "",
    ...unlessEmpty("TransparentProxy", proxy?.TransparentProxy),
    ...unlessEmpty("MutualTLSMode", proxy?.MutualTLSMode),
    ...unlessEmpty("Config", proxy?.Config),
    ...unlessEmpty("EnvoyExtensions", proxy?.EnvoyExtensions),
    ...unlessEmpty("Upstreams", proxy?.Upstreams.map(upstreamAnswer)),
    MeshGateway: proxy?.MeshGateway ?? {},
    Expose: proxy?.Expose ?? {},
    ...unlessEmpty("AccessLogs", proxy?.AccessLogs),
  };
}

function upstreamAnswer(upstream: Upstream): object {
  return {
    DestinationType: upstream.DestinationType,
    ...unlessEmpty("DestinationPeer", upstream.DestinationPeer),
    DestinationName: upstream.DestinationName,
    Datacenter: upstream.Datacenter,
    ...unlessEmpty("LocalBindAddress", upstream.LocalBindAddress),
    ...unlessEmpty("LocalBindPort", upstream.LocalBindPort),
    ...unlessEmpty("LocalBindSocketPath", upstream.LocalBindSocketPath),
    ...unlessEmpty("LocalBindSocketMode", upstream.LocalBindSocketMode),
    Config: upstream.Config,
    MeshGateway: upstream.MeshGateway ?? {},
  };
}

function connectAnswer(connect: ServiceFields["Connect"]): object {
  return connect.Native ? { Native: true } : {};
}

/** The field, unless it has Go's zero value. */
export function unlessEmpty(name: string, value: string | number | object | undefined): object {
  const isEmpty =
    value === undefined ||
    value === "" ||
    value === 0 ||
    (typeof value === "object" && Object.keys(value).length === 0);
  return isEmpty ? {} : { [name]: value };
}
