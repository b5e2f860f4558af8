/**
 * What an empty server becomes: the first of a new cluster, or one more of a cluster that is there. Of the servers that
 * are started together with the same -bootstrap-expect exactly one may begin the cluster, and none while a cluster runs
 * at any of their addresses: two beginnings would be two clusters.
 */
import { sleep } from "../../lib/base/clock.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { HostPort } from "../../lib/contract/address.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { probeServer } from "../../lib/x509/server-probe.ts";
import { lookAt, startBeacon, type WaitingServer } from "./beacon.ts";

const retryMs = 500;

export type FirstStart = { readonly kind: "seed" } | { readonly kind: "join"; readonly address: string };

export interface FirstStartOptions {
  readonly self: WaitingServer;
  readonly listen: HostPort;
  readonly join: readonly string[];
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** Resolves when it is clear which; waits for the other servers as long as that takes. */
export async function decideFirstStart(options: FirstStartOptions): Promise<FirstStart> {
  const { self, join, runtime, signal } = options;
  if (join.length === 0) return { kind: "seed" };
  if (self.bootstrapExpect > 1 && options.listen.port === 0) {
    throw new AtollError("CONFIG_INVALID", "servers that begin a cluster together need a fixed server port");
  }
  const beacon = self.bootstrapExpect > 1 ? await startBeacon({ listen: options.listen, server: self }) : undefined;
  let said = "";
  try {
    for (;;) {
      if (signal.aborted) throw new AtollError("UNAVAILABLE", "stopped before the cluster was there");
      const outcome = await look(options);
      if (typeof outcome !== "string") return outcome;
      if (outcome !== said) runtime.logger.info("waiting for the other servers", { why: outcome });
      said = outcome;
      await sleep(runtime.clock, retryMs, signal);
    }
  } finally {
    await beacon?.close();
  }
}

/** What is clear, or why it is not. */
async function look({ self, join, runtime, signal }: FirstStartOptions): Promise<FirstStart | string> {
  const { clock } = runtime;
  const sightings = await Promise.all(
    join.map(async (address) => ({ address, sighting: await lookAt({ address, clock }) })),
  );
  for (const { address, sighting } of sightings) {
    if (sighting.kind !== "running") continue;
    if (await isRunning({ address, clock, signal })) return { kind: "join", address };
  }
  if (self.bootstrapExpect <= 1) return `none of ${join.join(", ")} answers`;
  const waiting = new Map([[self.nodeId, self]]);
  for (const { sighting } of sightings) {
    if (sighting.kind === "waiting") waiting.set(sighting.server.nodeId, sighting.server);
  }
  const servers = [...waiting.values()];
  const other = servers.find(
    ({ bootstrapExpect, datacenter }) => bootstrapExpect !== self.bootstrapExpect || datacenter !== self.datacenter,
  );
  if (other !== undefined) {
    return `${other.address} is configured for ${other.bootstrapExpect} servers in datacenter ${other.datacenter}, this one for ${self.bootstrapExpect} in ${self.datacenter}`;
  }
  if (servers.length < self.bootstrapExpect) return `${servers.length} of ${self.bootstrapExpect} servers are up`;
  const lowest = servers.reduce((a, b) => (b.address < a.address ? b : a));
  return lowest.nodeId === self.nodeId ? { kind: "seed" } : `${lowest.address} begins the cluster`;
}

/**
 * Silence alone proves nothing: on a busy machine a server that waits may say so late. Whoever left the others because of
 * that would never be counted among those that wait, and none of them would ever begin.
 */
async function isRunning(options: Parameters<typeof probeServer>[0]): Promise<boolean> {
  try {
    await probeServer(options);
    return true;
  } catch (thrown) {
    // What does show a certificate, though a wrong one, is for the joining to report.
    return thrown instanceof AtollError && thrown.code === "CERTIFICATE_INVALID";
  }
}
