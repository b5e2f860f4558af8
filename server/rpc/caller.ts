/** Who is on the other end of an RPC: read from the certificate that TLS has proven the possession of, anew on every call. */
import { X509Certificate } from "node:crypto";
import type { ServerUnaryCall } from "@grpc/grpc-js";
import type { Clock } from "../../lib/base/clock.ts";
import { parseSpiffeId, type SpiffeId } from "../../lib/contract/spiffe.ts";
import {
  certificateValidity,
  dnsNames,
  isCurrentlyValid,
  isIssuedBy,
  readCertificate,
  uriNames,
} from "../../lib/x509/certificate.ts";
import { splitCertificates } from "../../lib/x509/pem.ts";
import type { Authority } from "../ca/authority.ts";

export type AgentIdentity = Extract<SpiffeId, { kind: "agent" }>;
/** Another server of the cluster: all of them share one identity. */
export type ServerIdentity = Extract<SpiffeId, { kind: "server" }>;
export type CallerIdentity = AgentIdentity | ServerIdentity;
export type RefusalReason = "no-certificate" | "foreign-authority" | "expired" | "not-an-agent";

/** What TLS has established about the peer of a call. */
export type TlsPeer = ReturnType<ServerUnaryCall<unknown, unknown>["getAuthContext"]>;

export type CallerCheck =
  | {
      readonly ok: true;
      readonly identity: CallerIdentity;
      readonly notAfterMs: number;
      /** The DNS names of its certificate. */
      readonly names: readonly string[];
    }
  | { readonly ok: false; readonly reason: RefusalReason; readonly message: string };

export interface CallerPolicy {
  /** Its roots are asked for at every call. */
  readonly authority: Pick<Authority, "rootsPem" | "trustDomain" | "datacenter">;
  readonly clock: Clock;
}

/** Certificates that are remembered as verified. */
const maxVerified = 1_024;

/**
 * What makes a check from the TLS side of a call. The chain is verified here as well, so that one place decides. A caller
 * shows the same certificate with every call, and to read and verify one takes 0.4 ms: those that passed are remembered by
 * their bytes, and only the time is looked at again.
 */
export function createCallerCheck(policy: CallerPolicy): (peer: TlsPeer) => CallerCheck {
  const verified = new Map<string, VerifiedCaller>();
  let rootsPem = "";
  let roots: readonly X509Certificate[] = [];
  return (peer) => {
    if (policy.authority.rootsPem !== rootsPem) {
      rootsPem = policy.authority.rootsPem;
      roots = splitCertificates(rootsPem).map((pem) => new X509Certificate(pem));
      verified.clear();
    }
    const der = peer.sslPeerCertificate?.raw;
    const key = der?.toString("latin1") ?? "";
    const known = verified.get(key);
    const nowMs = policy.clock.nowMs();
    if (known !== undefined && nowMs >= known.notBeforeMs && nowMs <= known.notAfterMs) return known;
    const checked = checkCertificate(der, roots, policy);
    if (checked.ok) remember(verified, key, checked);
    return checked;
  };
}

type VerifiedCaller = Extract<CallerCheck, { readonly ok: true }> & { readonly notBeforeMs: number };

function remember(verified: Map<string, VerifiedCaller>, key: string, caller: VerifiedCaller): void {
  verified.set(key, caller);
  if (verified.size <= maxVerified) return;
  for (const oldest of verified.keys()) {
    verified.delete(oldest);
    return;
  }
}

function checkCertificate(
  der: Uint8Array | undefined,
  roots: readonly X509Certificate[],
  { authority, clock }: CallerPolicy,
): VerifiedCaller | Extract<CallerCheck, { readonly ok: false }> {
  const certificate = der === undefined ? undefined : readCertificate(der);
  if (certificate === undefined) {
    return refuse(
      "no-certificate",
      "a client certificate of this cluster's authority is needed, and none was presented, or one of another authority, or an expired one: start the agent with the cluster's join token, or remove its enrolment folder to enrol again",
    );
  }
  if (!roots.some((root) => isIssuedBy(certificate, root))) {
    return refuse("foreign-authority", "the client certificate was issued by another authority than this cluster's");
  }
  if (!isCurrentlyValid(certificate, clock.nowMs())) {
    return refuse(
      "expired",
      `the client certificate is valid from ${certificate.validFrom} to ${certificate.validTo} only`,
    );
  }
  const uris = uriNames(certificate);
  const identity = uris.length === 1 ? parseSpiffeId(uris[0] ?? "") : undefined;
  if (identity?.kind !== "agent" && identity?.kind !== "server") {
    return refuse("not-an-agent", `the client certificate is of ${uris.join(", ") || "nobody"}, which is not an agent`);
  }
  if (identity.trustDomain !== authority.trustDomain || identity.datacenter !== authority.datacenter) {
    return refuse("not-an-agent", `the ${identity.kind} ${uris.join()} belongs to another trust domain or datacenter`);
  }
  return { ok: true, identity, names: dnsNames(certificate), ...certificateValidity(certificate) };
}

function refuse(reason: RefusalReason, message: string): Extract<CallerCheck, { readonly ok: false }> {
  return { ok: false, reason, message };
}
