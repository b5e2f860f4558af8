import { checkLinearizable } from "../linearizability/check.ts";
import { registerKey, registerModel } from "../linearizability/register-model.ts";
import { type Clients, createClients } from "./clients.ts";
import { createFaults } from "./faults.ts";
import { requireLiveness } from "./liveness.ts";
import { createOperator, type Operator } from "./operator.ts";
import { drawOptions } from "./profiles.ts";
import type { MachineKind } from "./machine.ts";
import { createRng, type Rng } from "./random.ts";
import { createRpc } from "./rpc.ts";
import type { CreateReplica } from "./server.ts";
import type { SimOptions } from "./sim-options.ts";
import { createTrace } from "./trace.ts";
import { expectThat, Violation } from "./violation.ts";
import { World } from "./world.ts";

export interface RunOptions {
  readonly seed: number;
  readonly createReplica: CreateReplica;
  /** In the place of the one that the seed draws. */
  readonly machine?: MachineKind;
  /** Given: prints the column log. */
  readonly print?: (line: string) => void;
}

export interface RunResult {
  readonly seed: number;
  /** Two runs of a seed have the same. */
  readonly traceHash: string;
  readonly violation?: { readonly check: string; readonly message: string; readonly cause?: unknown };
  readonly events: number;
  readonly virtualSeconds: number;
  readonly acknowledgedWrites: number;
  readonly membershipChanges: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly options: SimOptions;
}

/** One whole life of a cluster: faults, healing, and the verdict over what clients saw. Throws nothing. */
export function runSeed({ seed, createReplica, machine, print }: RunOptions): RunResult {
  const rng = createRng(`seed ${seed}`);
  const drawn = drawOptions(seed, rng.fork("options"));
  const options: SimOptions = machine === undefined ? drawn : { ...drawn, machine };
  const keys = Array.from({ length: options.keys }, (_, at) => `k${at + 1}`);
  const world = new World({
    options,
    rng,
    keys,
    createReplica,
    createTrace: (nowUs) => createTrace(print === undefined ? { nowUs } : { nowUs, print }),
  });
  const { heap, trace, check } = world;
  const rpc = createRpc({ heap, rng: rng.fork("rpc"), lossChance: options.callLossChance });
  const operator = createOperator({ world, rng: rng.fork("operator"), rpc });
  const faults = createFaults({ world, rng: rng.fork("faults"), isMembershipSettled: operator.isSettled });
  const clients = createClients({
    heap,
    rng: rng.fork("clients"),
    rpc,
    trace,
    options,
    keys,
    machineKind: options.machine,
    applies: check.applies,
    servers: () => world.servers.filter(({ isGone }) => !isGone),
  });

  const live = (): void => {
    world.bootstrap();
    clients.start();
    faults.start();
    operator.start();
    runSafetyPhase(world, operator, rng.fork("end"));
    faults.stop();
    operator.stop();
    rpc.calm();
    if (options.disk.isLying) return;
    requireLiveness({ world, rng: rng.fork("liveness"), clients, possibleMemberships: operator.possibleMemberships() });
    judgeHistory(clients);
  };

  const violation = violationOf(live, options);
  return {
    seed,
    traceHash: trace.hash(),
    ...(violation === undefined ? {} : { violation }),
    events: trace.events(),
    virtualSeconds: heap.nowUs() / 1_000_000,
    acknowledgedWrites: clients.acknowledged(),
    membershipChanges: operator.changes(),
    faults: faults.counts(),
    options,
  };
}

/** To its end, or to the middle of a membership change after which everybody has to start again. */
function runSafetyPhase(world: World, operator: Operator, rng: Rng): void {
  const { heap, options, servers } = world;
  let endUs = options.safetyUs;
  operator.onChange(() => {
    if (!options.isEndingInChange || heap.nowUs() < options.safetyUs / 3 || endUs < options.safetyUs) return;
    endUs = Math.min(endUs - 1, heap.nowUs() + Math.ceil(rng.exponential(rng.pick([5_000, 50_000]))));
  });
  while (heap.nowUs() < endUs) heap.runNext(Math.min(endUs, heap.nowUs() + 1_000));
  if (endUs < options.safetyUs) for (const server of servers) if (server.isUp) server.crash();
}

function judgeHistory(clients: Clients): void {
  clients.checkPromises();
  const verdict = checkLinearizable(registerModel, clients.history(), {
    partition: registerKey,
    maxSteps: 1_000_000,
    timeoutMs: 20_000,
  });
  const isGood = verdict.outcome === "linearizable";
  expectThat(isGood, "linearizability", () =>
    isGood ? "" : `${verdict.outcome}, key ${verdict.key}: ${verdict.explanation}`,
  );
}

/** On a disk that breaks its promises only one thing is owed: no second vote in a term. */
function violationOf(live: () => void, options: SimOptions): RunResult["violation"] {
  try {
    live();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Violation) {
      const isOwed = !options.disk.isLying || thrown.check === "one vote a term";
      return isOwed ? { check: thrown.check, message: thrown.message, cause: thrown.cause } : undefined;
    }
    return { check: "simulator", message: String(thrown), cause: thrown };
  }
}
