/** The kinds of answers that a zone gives, each with the records that belong to it. */
import type { Clock } from "../../lib/base/clock.ts";
import type { DnsInstance } from "./dns-catalog.ts";
import type { DnsSettings } from "./dns-settings.ts";
import type { Answer } from "./message.ts";
import { nodeName, recordsOfEndpoint } from "./service-records.ts";
import { type Rcode, rcodes, recordTypes } from "./wire/codes.ts";
import type { DnsRecord, Sections } from "./wire/record.ts";

export interface ZoneAnswers {
  /** There is nothing of that name. */
  notFound(domain: string): Answer;
  /** What there is of the type; that there is nothing of it is said with the zone's SOA. */
  found(domain: string, answers: readonly DnsRecord[], additional?: readonly DnsRecord[]): Answer;
  /** The zone's own SOA or name servers. */
  zone(domain: string, type: number, servers: readonly DnsInstance[]): Answer;
  failed(state: "unreachable" | "denied"): Answer;
}

const maxNameServers = 3;

export function createZoneAnswers(
  settings: Pick<DnsSettings, "soa" | "nodeTtlS">,
  clock: Pick<Clock, "nowMs">,
): ZoneAnswers {
  const soa = (domain: string): DnsRecord => ({
    owner: domain,
    ttlS: settings.soa.minTtlS,
    data: {
      type: "SOA",
      primary: `ns.${domain}`,
      mailbox: `hostmaster.${domain}`,
      times: { ...settings.soa, serial: Math.floor(clock.nowMs() / 1_000) },
    },
  });
  const found: ZoneAnswers["found"] = (domain, answers, additional = []) =>
    answers.length === 0
      ? answerOf(rcodes.noError, { authority: [soa(domain)] })
      : answerOf(rcodes.noError, { answers, additional });
  return {
    found,
    notFound: (domain) => answerOf(rcodes.nameError, { authority: [soa(domain)] }),
    zone(domain, type, servers) {
      const { names, glue } = nameServers(servers, domain, settings.nodeTtlS);
      if (type === recordTypes.NS) return found(domain, names, glue);
      const { owner: _zone, ...record } = soa(domain);
      const authority = names.map((name) => ({ ...name, owner: domain }));
      return answerOf(rcodes.noError, { answers: [record], authority, additional: glue });
    },
    failed: (state) => answerOf(state === "denied" ? rcodes.refused : rcodes.serverFailure, {}),
  };
}

function answerOf(rcode: Rcode, sections: Partial<Sections>): Answer {
  return { rcode, isAuthoritative: true, sections: { answers: [], authority: [], additional: [], ...sections } };
}

function nameServers(
  servers: readonly DnsInstance[],
  domain: string,
  ttlS: number,
): { readonly names: readonly DnsRecord[]; readonly glue: readonly DnsRecord[] } {
  const chosen = servers.slice(0, maxNameServers);
  return {
    names: chosen.map(({ node }) => ({ ttlS, data: { type: "NS", target: nodeName(node, domain) } })),
    glue: chosen.flatMap((instance) =>
      recordsOfEndpoint(instance.endpoint ?? instance.node.endpoint, recordTypes.ANY, ttlS).map((record) => ({
        ...record,
        owner: nodeName(instance.node, domain),
      })),
    ),
  };
}
