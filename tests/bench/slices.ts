import { rmSync } from "node:fs";
import type { Sample, Target } from "./contest.ts";
import { createWorkspace, local, type Pair, type Workspace } from "./pairs.ts";
import { median, type Pinned, report, rounded } from "./process.ts";

type Labels = Readonly<Record<string, string>>;

/** One of a few pairs that are compared with each other. */
export interface Contender {
  readonly pair: Pair;
  /** What tells its lines from others', such as `{ proxy: "atoll", policy: "retries" }`. */
  readonly labels: Labels;
  /**
   * Requests before the first slice: a fresh process of ours compiles for about 1 s of processor time over the first 100,000, however
   * long those take.
   */
  readonly warmUpRequests: number;
  /** What keeps it from taking the turns of others for idleness: called twice a second and more. */
  readonly keepAwake?: (target: Target) => Promise<void>;
  /** Others are compared with it, and it has no line of its own. */
  readonly isOnlyBase?: boolean;
  /** Throws when the pair does not do what will be measured. */
  readonly verify?: (target: Target) => Promise<void>;
}

export interface SlicedContest {
  readonly bench: string;
  /** Ports up to 40 above it are used. */
  readonly basePort: number;
  readonly rounds: number;
  readonly contenders: readonly Contender[];
  readonly startBackend: (workspace: Workspace, port: number) => Promise<Pinned>;
  /** Some load of about that length, and what it costs. */
  readonly load: (target: Target, seconds: number) => Promise<Sample & { readonly requests: number }>;
  /** The figure that is set in relation to others'; less is better. */
  readonly compared: string;
  /** With whom each is compared, by the name of the ratio: whether `base` is the one for `own`. */
  readonly bases: Readonly<Record<string, (own: Labels, base: Labels) => boolean>>;
  /** Of several bases the one that is hardest to beat, by the name of the ratio: the largest of those ratios. */
  readonly best?: Readonly<Record<string, readonly string[]>>;
  /** Goes into every line. */
  readonly facts: Readonly<Record<string, unknown>>;
}

interface Entrant {
  readonly contender: Contender;
  readonly target: Target;
  readonly samples: Sample[];
}

const sliceSeconds = 1;
const warmUpTurnSeconds = 2;
const maxWarmUpTurns = 30;
const keepAwakeMs = 400;

/**
 * Runs all pairs at once, of which one at a time has load, for a second, in turns: what else the machine does hits all of them alike,
 * whether it lasts for seconds or for minutes. Reports a line for each: medians of its figures, and the median of its ratios to each base
 * within the same round.
 */
export async function runSlices(contest: SlicedContest): Promise<void> {
  const { contenders, basePort, rounds } = contest;
  const workspace = createWorkspace();
  const running: Entrant[] = [];
  const backend = await contest.startBackend(workspace, basePort);
  const awake = setInterval(() => {
    for (const { contender, target } of running) void contender.keepAwake?.(target);
  }, keepAwakeMs);
  try {
    for (const [i, contender] of contenders.entries()) {
      const at = basePort + 10 + 3 * i;
      const ports = { listen: at, mesh: at + 1, admin: at + 2, backend: basePort };
      const target = { ports, workspace, pinned: await contender.pair.start(workspace, ports) };
      running.push({ contender, target, samples: [] });
      await contender.verify?.(target);
      await warmUp(contest, contender, target);
    }
    for (let round = 0; round < rounds; round++) {
      for (const { target, samples } of running) samples.push(await contest.load(target, sliceSeconds));
    }
    await reportAll(contest, running);
  } finally {
    clearInterval(awake);
    for (const { target } of running) await target.pinned.stop();
    await backend.stop();
    rmSync(workspace.directory, { recursive: true });
  }
}

const awakeBody = "x".repeat(12_000);

/**
 * Ours gives memory back in a second with less traffic than this, and then has to compile anew: half a second of processor time that
 * is no cost of the requests that come next. What becomes of the request does not matter.
 */
export async function keepAwake({ ports }: Target, path: string): Promise<void> {
  const request = fetch(`http://${local(ports.listen)}${path}`, { method: "POST", body: awakeBody });
  await request.then((answer) => answer.arrayBuffer()).catch(() => undefined);
}

async function warmUp({ load }: SlicedContest, { warmUpRequests }: Contender, target: Target): Promise<void> {
  let requests = 0;
  for (let turn = 0; turn < maxWarmUpTurns && requests < warmUpRequests; turn++) {
    requests += (await load(target, warmUpTurnSeconds)).requests;
  }
}

async function reportAll(contest: SlicedContest, running: readonly Entrant[]): Promise<void> {
  for (const entrant of running) {
    const { contender, samples } = entrant;
    if (contender.isOnlyBase === true) continue;
    const middle = (figure: string): number =>
      rounded(median(samples.map((sample) => sample[figure] ?? Number.NaN)), 3);
    const figures = Object.keys(samples[0] ?? {});
    const ratioTo = Object.fromEntries(
      Object.entries(contest.bases).map(([name, isBase]) => {
        const base = running.find((one) => isBase(contender.labels, one.contender.labels));
        return [name, rounded(median(ratios(contest.compared, samples, base?.samples ?? [])), 3)];
      }),
    );
    const hardest = Object.entries(contest.best ?? {}).map(([name, bases]) => {
      return [name, Math.max(...bases.map((base) => ratioTo[base] ?? Number.NaN))];
    });
    report({
      bench: contest.bench,
      ...contest.facts,
      ...contender.labels,
      version: await contender.pair.version(),
      rounds: contest.rounds,
      ...Object.fromEntries(figures.map((figure) => [figure, middle(figure)])),
      compared: contest.compared,
      ratio_to: { ...ratioTo, ...Object.fromEntries(hardest) },
    });
  }
}

/** Round by round. */
function ratios(figure: string, own: readonly Sample[], base: readonly Sample[]): number[] {
  return own.map((sample, round) => (sample[figure] ?? Number.NaN) / (base[round]?.[figure] ?? Number.NaN));
}
