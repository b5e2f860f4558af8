import { existsSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { createWorkspace, executable, local, smallAnswer, startNginxBackend, type Workspace } from "../pairs.ts";
import { type Pinned, report, rounded } from "../process.ts";
import { tryWrk } from "../wrk.ts";
import { trendOf } from "./flat.ts";
import { allCores, type Readings, type Side, Sidecar, type SoakPorts, sumOf } from "./sidecar.ts";
import { Storm } from "./storm.ts";

const ports: SoakPorts = {
  backend: 28_500,
  listen: 28_501,
  mesh: 28_502,
  outboundAdmin: 28_503,
  inboundAdmin: 28_504,
};
const clientConnections = 64;
const tenths = 10;
const longestSliceSeconds = 20;
/** While the connections of a tenth are not done yet. */
const extraSliceSeconds = 2;
const sampleEveryMs = 1_000;
/** After the load: what was closed has to be gone by then, except for the connections that the proxies keep between them. */
const settleMs = 10_000;
const maxKeptConnections = 8;

/**
 * A day's worth of connections in one run: mTLS connections of all kinds come and go at the inbound listener, while requests go through
 * both proxies on connections that stay. A line per tenth of the work; exits with 1 when anything failed, memory was not flat
 * (`flat.ts`) or something stayed open. `--connections N --requests N`.
 */
export async function benchSoak(args: readonly string[]): Promise<void> {
  const work = workOf(args);
  if (!existsSync(executable)) throw new Error("dist/atoll is missing: run npm run build first");
  const workspace = createWorkspace();
  const cleanups: (() => Promise<void>)[] = [];
  try {
    const backend = await startBackend(workspace);
    cleanups.push(() => backend.stop());
    const inbound = await Sidecar.start("inbound", workspace, ports);
    cleanups.push(() => inbound.stop());
    const outbound = await Sidecar.start("outbound", workspace, ports);
    cleanups.push(() => outbound.stop());
    const storm = await Storm.start(local(ports.mesh), workspace);
    cleanups.push(() => storm.stop());
    await new Soak(work, { outbound, inbound }, storm).run();
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
    rmSync(workspace.directory, { recursive: true });
  }
}

interface Work {
  readonly connections: number;
  readonly requests: number;
}

function workOf(args: readonly string[]): Work {
  const { values } = parseArgs({
    args: [...args],
    options: {
      connections: { type: "string", default: "20000" },
      requests: { type: "string", default: "1000000" },
    },
  });
  return {
    connections: countOf("--connections", values.connections),
    requests: countOf("--requests", values.requests),
  };
}

function countOf(name: string, text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= tenths) return count;
  throw new Error(`${name} must be a whole number of at least ${tenths}, not "${text}"`);
}

function startBackend(workspace: Workspace): Promise<Pinned> {
  return startNginxBackend(workspace, ports.backend, [
    ` server { listen ${local(ports.backend)} backlog=4096; location / { return 200 "${smallAnswer}"; } }`,
  ]);
}

type Both<T> = Readonly<Record<Side, T>>;

class Soak {
  readonly #work: Work;
  readonly #sidecars: Both<Sidecar>;
  readonly #storm: Storm;
  readonly #startMs = performance.now();
  readonly #readings: Both<Readings[]> = { outbound: [], inbound: [] };
  #requests = 0;
  #failedRequests = 0;
  #problem = "";
  /** A guess until the first slice was measured. */
  #requestsPerSecond = 10_000;

  constructor(work: Work, sidecars: Both<Sidecar>, storm: Storm) {
    this.#work = work;
    this.#sidecars = sidecars;
    this.#storm = storm;
  }

  async run(): Promise<void> {
    for (let tenth = 1; tenth <= tenths; tenth++) {
      await this.#watched(this.#tenth(tenth));
      this.#reportTenth(tenth);
    }
    await this.#conclude();
  }

  /** Both loads at the same time until each has its share done: who is ahead goes on. */
  async #tenth(tenth: number): Promise<void> {
    const target = share(this.#work.requests, tenth);
    const connections = share(this.#work.connections, tenth) - share(this.#work.connections, tenth - 1);
    let isStormOver = false;
    const storming = this.#storm.open(connections, (target - this.#requests) / this.#requestsPerSecond).finally(() => {
      isStormOver = true;
    });
    while (this.#requests < target || !isStormOver) await this.#request(target - this.#requests);
    await storming;
  }

  async #request(wanted: number): Promise<void> {
    const needed = wanted > 0 ? Math.ceil(wanted / this.#requestsPerSecond) : extraSliceSeconds;
    const seconds = Math.min(longestSliceSeconds, needed);
    const load = await tryWrk({ port: ports.listen, connections: clientConnections, seconds, core: allCores });
    this.#requests += load.requests;
    this.#failedRequests += load.failures;
    if (this.#problem === "") this.#problem = load.problem;
    // The best so far: a slice that is too short is followed by another one, one that is too long leads the connections astray.
    this.#requestsPerSecond = Math.max(this.#requestsPerSecond, load.requestsPerSecond);
  }

  /** Looks at both proxies while `work` is under way. */
  async #watched(work: Promise<void>): Promise<void> {
    let isOver = false;
    const over = work.finally(() => {
      isOver = true;
    });
    for (;;) {
      for (const sidecar of Object.values(this.#sidecars)) await sidecar.sample();
      await Promise.race([over, Bun.sleep(sampleEveryMs)]);
      if (isOver) return;
    }
  }

  get #failed(): number {
    return this.#failedRequests + this.#storm.tally.failed;
  }

  #reportTenth(tenth: number): void {
    const { outbound, inbound } = this.#read();
    this.#readings.outbound.push(outbound);
    this.#readings.inbound.push(inbound);
    report({
      bench: "soak",
      tenth,
      elapsed_s: rounded((performance.now() - this.#startMs) / 1000, 1),
      connections: this.#storm.tally.connections,
      requests: this.#requests,
      failed: this.#failed,
      outbound,
      inbound,
    });
  }

  #read(): Both<Readings> {
    const { outbound, inbound } = this.#sidecars;
    return { outbound: outbound.take(), inbound: inbound.take() };
  }

  async #conclude(): Promise<void> {
    const elapsedS = (performance.now() - this.#startMs) / 1000;
    const { tally } = this.#storm;
    const atRest = await this.#settled();
    const server5xx = await this.#serverErrors();
    const failed = this.#failed + server5xx;
    const trends = { outbound: this.#trend("outbound"), inbound: this.#trend("inbound") };
    const isFlat = trends.outbound.isFlat && trends.inbound.isFlat;
    const isClosed = isAtRest(atRest);
    report({
      bench: "soak",
      elapsed_s: rounded(elapsedS, 1),
      connections: tally.connections,
      requests: this.#requests,
      connections_per_second: Math.round(tally.connections / elapsedS),
      requests_per_second: Math.round(this.#requests / elapsedS),
      failed,
      problem: this.#problem || tally.problem,
      kinds: tally.kinds,
      resumed: tally.resumed,
      slowest_ms: tally.slowest_ms,
      slowest_kind: tally.slowest_kind,
      cpu_s: {
        outbound: rounded(this.#sidecars.outbound.cpuSeconds, 1),
        inbound: rounded(this.#sidecars.inbound.cpuSeconds, 1),
      },
      memory_rise: { outbound: rounded(trends.outbound.rise, 3), inbound: rounded(trends.inbound.rise, 3) },
      is_flat: isFlat,
      at_rest: atRest,
      is_closed: isClosed,
    });
    if (failed > 0 || !isFlat || !isClosed) process.exitCode = 1;
  }

  #trend(side: Side): ReturnType<typeof trendOf> {
    return trendOf(this.#readings[side].map((readings) => readings.resident_mb));
  }

  /** Waits until what was closed is gone, within its bound. */
  async #settled(): Promise<Both<Readings>> {
    const deadlineMs = performance.now() + settleMs;
    for (;;) {
      for (const sidecar of Object.values(this.#sidecars)) await sidecar.sample();
      const readings = this.#read();
      if (isAtRest(readings) || performance.now() > deadlineMs) return readings;
      await Bun.sleep(500);
    }
  }

  async #serverErrors(): Promise<number> {
    const texts = await Promise.all(Object.values(this.#sidecars).map((sidecar) => sidecar.metrics()));
    return texts.reduce((total, text) => total + sumOf(text, "response_total", 'status_class="5xx"'), 0);
  }
}

/** How much of `whole` is to be done after so many tenths. */
function share(whole: number, tenth: number): number {
  return Math.round((whole * tenth) / tenths);
}

function isAtRest({ outbound, inbound }: Both<Readings>): boolean {
  return outbound.connections === 0 && inbound.connections <= maxKeptConnections;
}
