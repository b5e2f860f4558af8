import type { ServerLink } from "../../lib/client/server-link.ts";
import type { ConnectProxyFields, Upstream } from "../../lib/contract/catalog.ts";
import { chainServices } from "../../lib/contract/discovery-chain.ts";
import type { TopicValues } from "../../lib/contract/topics.ts";
import { createIntentionSource, type IntentionSource } from "../intention-source.ts";
import { usedChain } from "../chain-clusters.ts";
import { saidOfUpstream } from "../upstream-settings.ts";
import type { UpstreamState } from "../proxy-config.ts";
import { createTopicPool, type TopicPool, type TopicUse } from "./topic-pool.ts";

/** Everything that proxies learn from the servers, shared between the sidecars of this agent. */
export interface ProxyTopicPools {
  readonly endpoints: TopicPool<TopicValues["connect-endpoints"]>;
  readonly intentions: TopicPool<TopicValues["intentions"]>;
  readonly serviceConfig: TopicPool<TopicValues["service-config"]>;
  readonly roots: TopicPool<TopicValues["ca-roots"]>;
}

export function createProxyTopicPools(
  link: Pick<ServerLink, "subscribe">,
  intentions: IntentionSource = createIntentionSource(link),
): ProxyTopicPools {
  return {
    endpoints: createTopicPool((service, onValue) =>
      link.subscribe<"connect-endpoints">({ kind: "connect-endpoints", service }, onValue),
    ),
    intentions: createTopicPool(intentions),
    serviceConfig: createTopicPool((service, onValue) =>
      link.subscribe<"service-config">({ kind: "service-config", service }, onValue),
    ),
    roots: createTopicPool((_name, onValue) => link.subscribe<"ca-roots">({ kind: "ca-roots" }, onValue)),
  };
}

/** What one sidecar needs of the topics, as its registration and the chains of its upstreams are at the moment. */
export interface ProxyTopics {
  /** Opens and closes topics so that they are those of `proxy`; what stays needed is not interrupted. */
  update(proxy: ConnectProxyFields): void;
  values(): ProxyTopicValues;
  close(): void;
}

/** Complete, or the names of the topics whose value has not come yet. */
export type ProxyTopicValues =
  | { readonly isComplete: false; readonly missing: readonly string[] }
  | {
      readonly isComplete: true;
      readonly roots: TopicValues["ca-roots"];
      readonly intentions: TopicValues["intentions"];
      readonly serviceConfig: TopicValues["service-config"];
      readonly upstreams: ReadonlyMap<string, UpstreamState>;
    };

export function createProxyTopics(pools: ProxyTopicPools, onChange: () => void): ProxyTopics {
  const roots = keepUses(pools.roots, onChange);
  const intentions = keepUses(pools.intentions, onChange);
  const configs = keepUses(pools.serviceConfig, () => {
    keepEndpoints();
    onChange();
  });
  const endpoints = keepUses(pools.endpoints, onChange);
  let destination = "";
  let upstreams: readonly Upstream[] = [];
  /** Whose instances an upstream's calls come to: the services of its chain, once that is known, else its own. */
  const servicesOf = (upstream: Upstream): readonly string[] => {
    const name = upstream.DestinationName;
    const config = configs.values().get(name);
    if (config === undefined) return [name];
    const said = saidOfUpstream(upstream, configs.values().get(destination), "");
    const chain = usedChain(config.chain, said.protocol?.value ?? config.protocol);
    return chain === undefined ? [name] : chainServices(chain);
  };
  const keepEndpoints = (): void => endpoints.keep(upstreams.flatMap(servicesOf));
  return {
    update(proxy) {
      upstreams = proxy.Upstreams;
      destination = proxy.DestinationServiceName;
      roots.keep([""]);
      intentions.keep([destination]);
      configs.keep([destination, ...upstreams.map(({ DestinationName }) => DestinationName)]);
      keepEndpoints();
    },
    values() {
      const [rootsValue] = roots.values().values();
      const rules = intentions.values().get(destination);
      const config = configs.values().get(destination);
      const missing = [
        ...(rootsValue === undefined || rootsValue.activeRootId === "" ? ["ca-roots"] : []),
        ...intentions.missing().map((name) => `intentions/${name}`),
        ...configs.missing().map((name) => `service-config/${name}`),
        // A list without endpoints will do, but not "no answer yet": after a restart of the agent that would take away
        // from a running proxy the endpoints that it has.
        ...endpoints.missing().map((name) => `connect-endpoints/${name}`),
      ];
      if (missing.length > 0 || rootsValue === undefined || rules === undefined || config === undefined) {
        return { isComplete: false, missing };
      }
      const instances = endpoints.values();
      const states = new Map<string, UpstreamState>();
      for (const upstream of upstreams) {
        const { DestinationName: name } = upstream;
        const upstreamConfig = configs.values().get(name);
        if (upstreamConfig === undefined) continue;
        const others = new Map(servicesOf(upstream).map((service) => [service, instances.get(service) ?? []]));
        states.set(name, { endpoints: instances.get(name) ?? [], config: upstreamConfig, others });
      }
      return { isComplete: true, roots: rootsValue, intentions: rules, serviceConfig: config, upstreams: states };
    },
    close() {
      for (const uses of [roots, intentions, configs, endpoints]) uses.keep([]);
    },
  };
}

interface KeptUses<V> {
  keep(names: readonly string[]): void;
  values(): ReadonlyMap<string, V>;
  missing(): readonly string[];
}

function keepUses<V>(pool: TopicPool<V>, onChange: () => void): KeptUses<V> {
  const uses = new Map<string, TopicUse<V>>();
  const entries = (): [string, V | undefined][] => [...uses].map(([name, use]) => [name, use.value()]);
  return {
    keep(names) {
      // New ones first, so that a subscription is not closed and opened again.
      for (const name of names) if (!uses.has(name)) uses.set(name, pool.use(name, onChange));
      for (const [name, use] of [...uses]) {
        if (names.includes(name)) continue;
        uses.delete(name);
        use.close();
      }
    },
    values: () =>
      new Map(entries().flatMap(([name, value]): [string, V][] => (value === undefined ? [] : [[name, value]]))),
    missing: () => entries().flatMap(([name, value]) => (value === undefined ? [name] : [])),
  };
}
