/** How a server that joins gets its first certificate: as an agent does, with the join token where one is asked for. */
import { sleep } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { certificateValidity, readCertificate } from "../../lib/x509/certificate.ts";
import { createCertificateRequest } from "../../lib/x509/certificate-request.ts";
import { generateKey } from "../../lib/x509/keys.ts";
import { splitCertificates } from "../../lib/x509/pem.ts";
import { rfc3339 } from "../../lib/x509/certificate.ts";
import { probeServer } from "../../lib/x509/server-probe.ts";
import type { ServerCertificate } from "../ca/authority.ts";
import { rootIdOf } from "../ca/root.ts";
import { joinAt } from "../rpc/join-call.ts";
import type { ProtocolRange } from "../rpc/protocol-range.ts";

const retryMs = 500;

/** What a server knows of its cluster before it has any of its state. */
export interface EnrolledServer {
  readonly clusterId: string;
  readonly trustDomain: string;
  readonly rootPem: string;
  readonly certificate: ServerCertificate;
}

export interface EnrolServerOptions {
  readonly nodeId: string;
  readonly datacenter: string;
  readonly join: readonly string[];
  /** Empty without one. */
  readonly joinToken: string;
  readonly protocols: ProtocolRange;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** Tries the servers until one answers; rejects at once with what trying again cannot change. */
export async function enrolServer(options: EnrolServerOptions): Promise<EnrolledServer> {
  const { runtime, signal } = options;
  for (;;) {
    let failure: unknown = new AtollError("CONFIG_INVALID", "there is no server to join: give one with -join");
    for (const address of options.join) {
      try {
        return await enrolAt(address, options);
      } catch (thrown) {
        failure = thrown;
        if (thrown instanceof AtollError && thrown.retryable === "no") throw thrown;
      }
    }
    if (signal.aborted || options.join.length === 0) throw failure;
    runtime.logger.warn("this server could not join yet", { error: errorMessage(failure) });
    await sleep(runtime.clock, retryMs, signal);
  }
}

async function enrolAt(address: string, options: EnrolServerOptions): Promise<EnrolledServer> {
  const { clock, logger } = options.runtime;
  const { nodeId, datacenter, joinToken, protocols, signal } = options;
  const server = await probeServer({ address, clock, signal });
  const [pinned = ""] = joinToken.split(".");
  if (joinToken !== "" && !server.rootHashes.includes(pinned)) {
    throw new AtollError(
      "WRONG_CLUSTER",
      `server ${address} is of another cluster, ${server.trustDomain}, than the join token`,
    );
  }
  if (server.datacenter !== datacenter) {
    throw new AtollError(
      "WRONG_CLUSTER",
      `server ${address} is in datacenter "${server.datacenter}", this one is configured for "${datacenter}"`,
    );
  }
  if (joinToken === "") logger.warn("trusted the cluster's root on first use", { address, rootHash: server.rootHash });
  const key = generateKey();
  const csrPem = createCertificateRequest({
    commonName: nodeId,
    names: [],
    privateKey: key.privateKey,
    publicKey: key.publicKey,
  });
  const { rootPem, trustDomain } = server;
  const answer = await joinAt({
    address,
    credentials: { rootsPem: rootPem, trustDomain, datacenter },
    request: { nodeId, address: "", joinToken, csrPem, datacenter },
    protocols,
    clock,
    signal,
  });
  const [leafPem = ""] = splitCertificates(answer.chainPem);
  const leaf = readCertificate(leafPem);
  if (leaf === undefined || !leaf.checkPrivateKey(key.privateKey)) {
    throw new AtollError("CERTIFICATE_INVALID", `server ${address} answered with another certificate than asked for`);
  }
  const { notBeforeMs, notAfterMs } = certificateValidity(leaf);
  logger.info("joining a cluster", { address, clusterId: answer.clusterId, nodeId });
  return {
    clusterId: answer.clusterId,
    trustDomain,
    rootPem,
    certificate: {
      rootId: rootIdOf(rootPem),
      chainPem: answer.chainPem,
      privateKeyPem: key.privateKeyPem,
      notBefore: rfc3339(notBeforeMs),
      notAfter: rfc3339(notAfterMs),
    },
  };
}
