import { addressBytes } from "../../../agent/dns/addresses.ts";
import { type Answerer, createAnswerer } from "../../../agent/dns/answerer.ts";
import type { Transport } from "../../../agent/dns/answer-size.ts";
import type {
  AddressHolders,
  DnsCatalog,
  DnsEndpoint,
  DnsInstance,
  DnsNode,
  Found,
  PreparedAnswer,
} from "../../../agent/dns/dns-catalog.ts";
import { dnsDefaults, type DnsSettings } from "../../../agent/dns/dns-settings.ts";
import type { Recursor } from "../../../agent/dns/recursor.ts";
import type { HotAnswers } from "../../../agent/dns/hot-answers.ts";
import { createNameFollower } from "../../../agent/dns/name-follower.ts";
import { createResolver } from "../../../agent/dns/resolver.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { silentLogger } from "../../../lib/base/logger.ts";
import { readMessage, type TestMessage, type TestQuery, writeQuery } from "./messages.ts";

export const testSettings: DnsSettings = { ...dnsDefaults, domains: ["consul", "mesh"], datacenter: "dc1" };

export function endpoint(address: string): DnsEndpoint {
  const bytes = addressBytes(address);
  if (bytes === undefined) return { hostName: address };
  return bytes.length === 4 ? { ipv4: bytes } : { ipv6: bytes };
}

export function dnsNode(name: string, address: string, meta: Readonly<Record<string, string>> = {}): DnsNode {
  return { name, datacenter: "dc1", meta: Object.entries(meta), endpoint: endpoint(address) };
}

export function instance(node: DnsNode, fields: Partial<DnsInstance> = {}): DnsInstance {
  return { node, service: "web", port: 80, tags: [], isPassing: true, weight: 1, ...fields };
}

/** A catalog in memory; services by `kind/name`, with `@dc` behind the name elsewhere. */
export interface TestCatalog {
  readonly services?: Readonly<Record<string, readonly DnsInstance[]>>;
  readonly nodes?: readonly DnsNode[];
  readonly offsets?: Readonly<Record<string, number>>;
  readonly holders?: Readonly<Record<string, AddressHolders>>;
  readonly queries?: Readonly<Record<string, PreparedAnswer>>;
  /** Whatever is asked for, nobody answers. */
  readonly isDown?: boolean;
}

function catalogOf(test: TestCatalog): DnsCatalog {
  const known = <T>(value: T): Found<T> =>
    test.isDown === true ? { state: "unreachable" } : { state: "known", value };
  return {
    instances: (kind, service, { datacenter = "dc1", peer }) => {
      const where = peer === undefined ? (datacenter === "dc1" ? "" : `@${datacenter}`) : `@peer:${peer}`;
      return known(test.services?.[`${kind}/${service}${where}`] ?? []);
    },
    node: (name, { datacenter = "dc1" }) =>
      known(test.nodes?.find((node) => node.name === name && node.datacenter === datacenter)),
    virtualOffset: (service, peer) => known(peer === undefined ? test.offsets?.[service] : undefined),
    holders: (address) => known(test.holders?.[address] ?? { services: [] }),
    preparedQuery: ({ name }) => known(test.queries?.[name]),
  };
}

export interface TestDns {
  ask(query: TestQuery, transport?: Transport): Promise<TestMessage>;
  answer: Answerer;
  askBytes(query: TestQuery, transport?: Transport): Promise<Uint8Array>;
}

export function createTestDns(
  catalog: TestCatalog,
  settings: Partial<DnsSettings> = {},
  recursor: Pick<Recursor, "ask"> = { ask: async () => undefined },
  hot: HotAnswers = { get: () => undefined, put: () => undefined },
): TestDns {
  const all = { ...testSettings, ...settings };
  const random = createSeededRandom(1);
  const answer = createAnswerer({
    settings: all,
    resolve: createResolver({
      settings: all,
      catalog: catalogOf(catalog),
      follower: createNameFollower(recursor, random),
      clock: { nowMs: () => 1_700_000_000_000 },
      random,
    }),
    recursor,
    hot,
    metrics: { answered: () => undefined, dropped: () => undefined, recursorFailed: () => undefined },
    logger: silentLogger,
  });
  const askBytes = async (query: TestQuery, transport: Transport = "udp"): Promise<Uint8Array> => {
    const bytes = await answer(writeQuery(query), "127.0.0.1", transport);
    if (bytes === undefined) throw new Error("there was no answer");
    return bytes;
  };
  return { answer, askBytes, ask: async (query, transport) => readMessage(await askBytes(query, transport)) };
}

/** Records as `name TYPE-number data`, sorted, since answers come in a random order. */
export function shown(records: TestMessage["answers"]): string[] {
  return records.map(({ name, type, data }) => `${name} ${type} ${data}`).toSorted();
}
