import { expect, test } from "bun:test";
import { defaultAdaptiveConcurrency } from "../../../lib/contract/proxy-concurrency.ts";
import { defaultBalancer, defaultPlacement } from "../../../lib/contract/proxy-cluster.ts";
import { type ClusterConfig, parseProxyConfig } from "../../../lib/contract/proxy-config.ts";

const smallest = { identity: { certFile: "a", keyFile: "b", caFile: "c" }, admin: { listen: "127.0.0.1:19000" } };

function parse(clusters: readonly unknown[]): readonly ClusterConfig[] | readonly string[] {
  const outbound = [{ service: "web", listen: "127.0.0.1:15001", protocol: "http", clusters }];
  const parsed = parseProxyConfig({ ...smallest, outbound });
  if (parsed.ok) return parsed.config.outbound[0]?.clusters ?? [];
  return parsed.issues.map((issue) => `${issue.path}: ${issue.message}`);
}

test("a cluster has every default that its listener's own has", () => {
  expect(parse([{ name: "web-v2", endpoints: [{ address: "127.0.0.1:20000" }] }])).toEqual([
    {
      name: "web-v2",
      endpoints: [{ address: "127.0.0.1:20000", weight: 1, ...defaultPlacement }],
      balancer: defaultBalancer,
      adaptiveConcurrency: defaultAdaptiveConcurrency,
      connectTimeoutMs: 5_000,
      upstreamIdleTimeoutMs: 55_000,
      maxRequests: 0,
      maxPendingRequests: 1_024,
      maxConnections: 65_536,
    },
  ]);
});

test("two clusters of one listener cannot have one name, nor its service's", () => {
  expect(parse([{ name: "a" }, { name: "web" }, { name: "a" }])).toEqual([
    `outbound[0].clusters[1].name: "web" is already the name of outbound[0].service`,
    `outbound[0].clusters[2].name: "a" is already the name of outbound[0].clusters[0].name`,
  ]);
});

test("the addresses and peers of clusters are checked as those of their listeners are", () => {
  expect(parse([{ name: "a", endpoints: [{ address: "nowhere" }], peerIdentity: "http://x" }])).toEqual([
    `outbound[0].clusters[0].endpoints[0].address: must be host:port with a port from 0 to 65535, found "nowhere"`,
    `outbound[0].clusters[0].peerIdentity: must be a SPIFFE id in which * stands for one whole segment, found "http://x"`,
  ]);
});
