import type { Random } from "../lib/base/random.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import type { SingleServerLog } from "./log/single-server-log.ts";
import type { RaftOperator } from "./raft/operator-api.ts";
import { restoreThroughLog } from "./snapshot/restore.ts";
import type { State } from "./state/state.ts";

/** A cluster of one as operators see it: one voter that always leads, and nobody to hand over to. */
export function createSingleServerOperator(options: {
  readonly log: SingleServerLog;
  readonly state: Pick<State, "reader" | "dump">;
  readonly random: Random;
}): RaftOperator {
  const { log, state } = options;
  const node = log.clusterId;
  const refuse = async (): Promise<never> => {
    throw new AtollError("INVALID_ARGUMENT", "this cluster has one server and its engine takes no others");
  };
  const address = (): string => log.leadership().peers[0] ?? "";
  return {
    nodeId: node,
    clusterId: log.clusterId,
    status() {
      const { isLeader, leaderAddress, lastContactMs } = log.leadership();
      const index = state.reader.appliedIndex();
      return {
        id: node,
        role: isLeader ? "leader" : "follower",
        term: 1,
        leader: isLeader ? node : "",
        leaderAddress,
        lastContactMs,
        commitIndex: index,
        appliedIndex: index,
        lastIndex: index,
        firstIndex: index,
        membership: {
          voters: [node],
          outgoing: [],
          learners: [],
          learnersNext: [],
          removed: [],
          addresses: { [node]: address() },
        },
        progress: [],
        ticksSinceLeader: 0,
        isHalted: false,
        foreignMessages: 0,
      };
    },
    members() {
      const { isLeader } = log.leadership();
      return [{ node, address: address(), isVoter: true, isLeader }];
    },
    addLearner: refuse,
    promote: refuse,
    remove: refuse,
    transferLeadership: refuse,
    async openSnapshot() {
      // Records are replaced and never changed: the list stays what it was while writes go on.
      const rows = [...state.dump()];
      return {
        index: state.reader.appliedIndex(),
        term: 1,
        clusterId: log.clusterId,
        async *rows() {
          yield* rows;
        },
        close: async () => undefined,
      };
    },
    restoreSnapshot: (rows, signal) =>
      restoreThroughLog({ log, rows, restoreId: options.random.uuid(), ...(signal === undefined ? {} : { signal }) }),
  };
}
