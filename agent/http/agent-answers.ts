import { checkAnswer } from "../../lib/http/check-answer.ts";
import { createHash } from "node:crypto";
import type { CheckFields, ConnectProxyFields, ServiceFields } from "../../lib/contract/catalog.ts";
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
    Address: service.Address,
    ...(Object.keys(service.TaggedAddresses).length === 0 ? {} : { TaggedAddresses: service.TaggedAddresses }),
    Weights: service.Weights,
    EnableTagOverride: service.EnableTagOverride,
    ...(service.Proxy === undefined ? {} : { Proxy: proxyAnswer(service.Proxy) }),
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

function proxyAnswer(proxy: ConnectProxyFields): object {
  return {
    DestinationServiceName: proxy.DestinationServiceName,
    ...(proxy.DestinationServiceID === "" ? {} : { DestinationServiceID: proxy.DestinationServiceID }),
    LocalServiceAddress: proxy.LocalServiceAddress,
    ...(proxy.LocalServicePort === 0 ? {} : { LocalServicePort: proxy.LocalServicePort }),
    Mode: "",
    ...(Object.keys(proxy.Config).length === 0 ? {} : { Config: proxy.Config }),
    ...(proxy.Upstreams.length === 0 ? {} : { Upstreams: proxy.Upstreams.map((up) => ({ ...up, MeshGateway: {} })) }),
    MeshGateway: {},
    Expose: {},
  };
}
