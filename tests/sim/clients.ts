import type { NodeId } from "../../server/raft/core/types.ts";
import type { Operation } from "../linearizability/history.ts";
import type { RegisterInput, RegisterOutput } from "../linearizability/register-model.ts";
import type { ApplyCheck } from "./checks/apply-check.ts";
import type { EventHeap } from "./event-heap.ts";
import type { MachineKind } from "./machine.ts";
import type { Rng } from "./random.ts";
import type { Ask, Reply, Rpc } from "./rpc.ts";
import type { SimServer } from "./server.ts";
import type { SimOptions } from "./sim-options.ts";
import type { Trace } from "./trace.ts";
import { expectThat } from "./violation.ts";

export type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

/** Closed-loop clients: each has one operation open, which ends as done, as certainly without effect, or as unknown. */
export interface Clients {
  start(): void;
  /** What they have seen, for the check of linearizability. */
  history(): readonly RegisterOperation[];
  /** Every write that was acknowledged still is what the cluster applied, and what was refused never took effect. */
  checkPromises(): void;
  acknowledged(): number;
  /** From now on clients ask these only. */
  restrictTo(servers: () => readonly SimServer[]): void;
  /** Open operations are finished, no new ones begin. */
  stop(): void;
  openOperations(): number;
}

export interface ClientsSetup {
  readonly heap: EventHeap;
  readonly rng: Rng;
  readonly rpc: Rpc;
  readonly trace: Trace;
  readonly options: SimOptions;
  readonly keys: readonly string[];
  readonly machineKind: MachineKind;
  readonly applies: ApplyCheck;
  readonly servers: () => readonly SimServer[];
}

const maxAttempts = 6;
/** Long enough for a server to die and come back in between. */
const echoMeanUs = 1_500_000;

type Purpose = Extract<Ask, { type: "propose" | "read" | "stale-read" }>;

type Acknowledged = Extract<Extract<Reply, { type: "outcome" }>["outcome"], { ok: true }>;

interface Attempting {
  readonly client: { number: number; believedLeader: NodeId };
  readonly opId: string;
  readonly ask: Purpose;
  readonly input: RegisterInput;
  readonly callUs: number;
  attempts: number;
  /** An earlier attempt may have taken effect. */
  mayHaveEffect: boolean;
}

export function createClients(setup: ClientsSetup): Clients {
  const { heap, rng, rpc, trace, options, keys, machineKind, applies } = setup;
  const operations: RegisterOperation[] = [];
  const acknowledged: { readonly opId: string; readonly index: number }[] = [];
  const withoutEffect: string[] = [];
  let servers = setup.servers;
  let isStopped = false;
  let open = 0;
  let numbers = 0;
  let opIds = 0;

  const begin = (client: Attempting["client"]): void => {
    if (isStopped) return;
    opIds += 1;
    const opId = `op-${opIds}`;
    const { input, ask } = draw(opId);
    open += 1;
    attempt({ client, opId, ask, input, callUs: heap.nowUs(), attempts: 0, mayHaveEffect: false });
  };

  const draw = (opId: string): { readonly input: RegisterInput; readonly ask: Purpose } => {
    const key = rng.pick(keys);
    const kind = rng.float() * (0.7 + options.readShare);
    if (kind < options.readShare) return { input: { type: "read", key }, ask: { type: "read", key } };
    if (kind < options.readShare + 0.1) return { input: { type: "read", key }, ask: { type: "stale-read", key } };
    if (kind < options.readShare + 0.35 && machineKind.cas !== undefined) {
      const expected = applies.valueAt(key, Number.POSITIVE_INFINITY);
      const data = machineKind.cas(opId, key, expected, opId);
      return { input: { type: "cas", key, expected, value: opId }, ask: { type: "propose", requestId: opId, data } };
    }
    const value = rng.chance(0.1) ? null : opId;
    const data = machineKind.write(opId, key, value);
    return { input: { type: "write", key, value }, ask: { type: "propose", requestId: opId, data } };
  };

  const attempt = (one: Attempting): void => {
    one.attempts += 1;
    const all = servers();
    const believed = all.find(({ id }) => id === one.client.believedLeader);
    const isFollowing = believed !== undefined && one.ask.type !== "stale-read" && rng.chance(options.loyalty);
    const server = isFollowing ? believed : rng.pick(all);
    trace.note(0, "c", () => `client ${one.client.number} asks ${server.id}: ${one.opId} ${JSON.stringify(one.input)}`);
    rpc.call(server, one.ask, { timeoutUs: rng.pick(options.callTimeoutsUs) }, (reply) => replied(one, server, reply));
  };

  const replied = (one: Attempting, server: SimServer, reply: Reply): void => {
    trace.note(0, "c", () => `client ${one.client.number}: ${one.opId} got ${JSON.stringify(reply)} of ${server.id}`);
    switch (reply.type) {
      case "value":
        valueRead(one, server, reply);
        return;
      case "refused":
        again(one, "", false);
        return;
      case "silence":
        // Some go on asking whom they believe in: that is how a deposed leader gets its readers.
        again(one, rng.chance(0.5) ? one.client.believedLeader : "", true);
        return;
      case "outcome": {
        const { outcome } = reply;
        if (!outcome.ok) {
          again(one, outcome.leader, outcome.reason === "unknown");
          return;
        }
        acknowledged.push({ opId: one.opId, index: outcome.index });
        const effect = applies.effectOf(one.opId);
        expectThat(
          effect === outcome.index,
          "acknowledged is applied",
          () => `${one.opId} at ${effect}: ${JSON.stringify(outcome)}`,
        );
        if (rng.chance(options.echoChance)) heap.schedule(rng.exponential(echoMeanUs), () => echo(one, outcome));
        const isApplied = machineKind.isApplied(outcome.result);
        finish(one, { return: heap.nowUs(), output: { type: "done", isApplied } });
        return;
      }
    }
  };

  /** The same request once more, to anybody: it has no second effect, and who answers it gives the first answer. */
  const echo = (one: Attempting, first: Acknowledged): void => {
    if (isStopped) return;
    rpc.call(rng.pick(servers()), one.ask, { timeoutUs: rng.pick(options.callTimeoutsUs) }, (reply) => {
      if (reply.type !== "outcome" || !reply.outcome.ok) return;
      const { index, result } = reply.outcome;
      const isSame = index === first.index && JSON.stringify(result) === JSON.stringify(first.result);
      const show = (): string => `${one.opId}: ${JSON.stringify(reply.outcome)} after ${JSON.stringify(first)}`;
      expectThat(isSame, "the same answer twice", show);
    });
  };

  const valueRead = (one: Attempting, server: SimServer, reply: Extract<Reply, { type: "value" }>): void => {
    const { input } = one;
    if (one.ask.type === "stale-read") {
      const expected = applies.valueAt(input.key, reply.appliedIndex);
      const show = (): string =>
        `${server.id} reads ${input.key} = ${reply.value} at ${reply.appliedIndex}, not ${expected}`;
      expectThat(expected === reply.value, "stale read is of its index", show);
      finish(one, undefined);
      return;
    }
    finish(one, { return: heap.nowUs(), output: { type: "value", value: reply.value } });
  };

  const again = (one: Attempting, leader: NodeId, isUnknown: boolean): void => {
    one.client.believedLeader = leader;
    one.mayHaveEffect ||= isUnknown;
    const isRead = one.ask.type !== "propose";
    // Without a request id the same write must not be sent twice, and a lost answer stays unknown.
    const mayRepeat = isRead || options.isRetrying || !one.mayHaveEffect;
    // Who asks for the same read until it is answered sees nothing stale: all writes meanwhile count as concurrent. A reader
    // who gives up and begins anew does.
    const isImpatient = isRead && isUnknown && rng.chance(0.7);
    const isGivingUp = isImpatient || (one.attempts >= maxAttempts && (isStopped || rng.chance(0.5)));
    if (mayRepeat && !isGivingUp) {
      heap.schedule(1_000 + rng.exponential(options.retryMeanUs), () => attempt(one));
      return;
    }
    if (isRead) {
      finish(one, undefined);
      return;
    }
    if (!one.mayHaveEffect) {
      withoutEffect.push(one.opId);
      finish(one, undefined);
      return;
    }
    finish(one, { return: Number.POSITIVE_INFINITY });
    numbers += 1;
    one.client.number = numbers;
  };

  const finish = (one: Attempting, seen: Pick<RegisterOperation, "return" | "output"> | undefined): void => {
    open -= 1;
    const { client, callUs, input } = one;
    if (seen !== undefined) operations.push({ client: client.number, call: callUs, ...seen, input });
    heap.schedule(rng.exponential(options.thinkMeanUs), () => begin(client));
  };

  return {
    start() {
      for (let at = 0; at < options.clients; at++) {
        numbers += 1;
        const client = { number: numbers, believedLeader: "" };
        heap.schedule(rng.below(500_000), () => begin(client));
      }
    },
    history: () => operations,
    checkPromises() {
      for (const { opId, index } of acknowledged) {
        const effect = applies.effectOf(opId);
        expectThat(
          effect === index,
          "nothing acknowledged is lost",
          () => `${opId} was acknowledged at ${index}, is at ${effect}`,
        );
      }
      for (const opId of withoutEffect) {
        const effect = applies.effectOf(opId);
        expectThat(effect === undefined, "refused has no effect", () => `${opId} was refused and applied at ${effect}`);
      }
    },
    acknowledged: () => acknowledged.length,
    restrictTo(some) {
      servers = some;
    },
    stop() {
      isStopped = true;
    },
    openOperations: () => open,
  };
}
