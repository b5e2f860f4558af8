/**
 * What a name asks for. Within a zone the labels are read from the right to the first one that names a kind
 * (`service`, `node`, ...): what is before it is the subject, what is behind it says where, as in Consul.
 */
export type Lookup =
  | ServiceLookup
  | { readonly kind: "node"; readonly node: string; readonly place: Place }
  | { readonly kind: "query"; readonly query: string; readonly place: Place }
  | { readonly kind: "virtual"; readonly service: string; readonly peer?: string }
  | { readonly kind: "address"; readonly address: Uint8Array }
  /** The zone itself. */
  | { readonly kind: "apex" }
  /** There are names below it, and nothing at it: `service.consul`. */
  | { readonly kind: "empty" }
  | { readonly kind: "nothing" };

export interface ServiceLookup {
  readonly kind: "service" | "connect" | "ingress";
  readonly service: string;
  /** All of them have to be an instance's; or, joined by dots, one of its tags. */
  readonly tags: readonly string[];
  /** The name of one of the instance's ports. */
  readonly port?: string;
  readonly place: Place;
}

/** Where to look: nothing for the own datacenter. */
export interface Place {
  readonly datacenter?: string;
  readonly peer?: string;
}

export interface AskedName {
  /** The zone, as configured. */
  readonly domain: string;
  readonly lookup: Lookup;
}

const kinds = ["service", "connect", "ingress", "virtual", "node", "query", "addr"] as const;
type Kind = (typeof kinds)[number];

const nothing: Lookup = { kind: "nothing" };
const empty: Lookup = { kind: "empty" };

/** `labels` in lower case. Undefined for a name in none of the zones. */
export function readAskedName(
  labels: readonly string[],
  { domains, isSrv }: { readonly domains: readonly string[]; readonly isSrv: boolean },
): AskedName | undefined {
  const domain = zoneOf(labels, domains);
  if (domain === undefined) return undefined;
  const inner = labels.slice(0, labels.length - domain.split(".").length);
  // What cannot be told from several labels, or put into a URL, names nothing of ours.
  if (!inner.every((label) => /^[\x21-\x2d\x2f-\x7e]+$/.test(label))) return { domain, lookup: nothing };
  return { domain, lookup: readLookup(inner, isSrv) };
}

/** The longest of the zones that the name is in. */
function zoneOf(labels: readonly string[], domains: readonly string[]): string | undefined {
  let best: string | undefined;
  for (const domain of domains) {
    const zone = domain.split(".");
    const start = labels.length - zone.length;
    if (start < 0 || !zone.every((label, i) => labels[start + i] === label)) continue;
    if (best === undefined || domain.length > best.length) best = domain;
  }
  return best;
}

function readLookup(labels: readonly string[], isSrv: boolean): Lookup {
  if (labels.length === 0) return { kind: "apex" };
  for (let i = labels.length - 1; i >= 0; i--) {
    const kind = kinds.find((known) => known === labels[i]);
    if (kind !== undefined) return lookupOf(kind, labels.slice(0, i), labels.slice(i + 1));
    // RFC 2782 names need no `service`.
    if (isSrv && labels[i]?.startsWith("_") === true) {
      return lookupOf("service", labels.slice(0, i + 1), labels.slice(i + 1));
    }
  }
  return nothing;
}

function lookupOf(kind: Kind, subject: readonly string[], suffix: readonly string[]): Lookup {
  const place = kind === "virtual" ? peerOf(suffix) : placeOf(suffix);
  if (place === undefined) return nothing;
  const last = subject.at(-1);
  if (last === undefined) return empty;
  switch (kind) {
    case "service":
      return serviceLookup(subject, place);
    case "connect":
    case "ingress":
      return { kind, service: last, tags: subject.slice(0, -1), place };
    case "node":
      return { kind, node: subject.join("."), place };
    case "query": {
      const [name = "", protocol = ""] = subject;
      const isRfc2782 = subject.length === 2 && name.startsWith("_") && protocol.startsWith("_");
      return { kind, query: isRfc2782 ? name.slice(1) : subject.join("."), place };
    }
    case "virtual":
      return { kind, service: last, ...(place.peer !== undefined && { peer: place.peer }) };
    case "addr": {
      const address = subject.length === 1 ? addressOfHex(last) : undefined;
      return address === undefined ? nothing : { kind: "address", address };
    }
  }
}

function serviceLookup(subject: readonly string[], place: Place): Lookup {
  const [first = "", second = ""] = subject;
  if (subject.length === 2 && first.startsWith("_") && second.startsWith("_")) {
    const tag = second.slice(1);
    const service = first.slice(1);
    if (service === "") return nothing;
    return { kind: "service", service, tags: tag === "tcp" || tag === "" ? [] : [tag], place };
  }
  const service = subject.at(-1) ?? "";
  const port = subject.length === 3 && second === "port" ? { port: first } : {};
  return { kind: "service", service, tags: subject.slice(0, -1), place, ...port };
}

/** `<dc>`, `<dc>.dc` or `<peer>.peer`; undefined for what is none of them. */
function placeOf(suffix: readonly string[]): Place | undefined {
  const [name, kind] = suffix;
  if (name === undefined) return {};
  if (suffix.length === 1) return { datacenter: name };
  if (suffix.length > 2) return undefined;
  if (kind === "dc") return { datacenter: name };
  return kind === "peer" ? { peer: name } : undefined;
}

function peerOf(suffix: readonly string[]): Place | undefined {
  const [peer, kind] = suffix;
  if (peer === undefined) return {};
  return suffix.length === 1 || (suffix.length === 2 && kind === "peer") ? { peer } : undefined;
}

function addressOfHex(text: string): Uint8Array | undefined {
  return /^(?:[0-9a-f]{8}|[0-9a-f]{32})$/.test(text) ? Uint8Array.from(Buffer.from(text, "hex")) : undefined;
}
