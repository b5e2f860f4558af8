/**
 * The identity of this node towards the servers: read from the data directory, or obtained by enrolling, kept renewed and
 * offered to the link as its credentials. Called by the agent's composition root before it opens the link.
 */
import { Gauge } from "prom-client";
import { withDeadline } from "../../lib/base/deadline.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { MeteredRuntime } from "../../lib/base/runtime.ts";
import type { CredentialSource } from "../../lib/client/grpc-link.ts";
import type { ServerLink, Subscription } from "../../lib/client/server-link.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { formatSpiffeId, parseSpiffeId } from "../../lib/contract/spiffe.ts";
import { createCertificateKeeper } from "./certificate-keeper.ts";
import { enrollNode, rootHashes } from "./enroll.ts";
import { type EnrolmentRecord, enrolmentDirectory, loadEnrolment, saveEnrolment } from "./enrolment-file.ts";
import { issueHostCertificate } from "./host-certificate.ts";
import { parseJoinToken } from "./join-token.ts";
import { createObserved } from "./observed.ts";
import type { RootWatch } from "./root-watch.ts";
import { probeServer } from "../../lib/x509/server-probe.ts";

const signTimeoutMs = 30_000;
/** Of more rotations nobody has tokens left. */
const maxFormerRoots = 16;
const enrollTimeoutMs = 60_000;

export interface EnrolmentOptions {
  readonly dataDir: string;
  /** RPC addresses, `host:port`. */
  readonly servers: readonly string[];
  readonly node: string;
  readonly datacenter: string;
  /** The line of the server's `join-token` file; empty to trust the first server on first use. */
  readonly joinToken: string;
  /** How long to try while no server answers; 60 s. */
  readonly timeoutMs?: number;
  readonly runtime: MeteredRuntime;
  readonly signal: AbortSignal;
}

export interface Enrolment extends CredentialSource {
  record(): EnrolmentRecord;
  /** For the link: `WRONG_CLUSTER` when another cluster answers on `address`, else why nobody does. */
  explainFailure(address: string, signal: AbortSignal): Promise<AtollError | undefined>;
  /** Renews the certificate through the link and follows the roots until closed. */
  keepRenewed(parts: { readonly link: Pick<ServerLink, "sign">; readonly roots: RootWatch }): Subscription;
}

/** Rejects with `WRONG_CLUSTER`, `PERMISSION_DENIED` (join token), `CONFIG_INVALID`, `DATA_CORRUPT` or `UNAVAILABLE`. */
export async function openEnrolment(options: EnrolmentOptions): Promise<Enrolment> {
  mustBeNodeName(options.node);
  const directory = enrolmentDirectory(options.dataDir);
  const token = options.joinToken === "" ? undefined : parseJoinToken(options.joinToken);
  const stored = await loadEnrolment(options.dataDir);
  const advice = (trustDomain: string): string =>
    `this node is enrolled in ${trustDomain}. Correct the server address, or, to move the node, stop the agent, remove ${directory} and start it with the join token of the other cluster`;
  if (stored !== undefined && token !== undefined && !believedRoots(stored).includes(token.rootHash)) {
    throw new AtollError("WRONG_CLUSTER", `the join token is of another cluster: ${advice(stored.trustDomain)}`);
  }
  if (stored !== undefined && isUsable(stored, options)) return createEnrolment(stored, { ...options, advice });
  const record = await enrollNode({
    ...options,
    joinToken: token?.text ?? "",
    pinnedRoots: stored === undefined ? token && [token.rootHash] : rootHashes(stored.rootsPem),
    wrongClusterAdvice:
      stored === undefined
        ? "the join token names another one. Correct the server address or the token"
        : advice(stored.trustDomain),
    timeoutMs: options.timeoutMs ?? enrollTimeoutMs,
  });
  await saveEnrolment(options.dataDir, record);
  return createEnrolment(record, { ...options, advice });
}

function isUsable(stored: EnrolmentRecord, options: EnrolmentOptions): boolean {
  const isCurrent = Date.parse(stored.certificate.notAfter) > options.runtime.clock.nowMs();
  return isCurrent && stored.node === options.node && stored.datacenter === options.datacenter;
}

function createEnrolment(
  initial: EnrolmentRecord,
  options: EnrolmentOptions & { readonly advice: (trustDomain: string) => string },
): Enrolment {
  const { runtime } = options;
  const logger = runtime.logger.child("enrolment");
  const changes = createObserved<EnrolmentRecord>(runtime.clock);
  let record = initial;
  /** One after another: the file has one writer at a time. */
  let saving: Promise<void> = Promise.resolve();

  const update = (next: EnrolmentRecord): void => {
    record = next;
    changes.set(next, 0);
    // The link goes on with what is in memory; a disk that is full now costs a new enrolment after the next start only.
    saving = saving
      .then(() => saveEnrolment(options.dataDir, next))
      .catch((thrown: unknown) => logger.error("the enrolment could not be saved", { error: errorMessage(thrown) }));
  };

  return {
    record: () => record,
    current: () => ({ ...record, certificate: record.certificate }),
    onChange: (listener) => changes.onChange(() => listener()),
    explainFailure: (address, signal) => explain({ address, signal, record, advice: options.advice, runtime }),
    keepRenewed: (parts) =>
      keepRenewed({ ...parts, ...options, runtime: { ...runtime, logger }, record: () => record, update }),
  };
}

/** Hashes of the roots that this cluster has now or had before, as far as this node knows: join tokens may name any of them. */
function believedRoots(record: EnrolmentRecord): readonly string[] {
  return [...rootHashes(record.rootsPem), ...(record.formerRoots ?? [])];
}

/** With `rootsPem` in force. */
function formerRoots(record: EnrolmentRecord, rootsPem: string): readonly string[] {
  const present = rootHashes(rootsPem);
  return [...new Set(believedRoots(record))].filter((hash) => !present.includes(hash)).slice(-maxFormerRoots);
}

async function explain(options: {
  readonly address: string;
  readonly signal: AbortSignal;
  readonly record: EnrolmentRecord;
  readonly advice: (trustDomain: string) => string;
  readonly runtime: MeteredRuntime;
}): Promise<AtollError | undefined> {
  const { address, signal, record } = options;
  try {
    const server = await probeServer({ address, clock: options.runtime.clock, signal });
    if (server.rootHashes.some((hash) => believedRoots(record).includes(hash))) return undefined;
    const message = `server ${address} is of another cluster, ${server.trustDomain}: ${options.advice(record.trustDomain)}`;
    return new AtollError("WRONG_CLUSTER", message);
  } catch (thrown) {
    if (thrown instanceof AtollError) return thrown;
    throw thrown;
  }
}

function keepRenewed(parts: {
  readonly link: Pick<ServerLink, "sign">;
  readonly roots: RootWatch;
  readonly record: () => EnrolmentRecord;
  readonly update: (next: EnrolmentRecord) => void;
  readonly runtime: MeteredRuntime;
}): Subscription {
  const { clock } = parts.runtime;
  const stopping = new AbortController();
  const { trustDomain, datacenter, node } = parts.record();
  const identity = { kind: "agent", trustDomain, datacenter, node } as const;
  const keeper = createCertificateKeeper({
    name: `agent of node ${node}`,
    initial: parts.record().certificate,
    issue: () =>
      withDeadline({ clock, timeoutMs: signTimeoutMs, signal: stopping.signal }, (signal) =>
        issueHostCertificate({ identity, sign: parts.link.sign, signal }),
      ),
    onIdle: () => undefined,
    activeRoots: parts.roots.activePems,
    rootChangeSpreadMs: 30_000,
    countSignature: () => undefined,
    retryMinMs: 1_000,
    retryMaxMs: 60_000,
    runtime: parts.runtime,
  });
  const renewals = keeper.certificate.onChange((certificate) => parts.update({ ...parts.record(), certificate }));
  const followRoots = (): void => {
    const pems = parts.roots.current()?.value.roots.map((root) => root.certPem) ?? [];
    const rootsPem = pems.join("");
    if (pems.length > 0 && rootsPem !== parts.record().rootsPem) {
      parts.update({ ...parts.record(), rootsPem, formerRoots: formerRoots(parts.record(), rootsPem) });
    }
    keeper.followRoots();
  };
  const rootChanges = parts.roots.onChange(followRoots);
  followRoots();
  registerLifetime(parts);
  return {
    close() {
      stopping.abort();
      renewals.close();
      rootChanges.close();
      keeper.close();
    },
  };
}

function registerLifetime(parts: { readonly record: () => EnrolmentRecord; readonly runtime: MeteredRuntime }): void {
  new Gauge({
    name: "atoll_agent_enrolment_remaining_seconds",
    help: "Remaining life of the certificate that this node shows to the servers",
    registers: [parts.runtime.metrics],
    collect() {
      this.set((Date.parse(parts.record().certificate.notAfter) - parts.runtime.clock.nowMs()) / 1000);
    },
  });
}

function mustBeNodeName(node: string): void {
  const uri = formatSpiffeId({ kind: "agent", trustDomain: "any", datacenter: "any", node });
  if (parseSpiffeId(uri) !== undefined) return;
  throw new AtollError(
    "CONFIG_INVALID",
    `the node name ${JSON.stringify(node)} cannot stand in a certificate: use 1 to 255 letters, digits, ".", "_" or "-"`,
  );
}
