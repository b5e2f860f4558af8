/**
 * What the leader does for access control: it makes the records that every cluster has, and removes tokens that have
 * expired. Both are commands of the log, so that all servers come to the same.
 */
import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { anonymousAccessorId, builtinPolicies } from "../../lib/contract/acl.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { rfc3339 } from "../../lib/x509/certificate.ts";
import type { ReplicatedLog } from "../log/replicated-log.ts";
import type { AclReads } from "../state/acl-reads.ts";
import { isExpired, secretHash } from "./resolver.ts";

export interface AclKeeperOptions {
  readonly reader: Pick<AclReads, "aclRecords">;
  readonly log: Pick<ReplicatedLog, "propose" | "readIndex" | "leadership" | "onLeadershipChange">;
  /** Empty: none. */
  readonly initialManagementToken: string;
  readonly runtime: Runtime;
}

/** Expired tokens are refused at once, so there is no hurry to take them away. */
const intervalMs = 5_000;
/** Tokens that are removed by one command. */
const maxRemoved = 500;

export function startAclKeeper(options: AclKeeperOptions): { close(): void } {
  const { reader, log, runtime } = options;
  const { clock } = runtime;
  const logger = runtime.logger.child("acl");
  const stopping = new AbortController();
  let isRunning = false;
  let isInitialized = false;
  let timer: Timer | undefined;

  const look = async (): Promise<void> => {
    if (!log.leadership().isLeader) {
      isInitialized = false;
      return;
    }
    if (!isInitialized) {
      // A new leader may not have applied yet what its predecessor wrote.
      await log.readIndex(stopping.signal);
      await initialize();
      isInitialized = true;
    }
    await removeExpired();
  };

  const initialize = async (): Promise<void> => {
    const { tokens, policies } = reader.aclRecords();
    const secret = options.initialManagementToken;
    const hash = secret === "" ? undefined : secretHash(secret);
    const isThere =
      tokens.get(anonymousAccessorId) !== undefined &&
      builtinPolicies.every(({ ID }) => policies.get(ID) !== undefined) &&
      (hash === undefined || tokens.bySecretHash(hash) !== undefined);
    if (isThere) return;
    await log.propose({
      type: "acl-initialize",
      time: rfc3339(clock.nowMs()),
      ...(hash !== undefined && { initialManagement: { accessorId: runtime.random.uuid(), secretHash: hash } }),
    });
  };

  const removeExpired = async (): Promise<void> => {
    const nowMs = clock.nowMs();
    const accessorIds: string[] = [];
    for (const token of reader.aclRecords().tokens.expiring()) {
      if (isExpired(token, nowMs) && accessorIds.push(token.AccessorID) >= maxRemoved) break;
    }
    if (accessorIds.length === 0) return;
    await log.propose({ type: "acl-token-delete", accessorIds });
    logger.info("expired tokens were removed", { count: accessorIds.length });
  };

  const run = async (): Promise<void> => {
    if (isRunning || stopping.signal.aborted) return;
    isRunning = true;
    timer?.cancel();
    try {
      await look();
    } catch (thrown) {
      // A leader that stops leading is normal; the next one sees to it.
      const isExpected = thrown instanceof AtollError && thrown.retryable !== "no";
      if (!isExpected && !stopping.signal.aborted) {
        logger.warn("the leader could not see to the access control", { error: errorMessage(thrown) });
      }
    } finally {
      isRunning = false;
      if (!stopping.signal.aborted) timer = clock.after(intervalMs, () => void run());
    }
  };

  const changes = log.onLeadershipChange(() => void run());
  void run();
  return {
    close() {
      stopping.abort();
      changes.close();
      timer?.cancel();
    },
  };
}
