import type { AuthorityConfigRecord } from "../../lib/contract/authority-config.ts";
import type { AutopilotRecord } from "../../lib/contract/autopilot.ts";
import type {
  ConfigEntryRecord,
  ProxyDefaultsEntry,
  ResolvedMeshConfig,
  ResolvedServiceConfig,
  ServiceDefaultsEntry,
} from "../../lib/contract/config-entries.ts";
import type { DiscoveryChain } from "../../lib/contract/discovery-chain.ts";
import { compareIntentions, type Intention, intentionOf, wildcard } from "../../lib/contract/intentions.ts";
import { meshWideSettings } from "../../lib/contract/proxy-settings.ts";
import type { CaRootsValue } from "../../lib/contract/topics.ts";
import type { CaRootRecord } from "./ca-table.ts";
import { meshName, protocolOf, proxyDefaultsName, tableLookup } from "./chain-entries.ts";
import { createChainReads } from "./chain-reads.ts";
import { compareText } from "./order.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import type { StateReader } from "./reader.ts";
import type { Tables } from "./tables.ts";
import { watchKeys } from "./watch-keys.ts";

type ConfigReads = Pick<
  StateReader,
  "configEntry" | "configEntries" | "intentions" | "serviceConfig" | "caRoots" | "autopilot" | "authorityConfig"
>;

export const defaultLocalConnectTimeoutMs = 5_000;

/** The reads of config entries, the intentions made from them, and the public half of the certificate authority. */
export function createConfigReads(tables: Tables, cache: ReadCache): ConfigReads {
  const entry = createReadSlot<ConfigEntryRecord | undefined>();
  const entries = createReadSlot<readonly ConfigEntryRecord[]>();
  const intentions = createReadSlot<readonly Intention[]>();
  const serviceConfig = createReadSlot<ResolvedServiceConfig>();
  const chains = createChainReads(tables, cache);
  const roots = createReadSlot<CaRootsValue>();
  const authorityConfig = createReadSlot<AuthorityConfigRecord | undefined>();
  const autopilot = createReadSlot<AutopilotRecord | undefined>();

  return {
    configEntry(kind, name) {
      const key = watchKeys.configEntry(kind, name);
      return cache.read(entry, key, [key], () => tables.configEntries.get(kind, name));
    },
    configEntries: (kind) =>
      cache.read(entries, kind, [watchKeys.configKind(kind)], () =>
        [...tables.configEntries.ofKind(kind)].sort((a, b) => compareText(a.Name, b.Name)),
      ),
    intentions(filter) {
      if (filter.by === "all") {
        const watch = [watchKeys.configKind("service-intentions")];
        return cache.read(intentions, "all", watch, () =>
          intentionsOf([...tables.configEntries.ofKind("service-intentions")]),
        );
      }
      const names = filter.name === wildcard ? [wildcard] : [filter.name, wildcard];
      const slotName = `${filter.by}/${filter.name}`;
      if (filter.by === "destination") {
        const watch = names.map((name) => watchKeys.configEntry("service-intentions", name));
        return cache.read(intentions, slotName, watch, () => intentionsOf(entriesNamed(tables, names)));
      }
      return cache.read(intentions, slotName, names.map(watchKeys.intentionSource), () => {
        const destinations = new Set(names.flatMap((name) => [...tables.configEntries.destinationsOf(name)]));
        const all = intentionsOf(entriesNamed(tables, [...destinations]));
        return all.filter((intention) => names.includes(intention.sourceName));
      });
    },
    serviceConfig(service) {
      const chain = chains(service);
      const watch = new Set([
        ...chain.watch,
        watchKeys.configEntry("service-defaults", service),
        watchKeys.configEntry("proxy-defaults", proxyDefaultsName),
        watchKeys.configEntry("mesh", meshName),
      ]);
      return cache.read(serviceConfig, service, [...watch], () => resolveServiceConfig(tables, service, chain.value));
    },
    autopilot: () => cache.read(autopilot, "", [watchKeys.autopilot], () => tables.settings.autopilot.get()),
    authorityConfig: () =>
      cache.read(authorityConfig, "", [watchKeys.authorityConfig], () => tables.settings.authority.get()),
    caRoots: () => cache.read(roots, "", [watchKeys.caRoots], () => publicRoots(tables.ca.all())),
  };
}

function entriesNamed(tables: Tables, names: readonly string[]): ConfigEntryRecord[] {
  return names.flatMap((name) => tables.configEntries.get("service-intentions", name) ?? []);
}

function intentionsOf(entries: readonly ConfigEntryRecord[]): readonly Intention[] {
  return entries
    .flatMap((entry) => {
      if (entry.Kind !== "service-intentions") return [];
      return entry.Sources.map((source) => intentionOf(source, entry.Name));
    })
    .sort(compareIntentions);
}

/** `proxy-defaults` under `service-defaults`; zero and the empty string mean "not set here". */
function resolveServiceConfig(
  tables: Tables,
  service: string,
  chain: DiscoveryChain | undefined,
): ResolvedServiceConfig {
  const defaults = serviceDefaults(tables, service);
  const { Config: config = {}, AccessLogs: accessLogs } = proxyDefaults(tables) ?? {};
  const mesh = meshConfig(tables);
  const passedOn = meshWideSettings.filter((name) => config[name] !== undefined);
  return {
    service,
    protocol: protocolOf(tableLookup(tables), service),
    localConnectTimeoutMs:
      defaults?.LocalConnectTimeoutMs || countOf(config["local_connect_timeout_ms"]) || defaultLocalConnectTimeoutMs,
    localRequestTimeoutMs: defaults?.LocalRequestTimeoutMs || countOf(config["local_request_timeout_ms"]),
    maxInboundConnections: defaults?.MaxInboundConnections || countOf(config["max_inbound_connections"]),
    ...(passedOn.length > 0 && { proxyDefaults: Object.fromEntries(passedOn.map((name) => [name, config[name]])) }),
    ...(defaults?.UpstreamConfig !== undefined && { upstreamConfig: defaults.UpstreamConfig }),
    ...(defaults?.RateLimits !== undefined && { rateLimits: defaults.RateLimits }),
    ...(defaults?.ExtAuthz !== undefined && { extAuthz: defaults.ExtAuthz }),
    ...(accessLogs !== undefined && { accessLogs }),
    ...(mesh !== undefined && { mesh }),
    ...(chain !== undefined && { chain }),
  };
}

function meshConfig(tables: Tables): ResolvedMeshConfig | undefined {
  const entry = tables.configEntries.get("mesh", meshName);
  if (entry?.Kind !== "mesh") return undefined;
  const { SanitizeXForwardedClientCert, RequestNormalization } = entry;
  return { SanitizeXForwardedClientCert, RequestNormalization };
}

function serviceDefaults(tables: Tables, service: string): ServiceDefaultsEntry | undefined {
  const entry = tables.configEntries.get("service-defaults", service);
  return entry?.Kind === "service-defaults" ? entry : undefined;
}

function proxyDefaults(tables: Tables): ProxyDefaultsEntry | undefined {
  const entry = tables.configEntries.get("proxy-defaults", proxyDefaultsName);
  return entry?.Kind === "proxy-defaults" ? entry : undefined;
}

function countOf(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

/** Field by field: a secret added to the record must not appear here by itself. */
function publicRoots(records: readonly CaRootRecord[]): CaRootsValue {
  const [active] = records;
  if (active === undefined) return { activeRootId: "", trustDomain: "", roots: [] };
  const roots = records.map((record) => ({
    id: record.id,
    name: record.name,
    serialNumber: record.serialNumber,
    signingKeyId: record.signingKeyId,
    notBefore: record.notBefore,
    notAfter: record.notAfter,
    certPem: record.certPem,
    active: record === active,
    ...(record.crossSignedPem === undefined ? {} : { intermediateCerts: [record.crossSignedPem] }),
    ...(record.trustedUntil === undefined ? {} : { trustedUntil: record.trustedUntil }),
    privateKeyType: record.privateKeyType,
    privateKeyBits: record.privateKeyBits,
    createIndex: record.CreateIndex,
    modifyIndex: record.ModifyIndex,
  }));
  return { activeRootId: active.id, trustDomain: active.trustDomain, roots };
}
