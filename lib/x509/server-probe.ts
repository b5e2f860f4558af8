/**
 * Looks at a server before anything is said to it: one TLS handshake, in which the server proves that it has the key of
 * its certificate and shows the root that signed it. Whether that root is to be trusted is the caller's question.
 */
import type { X509Certificate } from "node:crypto";
import { connect, type DetailedPeerCertificate } from "node:tls";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { errorMessage, systemErrorCode } from "../base/errors.ts";
import { parseHostPort } from "../contract/address.ts";
import { AtollError } from "../contract/error-codes.ts";
import { parseSpiffeId } from "../contract/spiffe.ts";
import { certificateHash, isCurrentlyValid, isIssuedBy, readCertificate, uriNames } from "./certificate.ts";
import { encodePem } from "./pem.ts";

const probeTimeoutMs = 5_000;
/** A longer chain is not of one of our servers. */
const maxChainLength = 16;

export interface ProbedServer {
  /** The root that signed its certificate. */
  readonly rootPem: string;
  readonly rootHash: string;
  /** Of that root and of those before it that vouch for it: to trust one of them is to trust this server. */
  readonly rootHashes: readonly string[];
  readonly trustDomain: string;
  readonly datacenter: string;
}

/** Rejects with `UNAVAILABLE` when nothing answers, `CERTIFICATE_INVALID` when what answers is no Atoll server. */
export async function probeServer(options: {
  readonly address: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<ProbedServer> {
  const { address, clock, signal } = options;
  const chain = await withDeadline({ clock, timeoutMs: probeTimeoutMs, signal }, (bounded) =>
    presentedChain(address, bounded),
  );
  const [leaf] = chain;
  const root = chain.at(-1);
  const problem =
    leaf === undefined || root === undefined ? "it shows no certificate" : findProblem(leaf, root, clock.nowMs());
  const identity = leaf === undefined ? undefined : parseSpiffeId(uriNames(leaf)[0] ?? "");
  if (problem !== undefined || root === undefined || identity?.kind !== "server") {
    throw new AtollError(
      "CERTIFICATE_INVALID",
      `what answers on ${address} is not the RPC port of an Atoll server: ${problem ?? "its certificate is not of a server"}`,
    );
  }
  const { trustDomain, datacenter } = identity;
  const rootHashes = [root, ...vouchersOf(root, chain)].map(certificateHash);
  const rootPem = encodePem("CERTIFICATE", root.raw);
  return { rootPem, rootHash: certificateHash(root), rootHashes, trustDomain, datacenter };
}

/**
 * The roots among `chain` that lead to `root`: the one before it has certified its key, the one before that the key of that one, and
 * so on. Each is certain to have signed what it is said to have signed.
 */
function vouchersOf(root: X509Certificate, chain: readonly X509Certificate[]): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let current: X509Certificate | undefined = root; current !== undefined; ) {
    const crossSigned = chain.filter((one) => one.ca && !isIssuedBy(one, one) && hasKeyOf(one, current));
    const before = chain.find(
      (one) =>
        !found.includes(one) && one.ca && isIssuedBy(one, one) && crossSigned.some((cross) => isIssuedBy(cross, one)),
    );
    if (before !== undefined) found.push(before);
    current = before;
  }
  return found;
}

function hasKeyOf(one: X509Certificate, other: X509Certificate | undefined): boolean {
  return other !== undefined && one.publicKey.equals(other.publicKey);
}

function findProblem(leaf: X509Certificate, root: X509Certificate, nowMs: number): string | undefined {
  if (!isIssuedBy(root, root) || !root.ca) return "it does not show the root that signed its certificate";
  if (!isIssuedBy(leaf, root)) return "its certificate was not signed by the root that it shows";
  if (!isCurrentlyValid(leaf, nowMs)) {
    return `its certificate is valid from ${leaf.validFrom} to ${leaf.validTo}: compare the clocks of both machines`;
  }
  return undefined;
}

/** The certificates of the handshake, leaf first. Nothing is verified here but the possession of the leaf's key. */
function presentedChain(address: string, signal: AbortSignal): Promise<readonly X509Certificate[]> {
  const target = parseHostPort(address);
  if (target === undefined)
    throw new AtollError("CONFIG_INVALID", `the server address must be host:port, found "${address}"`);
  return new Promise((resolve, reject) => {
    const socket = connect({ ...target, rejectUnauthorized: false, minVersion: "TLSv1.3", ALPNProtocols: ["h2"] });
    const fail = (message: string, cause?: unknown): void => {
      socket.destroy();
      reject(new AtollError("UNAVAILABLE", message, { cause }));
    };
    const abort = (): void => fail(`server ${address} did not answer in time`);
    signal.addEventListener("abort", abort, { once: true });
    socket.once("secureConnect", () => {
      const chain = walk(socket.getPeerCertificate(true));
      signal.removeEventListener("abort", abort);
      socket.destroy();
      resolve(chain);
    });
    socket.on("error", (error) => {
      signal.removeEventListener("abort", abort);
      const refused = systemErrorCode(error) === "ECONNREFUSED";
      fail(refused ? `no server listens on ${address}` : `no TLS with ${address}: ${errorMessage(error)}`, error);
    });
    // A peer that hangs up without a word is no error for the socket.
    socket.once("close", () => fail(`${address} hung up during the TLS handshake`));
  });
}

function walk(first: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = first;
  while (next?.raw !== undefined && chain.length < maxChainLength) {
    const certificate = readCertificate(next.raw);
    if (certificate === undefined) break;
    chain.push(certificate);
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}
