import { createRaftCore } from "../../server/raft/core/raft.ts";
import { createReplicaOver } from "../../server/raft/replica/replica.ts";
import type { CreateReplica } from "./server.ts";

/** The replica as servers run it. */
export const createReplica: CreateReplica = (options) => {
  const { core: config, stored, random } = options;
  return createReplicaOver(createRaftCore({ config, stored, random }), options);
};
