/**
 * Sees to it that this server is a member under its present address: a server that joins asks for it until it is a voter,
 * one that came back elsewhere tells the new address. One that hears no leader asks as well: whoever was removed while it
 * was away, or before the last entry reached it, is told so by nobody else.
 */
import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ChannelCredentials } from "../../lib/client/grpc-client.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { RaftOperator } from "../raft/operator-api.ts";
import { joinAt } from "../rpc/join-call.ts";
import type { ProtocolRange } from "../rpc/protocol-range.ts";

const askAgainMs = 250;
const lookAgainMs = 5_000;

export interface MembershipKeeperOptions {
  readonly operator: Pick<RaftOperator, "status" | "nodeId">;
  readonly address: string;
  readonly datacenter: string;
  readonly join: readonly string[];
  readonly joinToken: string;
  readonly protocols: ProtocolRange;
  readonly credentials: () => ChannelCredentials;
  readonly runtime: Runtime;
}

export function keepMembership(options: MembershipKeeperOptions): { close(): void } {
  const { operator, address, runtime } = options;
  const { nodeId } = operator;
  const removedMessage =
    "this server was removed from its cluster: stop it, move server/ in its data directory away, and it may join under a new id";
  const stopping = new AbortController();
  let said = "";
  let timer: Timer;

  const isSettled = (): boolean => {
    const { membership, leader } = operator.status();
    if (membership.removed.includes(nodeId)) {
      say(removedMessage);
      return true;
    }
    // A leader corrects its own address itself.
    return leader === nodeId || (membership.voters.includes(nodeId) && membership.addresses[nodeId] === address);
  };
  /** A member by its own account that hears no leader; a removed one has nothing to ask any more. */
  const isLost = (): boolean => {
    const { membership, leader } = operator.status();
    return !membership.removed.includes(nodeId) && leader === "";
  };
  const say = (message: string): void => {
    if (message !== said) runtime.logger.warn(message);
    said = message;
  };
  const sayRefusal = (thrown: unknown): void => {
    if (thrown instanceof AtollError && thrown.code === "CONFLICT" && isSettled()) say(removedMessage);
    else if (!isSettled()) say(`this server is not a member yet: ${errorMessage(thrown)}`);
  };
  const ask = async (): Promise<void> => {
    const { leaderAddress, membership } = operator.status();
    const others = Object.entries(membership.addresses)
      .filter(([node]) => node !== nodeId)
      .map(([, known]) => known);
    const candidates = new Set(
      [leaderAddress, ...options.join, ...others].filter((one) => one !== "" && one !== address),
    );
    for (const candidate of candidates) {
      try {
        await askAt(candidate);
        return;
      } catch (thrown) {
        if (thrown instanceof AtollError && thrown.leader !== "" && thrown.leader !== candidate)
          candidates.add(thrown.leader);
        else if (!stopping.signal.aborted) sayRefusal(thrown);
      }
    }
  };
  const askAt = async (server: string): Promise<void> => {
    const { datacenter, joinToken } = options;
    await joinAt({
      address: server,
      credentials: options.credentials(),
      request: { nodeId, address, joinToken, csrPem: "", datacenter },
      protocols: options.protocols,
      clock: runtime.clock,
      signal: stopping.signal,
    });
  };
  const look = async (): Promise<void> => {
    if (!isSettled() || isLost()) await ask();
    if (stopping.signal.aborted) return;
    timer = runtime.clock.after(isSettled() ? lookAgainMs : askAgainMs, () => void look());
  };
  timer = runtime.clock.after(0, () => void look());
  return {
    close() {
      stopping.abort();
      timer.cancel();
    },
  };
}
