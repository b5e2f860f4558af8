/** What a certification request has to be before the authority puts its name to it. */
import type { ErrorCode } from "../../lib/contract/error-codes.ts";
import { meshServerName, parseSpiffeId, type SpiffeId } from "../../lib/contract/spiffe.ts";
import type { CertificateRequest } from "../../lib/x509/certificate-request.ts";
import { checkKey } from "../../lib/x509/keys.ts";

export interface RequestPolicy {
  readonly trustDomain: string;
  readonly datacenter: string;
  readonly scope: SigningScope;
}

/** Which identities one caller may have signed. */
export interface SigningScope {
  readonly services: boolean;
  /** The one node whose agent identity may be signed; absent: none. */
  readonly agentNode?: string;
  /** Throws `PERMISSION_DENIED` for a service that the caller may not have; absent: it may have any. */
  readonly demandService?: (service: string) => void;
}

export type LeafIdentity = Extract<SpiffeId, { kind: "service" | "agent" }>;

export type PolicyResult =
  | { readonly ok: true; readonly identity: LeafIdentity; readonly uri: string }
  | {
      readonly ok: false;
      readonly code: Extract<ErrorCode, "CERTIFICATE_INVALID" | "INVALID_ARGUMENT">;
      readonly reason: string;
    };

/** The longest name that DNS and TLS SNI can carry. */
const maxServerNameLength = 253;

/** Checks key, names and identity. The SpiffeId of the answer is the only thing of the request that a leaf repeats. */
export function checkRequest(request: CertificateRequest, policy: RequestPolicy): PolicyResult {
  const key = checkKey(request.publicKey);
  if (!key.ok) return malformed(key.reason);
  if (request.wantsAuthority)
    return malformed("it asks to be an authority (CA:TRUE); only leaf certificates are signed");
  const nameProblem = findNameProblem(request);
  if (nameProblem !== undefined) return malformed(nameProblem);
  const uris = request.names.filter((name) => name.type === "uri");
  const [uri] = uris;
  if (uri === undefined || uris.length > 1) {
    return malformed(`it has ${uris.length} URI names; exactly one, the SPIFFE id, is needed`);
  }
  return checkIdentity(uri.value, policy);
}

/** Names that somebody could read in two ways are refused, also those that the leaf would not repeat anyway. */
function findNameProblem(request: CertificateRequest): string | undefined {
  if (request.names.some((name) => name.type === "email")) return "it has an email name, which no identity here uses";
  if (request.names.some((name) => name.type === "other")) {
    return "it has a name that is neither URI, DNS nor IP, which no identity here uses";
  }
  const dns = request.names.find((name) => name.type === "dns" && !/^[A-Za-z0-9._*-]{1,253}$/.test(name.value));
  if (dns !== undefined) return `its DNS name ${JSON.stringify(dns.value)} has characters that no host name has`;
  // A NUL, a line break or a space in a URI has fooled verifiers before; a SPIFFE id has printable ASCII only.
  const uri = request.names.find((name) => name.type === "uri" && !/^[\x21-\x7e]+$/.test(name.value));
  if (uri !== undefined) return `its URI name ${JSON.stringify(uri.value)} has characters that no SPIFFE id has`;
  const subject = request.subject.find((value) => /[\p{Cc}\ufffd]/u.test(value) || value.length > 255);
  if (subject !== undefined) return "its subject has control characters, is not UTF-8 or is longer than 255 characters";
  return undefined;
}

function checkIdentity(uri: string, policy: RequestPolicy): PolicyResult {
  const identity = parseSpiffeId(uri);
  if (identity === undefined) {
    return wrong(
      `its URI name "${uri}" is not a SPIFFE id of the form spiffe://<trust-domain>/ns/default/dc/<dc>/svc/<service>`,
    );
  }
  if (identity.trustDomain !== policy.trustDomain) {
    return wrong(
      `its SPIFFE id is of trust domain "${identity.trustDomain}", this cluster's is "${policy.trustDomain}"`,
    );
  }
  if (identity.datacenter !== policy.datacenter) {
    return wrong(
      `its SPIFFE id is of datacenter "${identity.datacenter}", these servers are in "${policy.datacenter}"`,
    );
  }
  if (identity.kind === "server") return wrong("its SPIFFE id is of the servers, which take no requests for their own");
  if (identity.kind === "service" && !policy.scope.services)
    return wrong("its SPIFFE id is of a service, not of an agent");
  if (identity.kind === "agent" && identity.node !== policy.scope.agentNode) {
    return wrong(`its SPIFFE id is of the agent of node "${identity.node}", ${allowedAgent(policy.scope)}`);
  }
  if (identity.kind === "service" && meshServerName(identity).length > maxServerNameLength) {
    return wrong(
      `the mesh name of service "${identity.service}" would be longer than ${maxServerNameLength} characters`,
    );
  }
  return { ok: true, identity, uri };
}

function allowedAgent(scope: SigningScope): string {
  return scope.agentNode === undefined
    ? "here only services are signed"
    : `the request comes from "${scope.agentNode}"`;
}

function malformed(reason: string): PolicyResult {
  return { ok: false, code: "CERTIFICATE_INVALID", reason };
}

function wrong(reason: string): PolicyResult {
  return { ok: false, code: "INVALID_ARGUMENT", reason };
}
