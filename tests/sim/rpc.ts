import type { NodeId } from "../../server/raft/core/types.ts";
import type { ReplicaInput } from "../../server/raft/replica/replica-api.ts";
import type { EventHeap } from "./event-heap.ts";
import type { Rng } from "./random.ts";
import type { Answer, SimServer } from "./server.ts";

/** What callers send. A stale read asks the machine at once, whoever leads. */
export type Ask =
  | { readonly type: "propose"; readonly requestId: string; readonly data: string }
  | Omit<Extract<ReplicaInput, { type: "propose-change" }>, "id">
  | { readonly type: "transfer"; readonly to: NodeId }
  | { readonly type: "read"; readonly key: string }
  | { readonly type: "stale-read"; readonly key: string };

export type Reply =
  | { readonly type: "outcome"; readonly outcome: Extract<Answer, { type: "outcome" }>["outcome"] }
  | { readonly type: "value"; readonly value: string | null; readonly appliedIndex: number }
  /** Nobody listens there: certainly no effect. */
  | { readonly type: "refused" }
  /** No answer in time: it may have taken effect, or still take it. */
  | { readonly type: "silence" };

export interface RpcOptions {
  readonly timeoutUs: number;
}

/** Calls from outside the cluster, over a network that is never partitioned but sometimes loses a call or an answer. */
export interface Rpc {
  call(server: SimServer, ask: Ask, options: RpcOptions, onReply: (reply: Reply) => void): void;
  calm(): void;
}

export function createRpc(setup: { readonly heap: EventHeap; readonly rng: Rng; readonly lossChance: number }): Rpc {
  const { heap, rng } = setup;
  let { lossChance } = setup;
  let ids = 0;
  const delayUs = (): number => 50 + rng.exponential(500);

  return {
    call(server, ask, { timeoutUs }, onReply) {
      ids += 1;
      const id = ids;
      let isOver = false;
      const finish = (reply: Reply): void => {
        if (isOver) return;
        isOver = true;
        onReply(reply);
      };
      const reply = (answer: Reply): void => {
        const isLost = rng.chance(lossChance);
        const laterUs = delayUs();
        if (!isLost) heap.schedule(laterUs, () => finish(answer));
      };
      const isCancelling = rng.chance(0.5);
      heap.schedule(timeoutUs, () => {
        if (!isOver && isCancelling) server.cancel(id);
        finish({ type: "silence" });
      });
      const isLost = rng.chance(lossChance);
      const laterUs = delayUs();
      if (isLost) return;
      heap.schedule(laterUs, () => arrive(server, { id, ask, reply }));
    },
    calm() {
      lossChance = 0;
    },
  };
}

function arrive(
  server: SimServer,
  call: { readonly id: number; readonly ask: Ask; readonly reply: (answer: Reply) => void },
): void {
  const { id, ask, reply } = call;
  if (ask.type === "stale-read") {
    const { machine, status } = server;
    if (machine === undefined || status === undefined || server.isPaused) reply({ type: "refused" });
    else reply({ type: "value", value: machine.read(ask.key), appliedIndex: status.appliedIndex });
    return;
  }
  const input = ask.type === "read" ? ({ type: "read", id } as const) : { ...ask, id };
  const key = ask.type === "read" ? ask.key : "";
  const isTaken = server.ask(input, (answer) => {
    if (answer.type === "outcome") reply({ type: "outcome", outcome: answer.outcome });
    else reply({ type: "value", value: answer.machine.read(key), appliedIndex: answer.index });
  });
  if (!isTaken) reply({ type: "refused" });
}
