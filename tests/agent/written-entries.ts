import { computeProxyConfig, type ProxyConfigInput, type UpstreamState } from "../../agent/proxy-config.ts";
import type { Sidecar } from "../../agent/proxies/sidecar.ts";
import { mustGet } from "../../lib/base/assert.ts";
import type { CheckStatus, ServiceFields } from "../../lib/contract/catalog.ts";
import { decodeTopicValue, encodeJson } from "../../lib/client/wire-schemas.ts";
import { chainServices } from "../../lib/contract/discovery-chain.ts";
import type { Topic, TopicOf, TopicValues } from "../../lib/contract/topics.ts";
import { createTopicSource } from "../../server/topics.ts";
import { checkFields, registerCommand, sidecarFields } from "../server/state/records.ts";
import { createTestCatalog } from "../server/http/test-catalog.ts";
import { sidecar, upstream } from "./sidecar-fixtures.ts";

export const trustDomain = "11111111-2222-3333-4444-555555555555.consul";

/** A server's `/v1` routes and topics, and the agent's document of one sidecar made from them, as they travel. */
export function createWrittenEntries(own: Sidecar = sidecar({ proxy: { Upstreams: [upstream()] } })) {
  const catalog = createTestCatalog();
  const { reader, watches } = catalog.state;
  const topics = createTopicSource({ reader, watches });
  const read = <K extends Topic["kind"]>(topic: TopicOf<K>): TopicValues[K] =>
    decodeTopicValue<K>(topic.kind, encodeJson(topics.read(topic).value));
  const serviceConfig = (service: string) => read<"service-config">({ kind: "service-config", service });
  const endpoints = (service: string) => read<"connect-endpoints">({ kind: "connect-endpoints", service });
  const compute = (overrides: Partial<ProxyConfigInput> = {}) => {
    const service = own.Proxy.DestinationServiceName;
    const upstreams = own.Proxy.Upstreams.map(({ DestinationName: name }): [string, UpstreamState] => {
      const config = serviceConfig(name);
      const services = config.chain === undefined ? [] : chainServices(config.chain);
      const others = new Map(services.map((other) => [other, endpoints(other)]));
      return [name, { endpoints: endpoints(name), config, others }];
    });
    return computeProxyConfig({
      sidecar: own,
      trustDomain,
      datacenter: "dc1",
      nodeZone: "",
      bindAddress: "127.0.0.5",
      adminAddress: "127.0.0.5:19000",
      identity: { certFile: "/d/leaf.crt", keyFile: "/d/leaf.key", caFile: "/d/roots.crt" },
      intentions: read<"intentions">({ kind: "intentions", destination: service }),
      serviceConfig: serviceConfig(service),
      upstreams: new Map(upstreams),
      ...overrides,
    });
  };
  return {
    catalog,
    /** Registers the sidecar of an instance in the catalog, on a node of its own. */
    register(
      service: string,
      host: string,
      fields: Partial<ServiceFields> = {},
      status: CheckStatus = "passing",
    ): void {
      const node = `node-${host}`;
      const ID = `${service}-sidecar-proxy`;
      catalog.apply(
        registerCommand(node, {
          service: sidecarFields(service, { Address: host, Port: 21_000, ...fields, ID }),
          checks: [checkFields(node, "alive", { ServiceID: ID, Status: status })],
        }),
      );
    },
    /** Writes entries, each of which has to be taken. */
    async write(...entries: readonly object[]): Promise<void> {
      for (const entry of entries) {
        const answer = await catalog.send("PUT", "/v1/config", entry);
        if (answer.status !== 200) throw new Error(`${JSON.stringify(entry)}: ${answer.status} ${answer.body}`);
      }
    },
    /** Writes an entry that must be refused; the answer's text. */
    async refusal(entry: object): Promise<string> {
      const answer = await catalog.send("PUT", "/v1/config", entry);
      if (answer.status !== 400) throw new Error(`${JSON.stringify(entry)}: ${answer.status} ${answer.body}`);
      return answer.body;
    },
    compute,
    document() {
      const result = compute();
      if (!result.ok) throw new Error(result.problems.join("; "));
      return { ...result, outbound: mustGet(result.config.outbound[0], "the upstream's listener") };
    },
  };
}
