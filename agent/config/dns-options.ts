import { isIP } from "node:net";
import { type Static, Type } from "typebox";
import { parseDurationMs } from "../../lib/base/duration.ts";
import { formatHostPort, parseHostPort } from "../../lib/contract/address.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { dnsDefaults, type DnsSettings, fixedDomains, readServiceTtls } from "../dns/dns-settings.ts";
import { labelsOfText } from "../dns/wire/name.ts";

/** The part of a configuration that is about DNS: Consul's keys, and the settings that come of them. */
const Count = Type.Integer({ minimum: 0, maximum: 0xffff_ffff });
/** What a name is found under for ever is as good as wrong. */
const Duration = Type.String();

export const DnsConfigSchema = Type.Object({
  allow_stale: Type.Optional(Type.Boolean()),
  max_stale: Type.Optional(Duration),
  node_ttl: Type.Optional(Duration),
  service_ttl: Type.Optional(Type.Record(Type.String(), Duration)),
  only_passing: Type.Optional(Type.Boolean()),
  enable_truncate: Type.Optional(Type.Boolean()),
  disable_compression: Type.Optional(Type.Boolean()),
  udp_answer_limit: Type.Optional(Count),
  a_record_limit: Type.Optional(Count),
  enable_additional_node_meta_txt: Type.Optional(Type.Boolean()),
  recursor_strategy: Type.Optional(Type.Enum(["sequential", "random"])),
  recursor_timeout: Type.Optional(Duration),
  soa: Type.Optional(
    Type.Object({
      refresh: Type.Optional(Count),
      retry: Type.Optional(Count),
      expire: Type.Optional(Count),
      min_ttl: Type.Optional(Count),
    }),
  ),
  /** Answers are kept current here in any case, so these two change nothing. */
  use_cache: Type.Optional(Type.Boolean()),
  cache_max_age: Type.Optional(Duration),
});
export type DnsConfigFile = Static<typeof DnsConfigSchema>;

/** What was set of DNS; absent fields have their defaults. */
export interface DnsFileSettings {
  readonly config?: DnsConfigFile;
  readonly domain?: string;
  readonly altDomain?: string;
  readonly recursors?: readonly string[];
}

/** Of what was said; undefined when nothing was. */
export function dnsSettings(
  said: { [K in keyof DnsFileSettings]: DnsFileSettings[K] | undefined },
): DnsFileSettings | undefined {
  const { config, domain, altDomain, recursors } = said;
  if (!config && !domain && !altDomain && !recursors?.length) return undefined;
  return {
    ...(config && { config }),
    ...(domain && { domain }),
    ...(altDomain && { altDomain }),
    ...(recursors && { recursors }),
  };
}

/** Key by key; recursors are joined. */
export function mergeDnsSettings(earlier: DnsFileSettings, later: DnsFileSettings): DnsFileSettings {
  const recursors = [...(earlier.recursors ?? []), ...(later.recursors ?? [])];
  return { ...earlier, ...later, config: { ...earlier.config, ...later.config }, recursors };
}

const maxTtlS = 0x7fff_ffff;
const domainPort = 53;

/** Checks and fills in. Throws `CONFIG_INVALID` that names the key and the value. */
export function resolveDnsSettings(settings: DnsFileSettings, datacenter: string): DnsSettings {
  const { config = {} } = settings;
  const { soa = {} } = config;
  const own = [settings.domain ?? fixedDomains[0], ...(settings.altDomain ? [settings.altDomain] : [])].map(
    mustBeDomain,
  );
  const [first = fixedDomains[0], ...others] = [...new Set([...own, ...fixedDomains])];
  const ttls = Object.entries(config.service_ttl ?? {}).map(
    ([name, text]) => [name, seconds(`dns_config.service_ttl["${name}"]`, text)] as const,
  );
  return {
    domains: [first, ...others],
    datacenter,
    isOnlyPassing: config.only_passing ?? dnsDefaults.isOnlyPassing,
    nodeTtlS: config.node_ttl === undefined ? dnsDefaults.nodeTtlS : seconds("dns_config.node_ttl", config.node_ttl),
    serviceTtl: readServiceTtls(Object.fromEntries(ttls)),
    udpAnswerLimit: config.udp_answer_limit ?? dnsDefaults.udpAnswerLimit,
    aRecordLimit: config.a_record_limit ?? dnsDefaults.aRecordLimit,
    isTruncationShown: config.enable_truncate ?? dnsDefaults.isTruncationShown,
    isCompressed: !(config.disable_compression ?? false),
    hasNodeMetaTxt: config.enable_additional_node_meta_txt ?? dnsDefaults.hasNodeMetaTxt,
    soa: {
      refreshS: soa.refresh ?? dnsDefaults.soa.refreshS,
      retryS: soa.retry ?? dnsDefaults.soa.retryS,
      expireS: soa.expire ?? dnsDefaults.soa.expireS,
      minTtlS: soa.min_ttl ?? dnsDefaults.soa.minTtlS,
    },
    recursors: (settings.recursors ?? []).map(mustBeRecursor),
    recursorOrder: config.recursor_strategy ?? dnsDefaults.recursorOrder,
    recursorTimeoutMs: millis("dns_config.recursor_timeout", config.recursor_timeout) ?? dnsDefaults.recursorTimeoutMs,
    isStaleAllowed: config.allow_stale ?? dnsDefaults.isStaleAllowed,
    maxStaleMs: millis("dns_config.max_stale", config.max_stale) ?? dnsDefaults.maxStaleMs,
  };
}

function mustBeDomain(text: string): string {
  const labels = labelsOfText(text.toLowerCase());
  if (labels !== undefined && labels.length > 0 && labels.every((label) => /^[a-z0-9_-]+$/.test(label))) {
    return labels.join(".");
  }
  throw invalid(`domain and alt_domain must be DNS names such as "consul", found "${text}"`);
}

/** An address, with a port or without. */
function mustBeRecursor(text: string): string {
  if (isIP(text) !== 0) return formatHostPort({ host: text, port: domainPort });
  const address = parseHostPort(text);
  if (address !== undefined && isIP(address.host) !== 0 && address.port > 0) return formatHostPort(address);
  throw invalid(`recursors must be IP addresses, with a port or without, found "${text}"`);
}

function seconds(key: string, text: string): number {
  return Math.min(Math.floor((millis(key, text) ?? 0) / 1_000), maxTtlS);
}

function millis(key: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= 0) return ms;
  throw invalid(`${key} must be a duration such as "10s", found ${JSON.stringify(text)}`);
}

function invalid(message: string): AtollError {
  return new AtollError("CONFIG_INVALID", message);
}
