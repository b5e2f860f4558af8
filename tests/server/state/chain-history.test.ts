import { expect, test } from "bun:test";
import { isDeepStrictEqual } from "node:util";
import { createSeededRandom, type Random } from "../../../lib/base/random.ts";
import type { Command } from "../../../lib/contract/commands.ts";
import { type ConfigEntry, type ConfigEntryKind, protocols } from "../../../lib/contract/config-entries.ts";
import type { RouteDestination, RouteHttpMatch } from "../../../lib/contract/service-router.ts";
import { compileChain } from "../../../server/chain/compile-chain.ts";
import { createTopicSource } from "../../../server/topics.ts";
import { settle } from "../../fakes/virtual-clock.ts";
import { createStateHarness } from "./state-harness.ts";

/** ATOLL_TEST_SEED replays one history; its failure message names the seed. */
const seeds =
  process.env["ATOLL_TEST_SEED"] === undefined
    ? Array.from({ length: 12 }, (_, i) => 9_001 + i)
    : [Number(process.env["ATOLL_TEST_SEED"])];
const commandsPerHistory = 400;
/** Few names, so that entries meet again and again. */
const names = ["a", "b", "c", "d"];

for (const seed of seeds) {
  test(`a write is refused if and only if some chain would break, and every chain is followed (seed ${seed})`, async () => {
    const random = createSeededRandom(seed);
    const harness = createStateHarness();
    const topics = createTopicSource({ reader: harness.reader, watches: harness.state.watches });
    let entries = new Map<string, ConfigEntry>();
    const delivered = new Map<string, unknown>();
    for (const service of names) {
      topics.subscribe({ kind: "service-config", service }, ({ chain }) => delivered.set(service, chain));
    }
    await settle();
    const outcomes = { refused: 0, taken: 0, chains: 0 };
    let indexes = new Map(names.map((name) => [name, 0]));
    for (let step = 0; step < commandsPerHistory; step++) {
      const command = randomCommand(random);
      const where = `seed ${seed}, command ${step}: ${JSON.stringify(command)}`;
      const next = applied(entries, command);
      const isBroken = names.some((name) => !compileFrom(next, name).ok);
      const result = harness.apply(command);
      const index = harness.reader.appliedIndex();
      expect({ where, ok: result.ok }).toEqual({ where, ok: !isBroken });
      outcomes[isBroken ? "refused" : "taken"]++;
      const before = entries;
      if (!isBroken) entries = next;
      for (const name of names) {
        const compiled = compileFrom(entries, name);
        const chain = compiled.ok ? compiled.chain : undefined;
        const read = harness.reader.serviceConfig(name);
        const seen = [read.value.chain, delivered.get(name)];
        expect({ where, name, seen }).toEqual({ where, name, seen: [chain, chain] });
        if (chain !== undefined) outcomes.chains++;
        const was = compileFrom(before, name);
        const isChanged = !isDeepStrictEqual(was.ok ? was.chain : undefined, chain);
        if (isChanged && read.index !== index) throw new Error(`${where}: ${name} changed with index ${read.index}`);
        if (read.index < (indexes.get(name) ?? 0)) throw new Error(`${where}: the index of ${name} fell`);
      }
      indexes = new Map(names.map((name) => [name, harness.reader.serviceConfig(name).index]));
    }
    // A history in which nothing was refused, or nothing was ever routed, would prove nothing.
    expect(Math.min(outcomes.refused, outcomes.taken, outcomes.chains)).toBeGreaterThan(20);
  });
}

function applied(entries: ReadonlyMap<string, ConfigEntry>, command: Command): Map<string, ConfigEntry> {
  const next = new Map(entries);
  if (command.type === "config-entry-upsert") next.set(`${command.entry.Kind}/${command.entry.Name}`, command.entry);
  if (command.type === "config-entry-delete") next.delete(`${command.kind}/${command.name}`);
  return next;
}

function compileFrom(entries: ReadonlyMap<string, ConfigEntry>, service: string) {
  const find = <K extends ConfigEntryKind>(kind: K, name: string) => {
    const entry = entries.get(`${kind}/${name}`);
    return entry?.Kind === kind ? entry : undefined;
  };
  return compileChain(service, {
    router(name) {
      const entry = find("service-router", name);
      return entry?.Kind === "service-router" ? entry : undefined;
    },
    splitter(name) {
      const entry = find("service-splitter", name);
      return entry?.Kind === "service-splitter" ? entry : undefined;
    },
    resolver(name) {
      const entry = find("service-resolver", name);
      return entry?.Kind === "service-resolver" ? entry : undefined;
    },
    protocol(name) {
      const own = find("service-defaults", name);
      const mesh = find("proxy-defaults", "global");
      const wide = mesh?.Kind === "proxy-defaults" ? mesh.Config["protocol"] : undefined;
      const known = protocols.find((protocol) => protocol === wide) ?? "tcp";
      return (own?.Kind === "service-defaults" && own.Protocol) || known;
    },
  });
}

function randomCommand(random: Random): Command {
  const pick = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(random.float() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  const kinds = ["service-router", "service-splitter", "service-resolver", "service-defaults"] as const;
  const kind = random.float() < 0.1 ? "proxy-defaults" : pick(kinds);
  const Name = kind === "proxy-defaults" ? "global" : pick(names);
  if (random.float() < 0.3) return { type: "config-entry-delete", kind, name: Name };
  const target = () => ({ Service: pick(["", ...names]), ServiceSubset: pick(["", "", "", "v1", "v2"]) });
  const base = { Name, Meta: {} };
  const upsert = (entry: ConfigEntry): Command => ({ type: "config-entry-upsert", entry });
  switch (kind) {
    case "proxy-defaults":
      return upsert({ Kind: kind, ...base, Config: pick([{ protocol: "http" }, { protocol: "http" }, {}]) });
    case "service-defaults": {
      const limits = { MaxInboundConnections: 0, LocalConnectTimeoutMs: 0, LocalRequestTimeoutMs: 0 };
      return upsert({ Kind: kind, ...base, ...limits, Protocol: pick(["", "http", "http", "grpc"]) });
    }
    case "service-router":
      return upsert({ Kind: kind, ...base, Routes: [{ Match: match, Destination: { ...destination, ...target() } }] });
    case "service-splitter": {
      const Splits = [
        { Weight: 60, ...target() },
        { Weight: 40, ...target() },
      ];
      return upsert({ Kind: kind, ...base, Splits });
    }
    case "service-resolver": {
      const all = { Filter: "", OnlyPassing: false };
      const Subsets = pick([{}, { v1: all }, { v1: all, v2: all }]);
      const Redirect = random.float() < 0.3 ? target() : undefined;
      const failover = { ...target(), Targets: [] };
      return upsert({
        Kind: kind,
        ...base,
        DefaultSubset: random.float() < 0.2 ? "v1" : "",
        Subsets,
        ...(Redirect !== undefined && { Redirect }),
        Failover: random.float() < 0.3 ? { "*": failover } : {},
        ConnectTimeoutMs: pick([0, 1]),
        RequestTimeoutMs: 0,
      });
    }
  }
}

const match: RouteHttpMatch = {
  PathExact: "/x",
  PathPrefix: "",
  PathRegex: "",
  CaseInsensitive: false,
  Header: [],
  QueryParam: [],
  Methods: [],
};
const destination: RouteDestination = {
  Service: "",
  ServiceSubset: "",
  PrefixRewrite: "",
  RequestTimeoutMs: 0,
  IdleTimeoutMs: 0,
  NumRetries: 0,
  RetryOnConnectFailure: false,
  RetryOn: [],
  RetryOnStatusCodes: [],
};
