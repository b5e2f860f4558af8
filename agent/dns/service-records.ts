/** Records of instances: pure, the random handed in. */
import type { Random } from "../../lib/base/random.ts";
import type { DnsEndpoint, DnsInstance, DnsNode } from "./dns-catalog.ts";
import { recordTypes } from "./wire/codes.ts";
import type { DnsRecord } from "./wire/record.ts";

export interface ServiceQuestion {
  /** With its labels joined by dots, in lower case. */
  readonly name: string;
  readonly type: number;
  readonly domain: string;
  readonly ttlS: number;
  readonly nodeTtlS: number;
  readonly aRecordLimit: number;
  readonly hasNodeMetaTxt: boolean;
  /** The port to give, by name. */
  readonly port?: string;
  readonly random: Random;
}

export interface ServiceRecords {
  readonly answers: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
  /** Names outside of the catalog that instances are reached under: their addresses belong to the answer. */
  readonly follow: readonly string[];
}

/** More records of one answer than any transport carries. */
const maxRecords = 4_096;

export function serviceRecords(instances: readonly DnsInstance[], question: ServiceQuestion): ServiceRecords {
  const shuffled = shuffle(instances, question.random);
  return question.type === recordTypes.SRV ? srvRecords(shuffled, question) : addressRecords(shuffled, question);
}

/** Every order equally often, so that clients which take the first spread over all. */
function shuffle<T>(items: readonly T[], random: Random): readonly T[] {
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(random.float() * (i + 1));
    const [a, b] = [shuffled[i], shuffled[j]];
    if (a === undefined || b === undefined) break;
    shuffled[i] = b;
    shuffled[j] = a;
  }
  return shuffled;
}

function addressRecords(instances: readonly DnsInstance[], question: ServiceQuestion): ServiceRecords {
  const answers: DnsRecord[] = [];
  const seen = new Set<string>();
  const { ttlS, type, aRecordLimit } = question;
  const limit = aRecordLimit > 0 ? Math.min(aRecordLimit, maxRecords) : maxRecords;
  let alias: string | undefined;
  for (const instance of instances) {
    if (answers.length >= limit) break;
    const endpoint = endpointOf(instance, question);
    alias ??= endpoint.hostName;
    for (const record of recordsOfEndpoint(endpoint, type, ttlS)) {
      const key = "address" in record.data ? record.data.address.join(".") : "";
      if (seen.has(key)) continue;
      seen.add(key);
      answers.push(record);
    }
  }
  // A name with an alias has no other records, and no second one (RFC 1034, 3.6.2).
  if (answers.length > 0 || alias === undefined || !wantsAddress(type)) return { answers, additional: [], follow: [] };
  return { answers: [{ ttlS, data: { type: "CNAME", target: alias } }], additional: [], follow: [alias] };
}

function srvRecords(instances: readonly DnsInstance[], question: ServiceQuestion): ServiceRecords {
  const answers: DnsRecord[] = [];
  const additional: DnsRecord[] = [];
  const follow = new Set<string>();
  const seen = new Set<string>();
  const { ttlS, domain } = question;
  for (const instance of instances) {
    if (answers.length >= maxRecords) break;
    const port = question.port === undefined ? instance.port : (instance.ports?.get(question.port) ?? instance.port);
    const endpoint = endpointOf(instance, question);
    const target = targetOf(instance, endpoint, domain);
    const key = `${target} ${port}`;
    if (seen.has(key)) continue;
    seen.add(key);
    answers.push({ ttlS, data: { type: "SRV", priority: 1, weight: instance.weight, port, target } });
    if (seen.has(target)) continue;
    seen.add(target);
    if (endpoint.hostName !== undefined) follow.add(endpoint.hostName);
    for (const record of recordsOfEndpoint(endpoint, recordTypes.ANY, ttlS))
      additional.push({ ...record, owner: target });
    if (question.hasNodeMetaTxt) {
      for (const record of metaRecords(instance.node, question.nodeTtlS)) additional.push({ ...record, owner: target });
    }
  }
  return { answers, additional, follow: [...follow] };
}

/** Its own, or else its node's; a name that leads back to the question would go in circles. */
function endpointOf({ endpoint, node }: DnsInstance, question: ServiceQuestion): DnsEndpoint {
  if (endpoint === undefined) return node.endpoint;
  const name = endpoint.hostName?.toLowerCase().replace(/\.$/, "");
  return name === question.name ? node.endpoint : endpoint;
}

function targetOf(instance: DnsInstance, endpoint: DnsEndpoint, domain: string): string {
  const { node } = instance;
  if (endpoint.hostName !== undefined) return endpoint.hostName;
  const address = endpoint.ipv4 ?? endpoint.ipv6;
  if (endpoint === node.endpoint || address === undefined) return nodeName(node, domain);
  return `${Buffer.from(address).toString("hex")}.addr.${node.datacenter}.${domain}`;
}

export function nodeName(node: { readonly name: string; readonly datacenter: string }, domain: string): string {
  return `${node.name}.node.${node.datacenter}.${domain}`;
}

export function recordsOfEndpoint({ ipv4, ipv6 }: DnsEndpoint, type: number, ttlS: number): readonly DnsRecord[] {
  const records: DnsRecord[] = [];
  const isAny = type === recordTypes.ANY;
  if (ipv4 !== undefined && (isAny || type === recordTypes.A)) {
    records.push({ ttlS, data: { type: "A", address: ipv4 } });
  }
  if (ipv6 !== undefined && (isAny || type === recordTypes.AAAA)) {
    records.push({ ttlS, data: { type: "AAAA", address: ipv6 } });
  }
  return records;
}

export function wantsAddress(type: number): boolean {
  return type === recordTypes.A || type === recordTypes.AAAA || type === recordTypes.ANY;
}

/** Meta as RFC 1464 has it, `key=value`; what is under `rfc1035-...` stands alone. */
export function metaRecords(node: DnsNode, ttlS: number): readonly DnsRecord[] {
  return node.meta.map(([key, value]) => {
    const text = key.toLowerCase().startsWith("rfc1035-") ? value : `${escapeKey(key)}=${escapeKey(value)}`;
    return { ttlS, data: { type: "TXT", text } };
  });
}

/** A backquote keeps `=` and itself from ending the name (RFC 1464, 2). */
function escapeKey(text: string): string {
  return text.replace(/[=`]/g, "`$&");
}
