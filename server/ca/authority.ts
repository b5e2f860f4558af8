/**
 * The certificate authority of a cluster, as one server sees it: turns certification requests into leaf certificates
 * signed by the root. It keeps no list of what it issued; who may ask is decided by its callers (HTTP, RPC).
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { assert } from "../../lib/base/assert.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { SignedLeaf } from "../../lib/client/server-link.ts";
import { type AuthorityConfig, defaultAuthorityConfig } from "../../lib/contract/authority-config.ts";
import type { CaRootFields, CaRotate } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { formatSpiffeId, meshServerName, rpcServerName, serverNodeName } from "../../lib/contract/spiffe.ts";
import { colonHex, createCertificate, type IssuerNames, readIssuerNames, rfc3339 } from "../../lib/x509/certificate.ts";
import { parseCertificateRequest } from "../../lib/x509/certificate-request.ts";
import {
  authorityKeyIdentifier,
  basicConstraints,
  type ExtendedKeyUsage,
  extendedKeyUsage,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from "../../lib/x509/extensions.ts";
import { checkKey, generateKey, subjectKeyId } from "../../lib/x509/keys.ts";
import { commonName, maxCommonNameLength } from "../../lib/x509/names.ts";
import { createRateLimit } from "./rate-limit.ts";
import { checkRequest, type LeafIdentity, type SigningScope } from "./request-policy.ts";
import { backdateMs, wholeSeconds } from "./root.ts";
import { planRotation, type RotationWish } from "./rotation.ts";

export interface AuthorityOptions {
  /** The trusted roots as they are now, first the one that signs, with its key; never none. The same array until they change. */
  readonly roots: () => readonly CaRootFields[];
  readonly datacenter: string;
  /** Asked with every signature; absent: the defaults. */
  readonly config?: () => AuthorityConfig;
  /** The index to answer with a signed leaf: the newest applied one. */
  readonly currentIndex: () => number;
  /** Id of this server in its cluster, named by its own certificate; absent for one without peers. */
  readonly nodeId?: string;
  readonly runtime: Runtime;
}

export interface Authority {
  readonly clusterId: string;
  readonly trustDomain: string;
  readonly datacenter: string;
  /** The certificate of the root that signs now. */
  readonly rootPem: string;
  /** Its id. */
  readonly rootId: string;
  /** All roots that are trusted now, that one first. */
  readonly rootsPem: string;
  /**
   * Signs a request for an identity within `scope`, by default any service; its key, signature and names are checked
   * first. Throws `CERTIFICATE_INVALID` for an unusable request, `INVALID_ARGUMENT` for one of the wrong identity,
   * `RATE_LIMITED` over the limit.
   */
  sign(csrPem: string, scope?: SigningScope): SignedLeaf;
  /** A certificate for this server's RPC listener with a new key. Not rate limited: only we ourselves ask. */
  issueServerCertificate(): ServerCertificate;
  /**
   * A certificate for the server `nodeId` that joins, with the key of its request; followed as in `ServerCertificate`. Who may ask is
   * decided by the caller. Throws `CERTIFICATE_INVALID` for an unusable request.
   */
  signServer(csrPem: string, nodeId: string): string;
  /** The command that has another root sign. Throws `INVALID_ARGUMENT` for one that cannot. */
  planRotation(wish: RotationWish): CaRotate;
}

export interface ServerCertificate {
  /**
   * The server's certificate, then what leads from its root to those before it and these themselves, and last its root: so that a
   * newcomer can compare any of them with its join token, and who trusts an old one only can verify it all the same.
   */
  readonly chainPem: string;
  /** The root that signed it. */
  readonly rootId: string;
  readonly privateKeyPem: string;
  readonly notBefore: string;
  readonly notAfter: string;
}

export function createAuthority(options: AuthorityOptions): Authority {
  const { datacenter, runtime, config = () => defaultAuthorityConfig } = options;
  let signer = createSigner(options.roots());
  const current = (): Signer => {
    const roots = options.roots();
    if (roots !== signer.roots && roots.length > 0) signer = createSigner(roots);
    return signer;
  };
  // What no rotation changes.
  const { clusterId, trustDomain } = signer.root;
  const serverName = rpcServerName({ datacenter, trustDomain });
  const limit = createRateLimit({
    perSecond: () => config().signaturesPerSecond,
    clock: runtime.clock,
  });

  const serverLeaf = (publicKey: KeyObject, nodeId: string | undefined): LeafFields => {
    const domain = { datacenter, trustDomain };
    const own = nodeId === undefined ? [] : [serverNodeName({ ...domain, nodeId })];
    const uri = formatSpiffeId({ kind: "server", ...domain });
    const dnsNames = [serverName, "localhost", ...own];
    return { commonName: serverName, uri, dnsNames, usages: ["serverAuth", "clientAuth"], publicKey };
  };
  const issue = (leaf: LeafFields, { issuer, issuerKey }: Signer): IssuedLeaf => {
    const notBeforeMs = wholeSeconds(runtime.clock.nowMs() - backdateMs);
    const notAfterMs = wholeSeconds(runtime.clock.nowMs() + config().leafTtlMs);
    const serialNumber = randomSerial(runtime);
    const certPem = createCertificate(
      {
        serialNumber,
        issuer: issuer.subject,
        subject: commonName(leaf.commonName.slice(0, maxCommonNameLength)),
        notBeforeMs,
        notAfterMs,
        publicKey: leaf.publicKey,
        extensions: [
          basicConstraints(false),
          keyUsage("leaf"),
          extendedKeyUsage(leaf.usages),
          subjectKeyIdentifier(subjectKeyId(leaf.publicKey)),
          authorityKeyIdentifier(issuer.keyId),
          subjectAltName([
            { type: "uri", value: leaf.uri },
            ...leaf.dnsNames.map((value) => ({ type: "dns" as const, value })),
          ]),
        ],
      },
      issuerKey,
    );
    return {
      certPem,
      serialNumber: colonHex(serialNumber),
      notBefore: rfc3339(notBeforeMs),
      notAfter: rfc3339(notAfterMs),
    };
  };

  return {
    clusterId,
    trustDomain,
    datacenter,
    get rootPem() {
      return current().root.certPem;
    },
    get rootId() {
      return current().root.id;
    },
    get rootsPem() {
      return current().rootsPem;
    },
    sign(csrPem, scope = { services: true }) {
      if (!limit.tryTake()) throw new AtollError("RATE_LIMITED", "Rate limit reached, try again later");
      const parsed = parseCertificateRequest(csrPem);
      if (!parsed.ok) {
        throw new AtollError("CERTIFICATE_INVALID", `the certificate request cannot be used: ${parsed.reason}`);
      }
      const checked = checkRequest(parsed.request, { trustDomain, datacenter, scope });
      if (!checked.ok) throw new AtollError(checked.code, `the certificate request is refused: ${checked.reason}`);
      if (checked.identity.kind === "service") scope.demandService?.(checked.identity.service);
      const signing = current();
      const leaf = issue(leafFields(checked.identity, parsed.request.publicKey), signing);
      return {
        ...leaf,
        chainPem: signing.root.crossSignedPem ?? "",
        spiffeId: checked.uri,
        modifyIndex: options.currentIndex(),
      };
    },
    issueServerCertificate() {
      const key = generateKey();
      const signing = current();
      const { certPem, notBefore, notAfter } = issue(serverLeaf(key.publicKey, options.nodeId), signing);
      const { privateKeyPem } = key;
      return { chainPem: certPem + signing.tailPem, rootId: signing.root.id, privateKeyPem, notBefore, notAfter };
    },
    planRotation: (wish) => planRotation({ active: current().root, wish, config: config(), runtime }),
    signServer(csrPem, nodeId) {
      const parsed = parseCertificateRequest(csrPem);
      const key = parsed.ok ? checkKey(parsed.request.publicKey) : parsed;
      if (!parsed.ok || !key.ok) {
        const reason = parsed.ok ? (key.ok ? "" : key.reason) : parsed.reason;
        throw new AtollError("CERTIFICATE_INVALID", `the certificate request cannot be used: ${reason}`);
      }
      const signing = current();
      return issue(serverLeaf(parsed.request.publicKey, nodeId), signing).certPem + signing.tailPem;
    },
  };
}

/** What signs as long as the roots are these. */
interface Signer {
  readonly roots: readonly CaRootFields[];
  readonly root: CaRootFields;
  readonly rootsPem: string;
  /** What follows a server's certificate. */
  readonly tailPem: string;
  readonly issuer: IssuerNames;
  readonly issuerKey: KeyObject;
}

function createSigner(roots: readonly CaRootFields[]): Signer {
  const [root, ...others] = roots;
  assert(root !== undefined, "an authority has a root");
  // In this order: who builds a path takes the first certificate that fits.
  const tail = [...roots.map(({ crossSignedPem = "" }) => crossSignedPem), ...others.map(({ certPem }) => certPem)];
  return {
    roots,
    root,
    rootsPem: roots.map(({ certPem }) => certPem).join(""),
    tailPem: tail.join("") + root.certPem,
    issuer: readIssuerNames(new X509Certificate(root.certPem)),
    issuerKey: createPrivateKey(root.privateKeyPem),
  };
}

interface LeafFields {
  readonly commonName: string;
  readonly uri: string;
  readonly dnsNames: readonly string[];
  readonly usages: readonly ExtendedKeyUsage[];
  readonly publicKey: KeyObject;
}

type IssuedLeaf = Pick<SignedLeaf, "certPem" | "serialNumber" | "notBefore" | "notAfter">;

/**
 * What goes into the certificate of an identity. Its DNS name is derived from the identity, never taken from the request:
 * a request could otherwise borrow the name of another service, or of the servers themselves.
 */
function leafFields(identity: LeafIdentity, publicKey: KeyObject): LeafFields {
  const uri = formatSpiffeId(identity);
  if (identity.kind === "agent") {
    return { commonName: identity.node, uri, dnsNames: [], usages: ["clientAuth"], publicKey };
  }
  return {
    commonName: identity.service,
    uri,
    dnsNames: [meshServerName(identity)],
    usages: ["serverAuth", "clientAuth"],
    publicKey,
  };
}

/** 16 bytes that read as a positive number of full length. */
function randomSerial(runtime: Runtime): Uint8Array {
  const bytes = Uint8Array.from(runtime.random.bytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}
