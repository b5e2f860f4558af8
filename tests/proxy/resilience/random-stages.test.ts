import { describe, expect, test } from "bun:test";
import { defaultAdaptiveConcurrency } from "../../../lib/contract/proxy-concurrency.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { ConcurrencyStage } from "../../../proxy/concurrency/concurrency-stage.ts";
import { GradientController } from "../../../proxy/concurrency/gradient-controller.ts";
import type { ForwardPolicy, Stage } from "../../../proxy/exchange/policy.ts";
import { LimitedResponse } from "../../../proxy/resilience/fault/limited-response.ts";
import { HedgeStage } from "../../../proxy/resilience/hedge/hedge-stage.ts";
import { MirrorStage } from "../../../proxy/resilience/mirror/mirror-stage.ts";
import { PooledUpstream } from "../../../proxy/upstream/pooled-upstream.ts";
import { data, headers, rstStream } from "../http2/frames.ts";
import { type Asked, retryConfig, type ServerEnd } from "../upstream/upstream-world.ts";
import { StageWorld } from "./stage-world.ts";

/**
 * Hedges, copies, limits and retries at once, with servers that answer, fail, go silent and die by chance, and clients that give up. Whatever
 * happens, each request has one end, what is told of it is right, and when all is over nothing is left.
 */
const rounds = 60;
const requestsPerRound = 12;
const places = { enabled: true, minConcurrency: 12, maxConcurrency: 12, fixedMinRttMs: 1 };

class Chaos {
  readonly world: StageWorld;
  readonly #random: () => number;
  readonly #active = { active: 0 };
  readonly #controller = new GradientController({ ...defaultAdaptiveConcurrency, ...places }, () => 0);
  readonly #asked: { readonly asked: Asked; readonly body: string | undefined; isGivenUp: boolean }[] = [];
  readonly #protocol: "http1" | "http2";
  /** Of HTTP/1.1: what a server has read and not answered. */
  readonly #unanswered = new Map<ServerEnd, string>();
  /** Of HTTP/2: the streams that a server has not answered. */
  readonly #streams = new Map<ServerEnd, number[]>();

  constructor(seed: number, protocol: "http1" | "http2") {
    this.#protocol = protocol;
    const random = createSeededRandom(seed).float;
    this.#random = random;
    const retry = retryConfig({ attempts: 2, perTryTimeoutMs: 400, methods: ["GET", "PUT", "POST"], on: ["5xx"] });
    this.world = new StageWorld(
      { protocol, endpoints: 4, policy: { timeoutMs: 3_000, retry } },
      (world) => this.#stack(world, retry),
      random,
    );
  }

  #stack({ pools, budget, stageContext }: StageWorld, retry: ReturnType<typeof retryConfig>): Stage {
    const config = { delayMs: 60, maxAttempts: 3, methods: ["GET", "PUT"] };
    const shadow = new PooledUpstream({
      picker: { pick: () => pools[3] },
      monotonicMs: () => 0,
      waitTimeoutMs: () => 5_000,
    });
    const mirror = {
      cluster: "shadow",
      percent: 50,
      disableShadowHostSuffixAppend: true,
      timeoutMs: 500,
      maxConcurrent: 3,
    };
    const stages: ForwardPolicy["stages"] = [
      new HedgeStage(
        {
          config,
          budget,
          budgetConfig: retry.budget,
          inner: [new ConcurrencyStage(this.#controller, stageContext.clock.monotonicMs)],
          hasRetries: true,
        },
        stageContext,
      ),
      new MirrorStage(mirror, shadow, stageContext),
      { before: LimitedResponse.stage(100, this.#active, stageContext) },
    ];
    return {
      before: (upstream, head, observed) => stages.reduce((to, one) => one.before(to, head, observed), upstream),
    };
  }

  async play(): Promise<void> {
    this.world.choice = this.world.pools.slice(0, 3);
    for (let i = 0; i < requestsPerRound; i++) {
      this.#ask();
      const steps = Math.floor(this.#random() * 6);
      for (let step = 0; step < steps; step++) await this.#step();
    }
    for (let step = 0; step < 400; step++) await this.#step();
    await this.world.wait(5_000);
  }

  #ask(): void {
    const [method, size] = (
      [
        ["GET", -1],
        ["PUT", 10],
        ["PUT", 70_000],
        ["POST", 500],
      ] as const
    )[Math.floor(this.#random() * 4)] ?? ["GET", -1];
    const body = size < 0 ? undefined : "b".repeat(size);
    const { world } = this;
    // Another endpoint is preferred every time.
    const [first, ...others] = world.choice;
    if (first !== undefined) world.choice = [...others, first];
    const asked =
      this.#random() < 0.5 || body === undefined ? world.ask(method, "/", body) : this.#askSlowly(method, body);
    this.#asked.push({ asked, body, isGivenUp: false });
  }

  #askSlowly(method: string, body: string): Asked {
    const asked = this.world.askOpen(method);
    const half = Math.floor(body.length / 2);
    asked.sendBody(body.slice(0, half), false);
    this.world.settle();
    asked.sendBody(body.slice(half), true);
    this.world.settle();
    return asked;
  }

  async #step(): Promise<void> {
    await this.world.wait(10);
    for (const server of this.world.servers) {
      if (this.#protocol === "http2") {
        this.#answerStreams(server);
        continue;
      }
      const text = (this.#unanswered.get(server) ?? "") + server.text();
      this.#unanswered.set(server, text);
      if (text !== "" && !server.hasEnded && this.#random() < 0.1) this.#answer(server);
    }
    const one = this.#asked[Math.floor(this.#random() * this.#asked.length)];
    if (one !== undefined && one.asked.seen === "" && this.#random() < 0.02) {
      one.isGivenUp = true;
      one.asked.giveUp();
    }
    this.world.settle();
  }

  #answer(server: ServerEnd): void {
    const text = this.#unanswered.get(server) ?? "";
    const isWhole = /^GET|\r\n\r\nb{10}$|\r\n\r\nb{500}$|\r\n\r\nb{70000}$|\r\n0\r\n\r\n$/.test(text);
    const chance = this.#random();
    if (chance < 0.08) {
      server.connection.destroy();
      this.world.settle();
      return;
    }
    if (!isWhole) return;
    this.#unanswered.set(server, "");
    if (chance < 0.25) server.say("HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\nbusy");
    else if (chance < 0.3) server.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    else server.ok("x".repeat(Math.floor(this.#random() * 20_000)));
  }

  /** Whether or not all of the request's body has come. */
  #answerStreams(server: ServerEnd): void {
    if (server.hasEnded || server.connection.isClosed) return;
    const begun = server.requests().flatMap((line) => /^(\d+) (?:GET|PUT|POST) /.exec(line)?.slice(1, 2) ?? []);
    const open = [...(this.#streams.get(server) ?? []), ...begun.map(Number)];
    this.#streams.set(server, []);
    for (const id of open) {
      if (this.#random() < 0.9) this.#streams.get(server)?.push(id);
      else if (this.#random() < 0.02) server.connection.destroy();
      else server.say(...this.#streamAnswer(id));
      this.world.settle();
    }
  }

  #streamAnswer(id: number): Buffer[] {
    const chance = this.#random();
    const ok = headers(id, [":status", "200"], false);
    if (chance < 0.1) return [rstStream(id, 7)];
    if (chance < 0.2) return [rstStream(id, 2)];
    if (chance < 0.35) return [headers(id, [":status", "503"], false), data(id, "busy", true)];
    if (chance < 0.4) return [ok, data(id, "half", false)];
    if (chance < 0.45) return [ok, data(id, "half", false), rstStream(id, 2)];
    if (chance < 0.6) return [ok, data(id, "most", false), headers(id, ["x-end", "1"], true)];
    return [ok, data(id, "x".repeat(Math.floor(this.#random() * 15_000)), true)];
  }

  check(): void {
    const { world } = this;
    for (const { asked, isGivenUp } of this.#asked) {
      expect(asked.seen !== "" || isGivenUp).toBe(true);
      expect(asked.ends).toBeLessThanOrEqual(1);
    }
    expect([world.budget.liveRequests, world.budget.liveRetries]).toEqual([0, 0]);
    expect([this.#active.active, this.#controller.inFlight, world.upstream.isIdle]).toEqual([0, 0, true]);
    const { mirrors, hedges, hedgesWon } = world.stageContext.counters;
    expect(hedgesWon).toBeLessThanOrEqual(hedges);
    expect(Object.values(mirrors).every((count) => count >= 0)).toBe(true);
    // Silent servers hold connections, and nothing else does.
    expect(world.leftovers).toEqual([0, 0, 0]);
  }
}

describe("requests under all stages at once", () => {
  const first = Number(process.env["ATOLL_SEED"] ?? 1);
  test.each(["http1", "http2"] as const)(
    `have one end each and leave nothing behind, in %s, for ${rounds} seeds from ${first} (ATOLL_SEED)`,
    async (protocol) => {
      const totals = { hedges: 0, won: 0, retries: 0, copies: 0 };
      for (let seed = first; seed < first + rounds; seed++) {
        const chaos = new Chaos(seed, protocol);
        await chaos.play();
        try {
          chaos.check();
        } catch (thrown) {
          throw new Error(`seed ${seed}`, { cause: thrown });
        }
        const { hedges, hedgesWon, mirrors } = chaos.world.stageContext.counters;
        totals.hedges += hedges;
        totals.won += hedgesWon;
        totals.retries += chaos.world.counters.retries;
        totals.copies += mirrors.answered;
      }
      // It would prove nothing if nothing of it happened.
      for (const count of Object.values(totals)) expect(count).toBeGreaterThan(rounds);
    },
    120_000,
  );
});
