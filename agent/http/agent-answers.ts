import { checkAnswer } from "../../lib/http/check-answer.ts";
import { createHash } from "node:crypto";
import type { CheckFields, ConnectProxyFields, ServiceFields, Upstream } from "../../lib/contract/catalog.ts";
import { readProxyExtras, readUpstreamExtras } from "../../lib/contract/proxy-registration.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import type { AgentIdentity } from "../agent-api.ts";

/**
 * Consul's JSON of local entries: names and which empty fields are left out (Go's `omitempty`). It differs from the
 * catalog's JSON of the same service (server/http/catalog-answers.ts): an application has no `Proxy` here, and the
 * datacenter is told.
 */
export function agentServiceAnswer(
  service: ServiceFields,
  { datacenter, nodeId }: Pick<AgentIdentity, "datacenter" | "nodeId">,
): Readonly<Record<string, unknown>> {
  return {
    ...(service.Kind === "" ? {} : { Kind: service.Kind }),
    ID: service.ID,
    Service: service.Service,
    Tags: service.Tags,
    Meta: service.Meta,
    Port: service.Port,
    ...(service.Ports === undefined ? {} : { Ports: service.Ports }),
    Address: service.Address,
    ...(service.SocketPath === undefined ? {} : { SocketPath: service.SocketPath }),
    ...(Object.keys(service.TaggedAddresses).length === 0 ? {} : { TaggedAddresses: service.TaggedAddresses }),
    Weights: service.Weights,
    EnableTagOverride: service.EnableTagOverride,
    ...(service.Kind === "" ? {} : { Proxy: proxyAnswer(service.Proxy ?? noProxy) }),
    ...(service.Connect.Native ? { Connect: { Native: true } } : {}),
    ...(service.Locality === undefined ? {} : { Locality: service.Locality }),
    Datacenter: datacenter,
    Owner: nodeId,
  };
}

/** An agent's own checks are not of the catalog yet, so they have no indexes. */
export function agentCheckAnswer(check: CheckFields, { nodeId }: Pick<AgentIdentity, "nodeId">): object {
  return checkAnswer({ ...check, CreateIndex: 0, ModifyIndex: 0, Owner: nodeId });
}

/** 64 bits in lower hex that differ when the answer does: what `?hash` compares. */
export function contentHash(answer: object): string {
  return createHash("sha256").update(JSON.stringify(answer)).digest("hex").slice(0, 16);
}

/** Of a gateway whose registration has none. */
const noProxy: ConnectProxyFields = {
  DestinationServiceName: "",
  DestinationServiceID: "",
  LocalServiceAddress: "",
  LocalServicePort: 0,
  Config: {},
  Upstreams: [],
};

function proxyAnswer(proxy: ConnectProxyFields): object {
  const { Mode, MeshGateway, Expose, ...extras } = readProxyExtras(proxy);
  return {
    ...unlessEmpty("DestinationServiceName", proxy.DestinationServiceName),
    ...unlessEmpty("DestinationServiceID", proxy.DestinationServiceID),
    ...unlessEmpty("LocalServiceAddress", proxy.LocalServiceAddress),
    ...unlessEmpty("LocalServicePort", proxy.LocalServicePort),
    ...(Mode !== undefined && { Mode }),
    ...unlessEmpty("Config", proxy.Config),
    ...unlessEmpty("Upstreams", proxy.Upstreams.map(upstreamAnswer)),
    ...extras,
    MeshGateway: MeshGateway ?? {},
    Expose: Expose ?? {},
  };
}

function upstreamAnswer(upstream: Upstream): object {
  const { MeshGateway, ...extras } = readUpstreamExtras(upstream);
  return {
    DestinationType: upstream.DestinationType,
    DestinationName: upstream.DestinationName,
    ...unlessEmpty("Datacenter", upstream.Datacenter),
    ...unlessEmpty("LocalBindAddress", upstream.LocalBindAddress),
    ...unlessEmpty("LocalBindPort", upstream.LocalBindPort),
    ...extras,
    ...unlessEmpty("Config", upstream.Config),
    MeshGateway: MeshGateway ?? {},
  };
}

function unlessEmpty(name: string, value: unknown): object {
  const isEmpty = typeof value === "object" && value !== null ? Object.keys(value).length === 0 : isZeroValue(value);
  return isEmpty ? {} : { [name]: value };
}
