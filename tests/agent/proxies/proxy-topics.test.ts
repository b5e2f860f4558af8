import { expect, test } from "bun:test";
import { createProxyTopicPools, createProxyTopics } from "../../../agent/proxies/proxy-topics.ts";
import type { DiscoveryChain } from "../../../lib/contract/discovery-chain.ts";
import { type Topic, topicKey } from "../../../lib/contract/topics.ts";
import { instance, serviceConfig, sidecar, upstream } from "../sidecar-fixtures.ts";

/** A chain that comes to these services alike. */
function chainTo(...services: readonly string[]): DiscoveryChain {
  const target = { subset: "", filter: "", onlyPassing: false };
  const settings = { resolvers: [], connectTimeoutMs: 0, requestTimeoutMs: 0, failover: [] };
  return {
    service: "api",
    protocol: "http",
    routes: [{ splits: services.map((resolver) => ({ weight: 1, resolver, splitters: ["api"] })) }],
    resolvers: services.map((service) => ({ id: service, service, ...target, ...settings })),
  };
}

function createTopics(Config: Readonly<Record<string, unknown>> = {}) {
  const listeners = new Map<string, (value: never) => void>();
  let changes = 0;
  const pools = createProxyTopicPools({
    subscribe(topic, onValue) {
      const key = topicKey(topic);
      listeners.set(key, (value) => onValue(value, 1));
      return { close: () => void listeners.delete(key) };
    },
  });
  const topics = createProxyTopics(pools, () => changes++);
  topics.update(sidecar({ proxy: { Upstreams: [upstream({ Config })] } }).Proxy);
  return {
    topics,
    changes: () => changes,
    endpoints: () => [...listeners.keys()].filter((key) => key.startsWith("connect-endpoints/")).toSorted(),
    // A listener takes the values of the topic that it is under.
    set: (topic: Topic, value: unknown) => listeners.get(topicKey(topic))?.(value as never),
  };
}

test("the instances that a sidecar asks for are those that its upstream's chain comes to", () => {
  const { topics, set, endpoints, changes } = createTopics();
  expect(endpoints()).toEqual(["connect-endpoints/api"]);
  set({ kind: "ca-roots" }, { activeRootId: "r", trustDomain: "t", roots: [] });
  set({ kind: "intentions", destination: "web" }, { rules: [], defaultAction: "deny" });
  set({ kind: "service-config", service: "web" }, serviceConfig({ service: "web" }));
  set({ kind: "connect-endpoints", service: "api" }, [instance("a")]);
  const config = serviceConfig({ service: "api", protocol: "http", chain: chainTo("api", "new") });
  set({ kind: "service-config", service: "api" }, config);
  expect(endpoints()).toEqual(["connect-endpoints/api", "connect-endpoints/new"]);
  expect(topics.values()).toEqual({ isComplete: false, missing: ["connect-endpoints/new"] });

  const before = changes();
  set({ kind: "connect-endpoints", service: "new" }, [instance("b")]);
  expect(changes()).toBe(before + 1);
  const values = topics.values();
  const state = values.isComplete ? values.upstreams.get("api") : undefined;
  expect(state?.endpoints.map(({ Service }) => Service.ID)).toEqual(["a"]);
  expect(state?.others?.get("new")?.map(({ Service }) => Service.ID)).toEqual(["b"]);

  set({ kind: "service-config", service: "api" }, serviceConfig({ service: "api", chain: chainTo("new") }));
  expect(endpoints()).toEqual(["connect-endpoints/new"]);
  set({ kind: "service-config", service: "api" }, serviceConfig({ service: "api" }));
  expect(endpoints()).toEqual(["connect-endpoints/api"]);
  topics.close();
  expect(endpoints()).toEqual([]);
});

test("an upstream that cannot use its chain, being tcp, asks for the instances of its service", () => {
  const { set, endpoints } = createTopics({ protocol: "tcp" });
  set({ kind: "service-config", service: "api" }, serviceConfig({ service: "api", chain: chainTo("new", "newer") }));
  expect(endpoints()).toEqual(["connect-endpoints/api"]);
  set({ kind: "service-config", service: "api" }, serviceConfig({ service: "api", chain: chainTo("new") }));
  expect(endpoints()).toEqual(["connect-endpoints/new"]);
});
