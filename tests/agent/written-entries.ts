import { computeProxyConfig, type ProxyConfigInput, type UpstreamState } from "../../agent/proxy-config.ts";
import type { Sidecar } from "../../agent/proxies/sidecar.ts";
import { mustGet } from "../../lib/base/assert.ts";
import { decodeTopicValue, encodeJson } from "../../lib/client/wire-schemas.ts";
import type { Topic, TopicOf, TopicValues } from "../../lib/contract/topics.ts";
import { createTopicSource } from "../../server/topics.ts";
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
    const upstreams = own.Proxy.Upstreams.map(({ DestinationName: name }): [string, UpstreamState] => [
      name,
      { endpoints: endpoints(name), config: serviceConfig(name) },
    ]);
    return computeProxyConfig({
      sidecar: own,
      trustDomain,
      datacenter: "dc1",
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
