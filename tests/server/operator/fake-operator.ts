import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { RaftMember, RaftOperator, RaftStatus } from "../../../server/raft/operator-api.ts";
import type { State } from "../../../server/state/state.ts";

/** An engine with members that a test sets; it keeps the calls that operators make. */
export interface FakeOperator extends RaftOperator {
  readonly calls: string[];
  setMembers(members: readonly RaftMember[]): void;
  setStatus(status: Partial<RaftStatus>): void;
  /** The next change of the membership rejects with it. */
  failNext(error: AtollError): void;
}

export const clusterId = "9f1c7a52-0000-4000-8000-000000000001";

export function member(node: string, options: Partial<RaftMember> & { readonly match?: number } = {}): RaftMember {
  const { match, ...rest } = options;
  const isLeader = rest.isLeader ?? false;
  const progress = { match: match ?? 0, isRecentlyActive: rest.progress?.isRecentlyActive ?? true };
  return { node, address: `10.0.0.1:${8300 + node.charCodeAt(0)}`, isVoter: true, isLeader, progress, ...rest };
}

export function raftStatus(overrides: Partial<RaftStatus> = {}): RaftStatus {
  return {
    id: "a",
    role: "leader",
    term: 3,
    leader: "a",
    leaderAddress: "10.0.0.1:8397",
    lastContactMs: 0,
    commitIndex: 100,
    appliedIndex: 100,
    lastIndex: 100,
    firstIndex: 1,
    membership: { voters: ["a"], outgoing: [], learners: [], learnersNext: [], removed: [], addresses: {} },
    progress: [],
    ticksSinceLeader: 0,
    isHalted: false,
    foreignMessages: 0,
    ...overrides,
  };
}

export function createFakeOperator(state: Pick<State, "reader" | "dump">): FakeOperator {
  const calls: string[] = [];
  let members: readonly RaftMember[] = [member("a", { isLeader: true, address: "127.0.0.1:8300" })];
  let status: Partial<RaftStatus> = {};
  let failure: AtollError | undefined;
  const note = async (call: string): Promise<void> => {
    const failed = failure;
    failure = undefined;
    if (failed !== undefined) throw failed;
    calls.push(call);
  };
  return {
    calls,
    nodeId: "a",
    clusterId,
    status: () => raftStatus(status),
    members: () => members,
    addLearner: ({ node, address }) => note(`add-learner ${node} ${address}`),
    promote: (node) => note(`promote ${node}`),
    remove: (node) => note(`remove ${node}`),
    transferLeadership: (to) => note(`transfer ${to ?? "anybody"}`),
    async openSnapshot() {
      const rows = [...state.dump()];
      return {
        index: state.reader.appliedIndex(),
        term: 3,
        clusterId,
        async *rows() {
          yield* rows;
          yield { table: "request-ids", key: "r1", value: { index: 7 } };
        },
        close: () => note("close snapshot"),
      };
    },
    async restoreSnapshot() {
      throw new AtollError("INTERNAL", "the routes restore through the log");
    },
    setMembers: (next) => {
      members = next;
    },
    setStatus: (next) => {
      status = next;
    },
    failNext: (error) => {
      failure = error;
    },
  };
}
