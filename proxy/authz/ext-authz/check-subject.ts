import type { RequestHead } from "../../message/request-head.ts";

/** Both ends of the connection that a request came by, as an authorizer is told of them; the same for all of its requests. */
export interface CheckPeers {
  /** SPIFFE URIs: who calls, and who is called. */
  readonly callerUri: string;
  readonly ownUri: string;
  /** `host:port`. */
  readonly callerAddress: string;
  readonly ownAddress: string;
  readonly protocol: "HTTP/1.1" | "HTTP/2";
  /** PEM; empty when there is none. */
  readonly callerCertificate: () => string;
}

/** What one check is about. */
export interface CheckSubject {
  readonly peers: CheckPeers;
  /** As it will be forwarded: what is judged is what the application gets. */
  readonly head: RequestHead;
  /** X-Request-ID, or a number of our own. */
  readonly id: string;
  readonly nowMs: number;
}

/** An upgrade is the GET that it is to the application (RFC 8441 section 5). */
export function methodOf({ method, protocol }: RequestHead): string {
  return protocol === "" ? method : "GET";
}
