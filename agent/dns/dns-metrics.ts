import { Counter, Gauge, type Registry } from "prom-client";
import type { Transport } from "./answer-size.ts";

/** What DNS counts. */
export interface DnsMetrics {
  answered(transport: Transport, rcode: number): void;
  dropped(reason: "malformed" | "overload"): void;
  recursorFailed(): void;
}

/** Codes above share the last one's name. */
const rcodeNames = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"] as const;
const otherRcode = "OTHER";

export function createDnsMetrics(registry: Registry, watchedReads: () => number): DnsMetrics {
  const answers = new Counter({
    name: "atoll_agent_dns_answers_total",
    help: "DNS answers, by transport and response code.",
    labelNames: ["transport", "rcode"],
    registers: [registry],
  });
  const drops = new Counter({
    name: "atoll_agent_dns_dropped_total",
    help: "DNS messages and connections that were given no answer, by reason.",
    labelNames: ["reason"],
    registers: [registry],
  });
  const failures = new Counter({
    name: "atoll_agent_dns_recursor_failures_total",
    help: "Questions that a recursor did not answer with NOERROR or NXDOMAIN in time.",
    registers: [registry],
  });
  // It asks when it is scraped and needs nobody to hold it.
  void new Gauge({
    name: "atoll_agent_dns_watched_reads",
    help: "Names of the catalog that are kept current for DNS.",
    registers: [registry],
    collect() {
      this.set(watchedReads());
    },
  });
  const countersOf = (transport: Transport) =>
    [...rcodeNames, otherRcode].map((rcode) => answers.labels({ transport, rcode }));
  const counters = { udp: countersOf("udp"), tcp: countersOf("tcp") };
  const last = rcodeNames.length;
  return {
    answered: (transport, rcode) => counters[transport][Math.min(rcode, last)]?.inc(),
    dropped: (reason) => drops.inc({ reason }),
    recursorFailed: () => failures.inc(),
  };
}
