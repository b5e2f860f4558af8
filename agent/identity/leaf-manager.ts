/**
 * Leaf certificates of the services on this host: made on first use, kept renewed while somebody watches or asks, and
 * handed to local callers only. Nothing is written to disk here. Called by the HTTP routes and by the proxy supervisor.
 */
import { mustGet } from "../../lib/base/assert.ts";
import { withDeadline } from "../../lib/base/deadline.ts";
import type { MeteredRuntime } from "../../lib/base/runtime.ts";
import type { ServerLink, Subscription } from "../../lib/client/server-link.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { formatSpiffeId, parseSpiffeId } from "../../lib/contract/spiffe.ts";
import type { AgentWait, Indexed, LeafAnswer, LeafCertificate } from "../agent-api.ts";
import { type CertificateKeeper, createCertificateKeeper } from "./certificate-keeper.ts";
import { type HostCertificate, issueHostCertificate } from "./host-certificate.ts";
import { createLeafMetrics } from "./leaf-metrics.ts";
import type { RootWatch } from "./root-watch.ts";

/** More services than any host has: a caller who makes up names must not fill the memory. */
const maxLeaves = 4_096;
const signTimeoutMs = 30_000;

export interface LeafManagerOptions {
  readonly link: Pick<ServerLink, "sign">;
  readonly roots: RootWatch;
  readonly datacenter: string;
  /** The token to have a service signed with when whoever asked for it brought none; absent: none. */
  readonly tokenFor?: (service: string) => string;
  readonly runtime: MeteredRuntime;
  /** First and longest delay after a failure; 1 s and 60 s. */
  readonly retryMinMs?: number;
  readonly retryMaxMs?: number;
  /** A new root makes every leaf of the fleet new within this time; 30 s. */
  readonly rootChangeSpreadMs?: number;
}

export interface LeafManager {
  /**
   * The leaf of a service as a blocking read; the first one makes it. Rejects with `INVALID_ARGUMENT` for a name that no
   * service can have, and with the server's error when there is no valid leaf and none can be had. The leaf goes on being
   * renewed with the last token it was asked for with.
   */
  leaf(service: string, wait: AgentWait & { readonly token?: string }): Promise<LeafAnswer>;
  /** Calls back with the current leaf, soon, and with every later one; keeps it renewed until closed. */
  watch(service: string, onLeaf: (leaf: LeafCertificate) => void): Subscription;
  close(): void;
}

export function createLeafManager(options: LeafManagerOptions): LeafManager {
  const { runtime, roots } = options;
  const entries = new Map<string, CertificateKeeper>();
  const tokens = new Map<string, string>();
  const stopping = new AbortController();
  const logger = runtime.logger.child("identity");
  const metrics = createLeafMetrics({
    registry: runtime.metrics,
    nowMs: runtime.clock.nowMs,
    lifetimes: () => [...entries.values()].flatMap((entry) => entry.plan() ?? []),
  });

  const issue = (service: string) =>
    withDeadline({ clock: runtime.clock, timeoutMs: signTimeoutMs, signal: stopping.signal }, async (signal) => {
      const known = await roots.read({ minIndex: 0, waitMs: 0, signal });
      const identity = {
        kind: "service",
        trustDomain: known.value.trustDomain,
        datacenter: options.datacenter,
        service,
      } as const;
      const token = tokens.get(service) ?? options.tokenFor?.(service) ?? "";
      const sign = (csrPem: string, signSignal: AbortSignal) => options.link.sign(csrPem, signSignal, { token });
      return issueHostCertificate({ identity, sign, signal });
    });

  const entryOf = (service: string): CertificateKeeper => {
    const existing = entries.get(service);
    if (existing !== undefined) return existing;
    mustBeServiceName(service);
    if (stopping.signal.aborted) throw new AtollError("UNAVAILABLE", "the agent is stopping");
    if (entries.size >= maxLeaves) {
      throw new AtollError("RATE_LIMITED", `this agent keeps ${maxLeaves} leaf certificates already, the most it does`);
    }
    const entry = createCertificateKeeper({
      name: `service ${service}`,
      issue: () => issue(service),
      onIdle: () => drop(service),
      activeRoots: roots.activePems,
      rootChangeSpreadMs: options.rootChangeSpreadMs ?? 30_000,
      countSignature: metrics.countSignature,
      retryMinMs: options.retryMinMs ?? 1_000,
      retryMaxMs: options.retryMaxMs ?? 60_000,
      runtime: { ...runtime, logger },
    });
    entries.set(service, entry);
    return entry;
  };

  const drop = (service: string): void => {
    entries.get(service)?.close();
    entries.delete(service);
    tokens.delete(service);
  };

  const rootChanges = roots.onChange(() => {
    for (const entry of entries.values()) entry.followRoots();
  });

  return {
    async leaf(service, wait) {
      const entry = entryOf(service);
      if (wait.token) tokens.set(service, wait.token);
      entry.touch();
      const isCached = entry.certificate.current() !== undefined;
      await entry.ready();
      await entry.certificate.waitPast(wait);
      const current = mustGet(entry.certificate.current(), "a certificate that was ready stays");
      return { index: current.index, value: toLeaf(service, current), isCached };
    },
    watch(service, onLeaf) {
      const entry = entryOf(service);
      const subscription = entry.certificate.onChange((value, index) => onLeaf(toLeaf(service, { index, value })));
      const current = entry.certificate.current();
      if (current === undefined) {
        // The entry logs a failure and tries again; the watcher hears of the leaf when there is one.
        entry.ready().catch(() => undefined);
      } else {
        onLeaf(toLeaf(service, current));
      }
      return subscription;
    },
    close() {
      stopping.abort();
      rootChanges.close();
      for (const service of [...entries.keys()]) drop(service);
    },
  };
}

function toLeaf(service: string, issued: Indexed<HostCertificate>): LeafCertificate {
  return { ...issued.value, service, createIndex: issued.index, modifyIndex: issued.index };
}

/** A service name is one segment of a SPIFFE id. */
function mustBeServiceName(service: string): void {
  const uri = formatSpiffeId({ kind: "service", trustDomain: "any", datacenter: "any", service });
  if (parseSpiffeId(uri) !== undefined) return;
  throw new AtollError(
    "INVALID_ARGUMENT",
    `Invalid service name ${JSON.stringify(service)}: a certificate needs 1 to 255 letters, digits, ".", "_" or "-"`,
  );
}
