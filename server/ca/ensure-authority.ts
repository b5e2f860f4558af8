import type { Runtime } from "../../lib/base/runtime.ts";
import type { AuthorityConfig } from "../../lib/contract/authority-config.ts";
import type { CaRootFields } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { ReplicatedLog } from "../log/replicated-log.ts";
import { type Authority, createAuthority } from "./authority.ts";
import { createRoot } from "./root.ts";

export interface EnsureAuthorityOptions {
  readonly log: Pick<ReplicatedLog, "propose">;
  /** The roots in the applied state, first the one that signs, with its private key. */
  readonly roots: () => readonly CaRootFields[];
  readonly datacenter: string;
  /** Names a root that has to be made, as the log names its cluster; absent: a new one. */
  readonly clusterId?: string;
  readonly config?: () => AuthorityConfig;
  readonly currentIndex: () => number;
  readonly nodeId?: string;
  readonly runtime: Runtime;
  readonly signal?: AbortSignal;
}

/**
 * The cluster's authority; makes the root when there is none. Called on the leader. Two servers may both propose: the
 * command has no effect the second time, and the state is asked again which root won.
 */
export async function ensureAuthority(options: EnsureAuthorityOptions): Promise<Authority> {
  if (options.roots().length === 0) {
    await options.log.propose(
      { type: "ca-initialize", root: createRoot(options.runtime, options.clusterId) },
      options.signal,
    );
  }
  const [root] = options.roots();
  if (root === undefined) {
    throw new AtollError("INTERNAL", "the certificate authority was initialised, but the state does not hold its root");
  }
  options.runtime.logger.info("certificate authority ready", { trustDomain: root.trustDomain, rootId: root.id });
  return createAuthority(options);
}
