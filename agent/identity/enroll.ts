/** A node's first certificate: which server to believe, then the request, tried until a server gives an answer. */
import { createBackoff } from "../../lib/base/backoff.ts";
import { sleep } from "../../lib/base/clock.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { enrollAt } from "../../lib/client/enroll-call.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { certificateHash, readCertificate } from "../../lib/x509/certificate.ts";
import { splitCertificates } from "../../lib/x509/pem.ts";
import { isSignedByAny, issueHostCertificate } from "./host-certificate.ts";
import type { EnrolmentRecord } from "./enrolment-file.ts";
import { type ProbedServer, probeServer } from "../../lib/x509/server-probe.ts";

export interface EnrollOptions {
  readonly servers: readonly string[];
  readonly node: string;
  readonly datacenter: string;
  /** Empty without one. */
  readonly joinToken: string;
  /** Hashes of the roots to believe in; absent: the first one seen is believed, and a warning logged. */
  readonly pinnedRoots: readonly string[] | undefined;
  /** What a person does about a server of another cluster. */
  readonly wrongClusterAdvice: string;
  readonly timeoutMs: number;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** Rejects with the last error when no server answers in time, and at once with one that trying again cannot change. */
export async function enrollNode(options: EnrollOptions): Promise<EnrolmentRecord> {
  const { clock, logger, random } = options.runtime;
  const backoff = createBackoff({ minDelayMs: 250, maxDelayMs: 5_000, random });
  const giveUpAtMs = clock.monotonicMs() + options.timeoutMs;
  for (;;) {
    const failures: AtollError[] = [];
    for (const address of options.servers) {
      try {
        return await enrollAtServer(address, options);
      } catch (thrown) {
        if (!(thrown instanceof AtollError)) throw thrown;
        failures.push(thrown);
      }
    }
    const final = failures.find((failure) => failure.retryable === "no");
    if (final !== undefined) throw final;
    const [first] = failures;
    if (first === undefined) throw new AtollError("CONFIG_INVALID", "no server address is configured to join");
    const delayMs = backoff.nextDelayMs();
    if (options.signal.aborted || clock.monotonicMs() + delayMs > giveUpAtMs) throw first;
    logger.warn("this node could not be enrolled yet", { error: first.message, retryInMs: Math.round(delayMs) });
    await sleep(clock, delayMs, options.signal);
  }
}

async function enrollAtServer(address: string, options: EnrollOptions): Promise<EnrolmentRecord> {
  const { clock, logger } = options.runtime;
  const server = await probeServer({ address, clock, signal: options.signal });
  mustBeTrusted(server, address, options);
  const { trustDomain, datacenter, rootPem } = server;
  let rootsPem = rootPem;
  let clusterId = "";
  const identity = { kind: "agent", trustDomain, datacenter, node: options.node } as const;
  const certificate = await issueHostCertificate({
    identity,
    signal: options.signal,
    async sign(csrPem, signal) {
      const request = { node: options.node, csrPem, joinToken: options.joinToken };
      const answer = await enrollAt({
        address,
        identity: { rootsPem: rootPem, trustDomain, datacenter },
        request,
        clock,
        signal,
      });
      rootsPem = answer.rootsPem;
      clusterId = answer.clusterId;
      return { certPem: answer.certPem, chainPem: "", modifyIndex: 0 };
    },
  });
  if (!isSignedByAny(certificate.certPem, [rootPem])) {
    throw new AtollError(
      "CERTIFICATE_INVALID",
      `server ${address} answered with a certificate that its own root did not sign`,
    );
  }
  if (options.pinnedRoots === undefined) {
    logger.warn("trusted the server's root on first use: give the join token to check it", {
      address,
      rootHash: server.rootHash,
    });
  }
  logger.info("this node is enrolled", { address, trustDomain, datacenter, node: options.node });
  return { node: options.node, datacenter, clusterId, trustDomain, rootsPem, certificate };
}

/** Before anything secret is sent. */
function mustBeTrusted(server: ProbedServer, address: string, options: EnrollOptions): void {
  if (options.pinnedRoots !== undefined && !server.rootHashes.some((hash) => options.pinnedRoots?.includes(hash))) {
    throw new AtollError(
      "WRONG_CLUSTER",
      `server ${address} is of another cluster, ${server.trustDomain}: ${options.wrongClusterAdvice}`,
    );
  }
  if (server.datacenter !== options.datacenter) {
    throw new AtollError(
      "CONFIG_INVALID",
      `server ${address} is in datacenter "${server.datacenter}", this agent is configured for "${options.datacenter}": correct one of them`,
    );
  }
}

/** The hash of each root in a bundle. */
export function rootHashes(rootsPem: string): readonly string[] {
  return splitCertificates(rootsPem).flatMap((pem) => {
    const certificate = readCertificate(pem);
    return certificate === undefined ? [] : [certificateHash(certificate)];
  });
}
