/**
 * A question to its answer. What is known is answered within the call; only what has to be fetched makes it a promise. The
 * records are made by pure functions from what the catalog returned.
 */
import type { Clock } from "../../lib/base/clock.ts";
import type { Random } from "../../lib/base/random.ts";
import { addressText, reverseAddress } from "./addresses.ts";
import { type Lookup, readAskedName, type ServiceLookup } from "./asked-name.ts";
import type { DnsCatalog, DnsInstance, DnsNode, Found, Outcome } from "./dns-catalog.ts";
import { type DnsSettings, ttlOfService } from "./dns-settings.ts";
import { matchInstances } from "./match-instances.ts";
import type { Answer } from "./message.ts";
import type { NameFollower } from "./name-follower.ts";
import {
  metaRecords,
  nodeName,
  recordsOfEndpoint,
  type ServiceRecords,
  serviceRecords,
  wantsAddress,
} from "./service-records.ts";
import { consulVirtualAddress, loopbackVirtualAddress } from "../../lib/contract/virtual-address.ts";
import { recordTypes } from "./wire/codes.ts";
import { labelsOfText } from "./wire/name.ts";
import type { DnsRecord } from "./wire/record.ts";
import { createZoneAnswers } from "./zone-answers.ts";

export interface Question {
  /** In lower case. */
  readonly labels: readonly string[];
  readonly type: number;
  /** Who asks, as an address. */
  readonly source: string;
  /** Whether answers may be longer than the few records that plain UDP carries. */
  readonly isRoomy: boolean;
  /** How many aliases led here. */
  readonly depth: number;
}

/** `elsewhere`: the name is in none of our zones. */
export type Resolution = Answer | "elsewhere";

export interface ResolverOptions {
  readonly settings: DnsSettings;
  readonly catalog: DnsCatalog;
  readonly follower: Pick<NameFollower, "outside">;
  readonly clock: Pick<Clock, "nowMs">;
  readonly random: Random;
}

export type Resolver = (question: Question) => Eventual<Resolution>;

type Eventual<T> = T | Promise<T>;

/** Aliases in a row. */
const maxDepth = 3;
/** Records behind an alias where the answer has to be short. */
const maxFollowedRecords = 5;

export function createResolver(options: ResolverOptions): Resolver {
  const { settings, catalog, clock, random } = options;
  const [ownDomain] = settings.domains;

  const { found, notFound, zone, failed } = createZoneAnswers(settings, clock);

  const inZone = (question: Question, domain: string, lookup: Lookup): Eventual<Answer> => {
    const { type } = question;
    switch (lookup.kind) {
      case "nothing":
        return notFound(domain);
      case "empty":
        return found(domain, []);
      case "apex":
        return apex(type, domain);
      case "address": {
        const { address } = lookup;
        const endpoint = address.length === 4 ? { ipv4: address } : { ipv6: address };
        return found(domain, recordsOfEndpoint(endpoint, type, settings.nodeTtlS));
      }
      case "virtual":
        return then(catalog.virtualOffset(lookup.service, lookup.peer), (offset) => {
          if (offset === undefined) return notFound(domain);
          const ipv4 = domain === "mesh" ? loopbackVirtualAddress(offset) : consulVirtualAddress(offset);
          return found(domain, recordsOfEndpoint({ ipv4 }, type, settings.nodeTtlS));
        });
      case "node":
        return then(catalog.node(lookup.node, lookup.place), (node) =>
          node === undefined ? notFound(domain) : ofNode(question, domain, node),
        );
      case "query":
        return then(
          catalog.preparedQuery({ name: lookup.query, place: lookup.place, source: question.source }),
          (result): Eventual<Answer> => {
            if (result === undefined) return notFound(domain);
            const ttlS = result.ttlS ?? ttlOfService(settings.serviceTtl, result.service.toLowerCase());
            const answer = ofInstances(question, domain, { instances: result.instances, ttlS });
            return answer instanceof Promise
              ? answer.then((value) => ({ ...value, isForSubnet: true }))
              : { ...answer, isForSubnet: true };
          },
        );
      case "service":
      case "connect":
      case "ingress":
        return ofService(question, domain, lookup);
    }
  };

  const ofNode = (question: Question, domain: string, node: DnsNode): Eventual<Answer> => {
    const { type } = question;
    const ttlS = settings.nodeTtlS;
    const { hostName } = node.endpoint;
    if (hostName !== undefined && wantsAddress(type)) {
      const alias: DnsRecord = { ttlS, data: { type: "CNAME", target: hostName } };
      return followed(question, domain, { answers: [alias], additional: [], follow: [hostName] });
    }
    const addresses = recordsOfEndpoint(node.endpoint, type, ttlS);
    if (type === recordTypes.TXT || type === recordTypes.ANY) {
      return found(domain, [...addresses, ...metaRecords(node, ttlS)]);
    }
    return found(domain, addresses, settings.hasNodeMetaTxt ? metaRecords(node, ttlS) : []);
  };

  const ofService = (question: Question, domain: string, lookup: ServiceLookup): Eventual<Answer> =>
    then(catalog.instances(lookup.kind, lookup.service, lookup.place), (all) => {
      const { instances, port } = matchInstances(all, lookup, settings.isOnlyPassing);
      const ttlS = ttlOfService(settings.serviceTtl, lookup.service);
      return ofInstances(question, domain, { instances, ttlS, ...(port !== undefined && { port }) });
    });

  const ofInstances = (
    question: Question,
    domain: string,
    wanted: { readonly instances: readonly DnsInstance[]; readonly ttlS: number; readonly port?: string },
  ): Eventual<Answer> => {
    if (wanted.instances.length === 0) return notFound(domain);
    const records = serviceRecords(wanted.instances, {
      name: question.labels.join("."),
      type: question.type,
      domain,
      ttlS: wanted.ttlS,
      nodeTtlS: settings.nodeTtlS,
      aRecordLimit: settings.aRecordLimit,
      hasNodeMetaTxt: settings.hasNodeMetaTxt,
      ...(wanted.port !== undefined && { port: wanted.port }),
      random,
    });
    return followed(question, domain, records);
  };

  /** With the addresses of the names that instances are reached under, as far as they can be found. */
  const followed = (question: Question, domain: string, records: ServiceRecords): Eventual<Answer> => {
    if (records.follow.length === 0 || question.depth >= maxDepth) {
      return found(domain, records.answers, records.additional);
    }
    const type = question.type === recordTypes.SRV ? recordTypes.A : question.type;
    return Promise.all(records.follow.map((name) => addressesOf(name, { ...question, type }))).then((lists) => {
      const all = lists.flat();
      const kept = question.isRoomy ? all : all.slice(0, maxFollowedRecords);
      return question.type === recordTypes.SRV
        ? found(domain, records.answers, [...records.additional, ...kept])
        : found(domain, [...records.answers, ...kept], records.additional);
    });
  };

  const addressesOf = async (name: string, from: Question): Promise<readonly DnsRecord[]> => {
    const labels = labelsOfText(name.toLowerCase());
    if (labels === undefined) return [];
    const inner = await resolve({ ...from, labels, depth: from.depth + 1 });
    if (inner === "elsewhere") return options.follower.outside(labels, from.type);
    return inner.sections.answers.map((record) => ({ ...record, owner: record.owner ?? name }));
  };

  const apex = (type: number, domain: string): Eventual<Answer> => {
    if (type !== recordTypes.SOA && type !== recordTypes.NS && type !== recordTypes.ANY) return found(domain, []);
    return then(catalog.instances("service", "consul", {}), (servers) => zone(domain, type, servers));
  };

  const reverse = (question: Question, address: Uint8Array): Eventual<Resolution> =>
    then(catalog.holders(addressText(address)), ({ node, services }): Resolution => {
      const names =
        node !== undefined
          ? [nodeName(node, ownDomain)]
          : services.map(({ name, datacenter }) => `${name}.service.${datacenter}.${ownDomain}`);
      if (names.length === 0) return settings.recursors.length > 0 ? "elsewhere" : notFound(ownDomain);
      const isAsked = question.type === recordTypes.PTR || question.type === recordTypes.ANY;
      const { nodeTtlS } = settings;
      return found(
        ownDomain,
        isAsked ? names.map((target) => ({ ttlS: nodeTtlS, data: { type: "PTR", target } })) : [],
      );
    });

  const resolve: Resolver = (question) => {
    const { labels, type } = question;
    const asked = readAskedName(labels, { domains: settings.domains, isSrv: type === recordTypes.SRV });
    if (asked !== undefined) return inZone(question, asked.domain, asked.lookup);
    const address = reverseAddress(labels);
    return address === undefined ? "elsewhere" : reverse(question, address);
  };
  return resolve;

  function then<T, R = Answer>(outcome: Found<T>, use: (value: T) => Eventual<R>): Eventual<R | Answer> {
    const judge = (known: Outcome<T>): Eventual<R | Answer> => {
      if (known.state === "known") return use(known.value);
      return failed(known.state);
    };
    return outcome instanceof Promise ? outcome.then(judge) : judge(outcome);
  }
}
