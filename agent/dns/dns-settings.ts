import type { SoaTimes } from "./wire/record.ts";

/** How DNS answers, with every default filled in; names and meanings are those of Consul's `dns_config`. */
export interface DnsSettings {
  /** Zones that are answered, without dots at their ends, in lower case; the first one is in names that we make up. */
  readonly domains: readonly [string, ...string[]];
  readonly datacenter: string;
  readonly isOnlyPassing: boolean;
  readonly nodeTtlS: number;
  readonly serviceTtl: ServiceTtl;
  /** Answers of a UDP response without EDNS. */
  readonly udpAnswerLimit: number;
  /** Address records of any response; 0 for no limit. */
  readonly aRecordLimit: number;
  /** Whether the TC bit is set when answers were left out. */
  readonly isTruncationShown: boolean;
  readonly isCompressed: boolean;
  /** Whether SRV and address answers carry the node's Meta as TXT records beside them. */
  readonly hasNodeMetaTxt: boolean;
  readonly soa: Omit<SoaTimes, "serial">;
  /** `host:port` of the resolvers for all other names; empty for none. */
  readonly recursors: readonly string[];
  readonly recursorOrder: "sequential" | "random";
  readonly recursorTimeoutMs: number;
  /** Whether any server may answer, not the leader alone. */
  readonly isStaleAllowed: boolean;
  /** While no server can be reached, answers of before are given for so long. */
  readonly maxStaleMs: number;
}

export interface ServiceTtl {
  readonly exact: ReadonlyMap<string, number>;
  /** Longest first; the last one may be empty and then stands for every name. */
  readonly prefixes: readonly { readonly prefix: string; readonly ttlS: number }[];
}

/** Both are answered wherever the agent runs, whatever other domains are set. */
export const fixedDomains = ["consul", "mesh"] as const;

export const dnsDefaults = {
  isOnlyPassing: false,
  nodeTtlS: 0,
  serviceTtl: { exact: new Map(), prefixes: [] },
  udpAnswerLimit: 3,
  aRecordLimit: 0,
  isTruncationShown: false,
  isCompressed: true,
  hasNodeMetaTxt: true,
  soa: { refreshS: 3_600, retryS: 600, expireS: 86_400, minTtlS: 0 },
  recursors: [],
  recursorOrder: "sequential",
  recursorTimeoutMs: 2_000,
  isStaleAllowed: true,
  maxStaleMs: 87_600 * 3_600_000,
} as const satisfies Omit<DnsSettings, "domains" | "datacenter">;

/** `*` is every name, `web*` every one that begins with `web`, and a whole name itself. */
export function readServiceTtls(ttls: Readonly<Record<string, number>>): ServiceTtl {
  const exact = new Map<string, number>();
  const prefixes: { prefix: string; ttlS: number }[] = [];
  for (const [pattern, ttlS] of Object.entries(ttls)) {
    if (pattern.endsWith("*")) prefixes.push({ prefix: pattern.slice(0, -1).toLowerCase(), ttlS });
    else exact.set(pattern.toLowerCase(), ttlS);
  }
  return { exact, prefixes: prefixes.toSorted((a, b) => b.prefix.length - a.prefix.length) };
}

/** Of a service by its name in lower case; 0 when nothing is set. */
export function ttlOfService({ exact, prefixes }: ServiceTtl, service: string): number {
  return exact.get(service) ?? prefixes.find(({ prefix }) => service.startsWith(prefix))?.ttlS ?? 0;
}
