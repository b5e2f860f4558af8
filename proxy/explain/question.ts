import { AtollError } from "../../lib/contract/error-codes.ts";
import { parseHostPort } from "../../lib/contract/address.ts";
import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import { parseSpiffeId } from "../../lib/contract/spiffe.ts";

/** What a person asks about. */
export interface Question {
  readonly method: string;
  /** Absolute, as in a client's command line. */
  readonly url: string;
  /** Lines as `Name: value`. */
  readonly fields: readonly string[];
  /** Where the client is, with or without a port. */
  readonly from: string;
  /** The outbound listener, by service or address; by the URL's host when absent. */
  readonly listener?: string;
  /** An inbound listener instead, by service or address, called by `as`. */
  readonly inbound?: string;
  readonly as?: string;
}

export interface AskedUrl {
  readonly scheme: "http" | "https";
  readonly authority: string;
  /** With its query, as it is written: the proxy reads it, and nobody before it. */
  readonly path: string;
}

/** Throws `INVALID_ARGUMENT`. */
export function parseUrl(url: string): AskedUrl {
  const match = /^(https?):\/\/([^/?#]+)([^#]*)$/i.exec(url);
  const [, scheme = "", authority = "", rest = ""] = match ?? [];
  if (match === null) {
    throw invalid(`the URL must be http://host/path without a fragment, found "${url}"`);
  }
  const path = rest === "" ? "/" : rest.startsWith("?") ? `/${rest}` : rest;
  return { scheme: scheme.toLowerCase() === "https" ? "https" : "http", authority, path };
}

/** `host:port` of who asks. Throws `INVALID_ARGUMENT`. */
export function parseFrom(from: string): string {
  const candidates = [from, `${from}:0`, `[${from}]:0`];
  const found = candidates.find((each) => parseHostPort(each) !== undefined);
  if (found !== undefined) return found;
  throw invalid(`-from must be an address, with or without a port, found "${from}"`);
}

/** Index of the outbound listener that is asked. Throws `INVALID_ARGUMENT` when there is none, or more than one. */
export function findOutbound({ outbound }: ProxyConfig, { listener }: Question, { authority }: AskedUrl): number {
  const wanted = listener ?? authority.toLowerCase();
  const host = listener ?? hostOf(authority).toLowerCase();
  const indexes = outbound.flatMap((one, i) =>
    one.listen === wanted || one.service === host || (listener === undefined && isNameOf(host, one.service)) ? [i] : [],
  );
  // An address is one listener's; a name may be several's.
  const byAddress = indexes.filter((i) => outbound[i]?.listen === wanted);
  const found = byAddress.length > 0 ? byAddress : indexes;
  return mustBeOne(found, "outbound", outbound, listener === undefined ? `host "${host}"` : `-listener "${wanted}"`);
}

/** Index of the inbound listener that is asked. Throws `INVALID_ARGUMENT`. */
export function findInbound({ inbound }: ProxyConfig, wanted: string): number {
  const found = inbound.flatMap(({ listen, service }, i) => (listen === wanted || service === wanted ? [i] : []));
  return mustBeOne(found, "inbound", inbound, `-inbound "${wanted}"`);
}

/** Whose SPIFFE id a caller shows. Throws `INVALID_ARGUMENT`. */
export function parseCaller(as: string | undefined): string {
  if (as === undefined) throw invalid("-inbound needs -as=<spiffe id>: who calls is what intentions go by");
  if (parseSpiffeId(as) !== undefined) return as;
  const form = "spiffe://<trust-domain>/ns/default/dc/<dc>/svc/<service>";
  throw invalid(`-as must be a SPIFFE id, ${form}, found "${as}"`);
}

export function invalid(message: string): AtollError {
  return new AtollError("INVALID_ARGUMENT", message);
}

function mustBeOne(
  found: readonly number[],
  side: string,
  listeners: readonly { readonly service: string; readonly listen: string }[],
  wanted: string,
): number {
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  const list = (first === undefined ? [...listeners.keys()] : found).map(
    (i) => `${side}[${i}] ${listeners[i]?.service} on ${listeners[i]?.listen}`,
  );
  const problem = first === undefined ? "no listener is meant by" : "several listeners are meant by";
  const fix = side === "outbound" ? "; name one with -listener=<service or address>" : "; name one by its address";
  throw invalid(`${problem} ${wanted}: there ${list.length === 0 ? "is none" : `are ${list.join(", ")}`}${fix}`);
}

/** As DNS names of the mesh begin: web.service.consul, web.virtual.mesh. */
function isNameOf(host: string, service: string): boolean {
  return host.startsWith(`${service.toLowerCase()}.`);
}

function hostOf(authority: string): string {
  return authority.replace(/:\d*$/, "");
}
