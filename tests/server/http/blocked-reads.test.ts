import { expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import type { CheckRecord, NodeRecord, ServiceInstance, ServiceRecord } from "../../../lib/contract/catalog.ts";
import type { ConfigEntryRecord } from "../../../lib/contract/config-entries.ts";
import { checkAnswer } from "../../../lib/http/check-answer.ts";
import {
  healthEntryAnswer,
  nodeAnswer,
  nodeServiceAnswer,
  serviceNodeAnswer,
} from "../../../server/http/catalog-answers.ts";
import { configEntryAnswer } from "../../../server/http/config-entry-answer.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { applyNaively, createNaiveCatalog, type NaiveCatalog } from "../state/naive-catalog.ts";
import { naiveReads } from "../state/naive-reads.ts";
import { randomCommand, randomNodes } from "../state/random-commands.ts";
import { type Answer, createTestCatalog, type TestCatalog } from "./test-catalog.ts";

/** ATOLL_TEST_SEED replays one history; a failure names the seed and the step. */
const seeds = process.env["ATOLL_TEST_SEED"] === undefined ? [501, 502] : [Number(process.env["ATOLL_TEST_SEED"])];
const steps = 120;

/** A URL with what it shows, computed from plain lists. */
interface Watched {
  readonly url: string;
  /** All that the answer is made of, filtered or not: who is woken while this stands still is woken for nothing. */
  readonly records: (naive: Naive) => unknown;
  /** The body; undefined where the answer is 404. */
  readonly body: (naive: Naive) => unknown;
}

class Naive {
  readonly #reads: Map<string, unknown>;
  constructor(catalog: NaiveCatalog) {
    this.#reads = naiveReads(catalog, ["web", "api"], randomNodes);
  }
  list<R>(name: string): readonly R[] {
    const value = this.#reads.get(name);
    if (!Array.isArray(value)) throw new Error(`${name} is no list`);
    return value;
  }
  one<R>(name: string): R | undefined {
    // The oracle's reads have the types of the state's.
    return this.#reads.get(name) as R | undefined;
  }
}

function ofInstances(url: string, name: string, keep: (instance: ServiceInstance) => boolean = () => true): Watched {
  const answerOf = url.includes("/health/") ? healthEntryAnswer : serviceNodeAnswer;
  return {
    url,
    records: (naive) => naive.list(name),
    body: (naive) => naive.list<ServiceInstance>(name).filter(keep).map(answerOf),
  };
}

function ofChecks(url: string, name: string): Watched {
  return {
    url,
    records: (naive) => naive.list(name),
    body: (naive) => naive.list<CheckRecord>(name).map(checkAnswer),
  };
}

const watched: readonly Watched[] = [
  ofInstances("/v1/health/service/web?", "instances of web"),
  ofInstances("/v1/health/service/web?passing&", "instances of web", ({ Checks }) =>
    Checks.every(({ Status }) => Status === "passing"),
  ),
  ofInstances("/v1/health/service/web?tag=V1&", "instances of web", ({ Service }) => Service.Tags.includes("v1")),
  ofInstances("/v1/health/service/api?filter=Checks.Status==critical&", "instances of api", ({ Checks }) =>
    Checks.some(({ Status }) => Status === "critical"),
  ),
  ofInstances("/v1/catalog/service/api?node-meta=zone:a&", "instances of api", ({ Node }) => Node.Meta["zone"] === "a"),
  ofInstances("/v1/catalog/connect/web?", "connect to web"),
  ofInstances("/v1/health/connect/web?filter=Node.Node==n2&", "connect to web", ({ Node }) => Node.Node === "n2"),
  ofChecks("/v1/health/node/n1?", "checks on n1"),
  ofChecks("/v1/health/checks/web?", "checks of web"),
  ofChecks("/v1/health/state/critical?", "checks critical"),
  {
    url: "/v1/catalog/nodes?filter=Meta.zone==a&",
    records: (naive) => naive.list("nodes"),
    body: (naive) =>
      naive
        .list<NodeRecord>("nodes")
        .filter(({ Meta }) => Meta["zone"] === "a")
        .map(nodeAnswer),
  },
  {
    url: "/v1/catalog/node-services/n1?",
    records: (naive) => [naive.one("node n1"), naive.list("services on n1")],
    body(naive) {
      const node = naive.one<NodeRecord>("node n1");
      const services = naive.list<ServiceRecord>("services on n1");
      return { Node: node === undefined ? null : nodeAnswer(node), Services: services.map(nodeServiceAnswer) };
    },
  },
  {
    url: "/v1/config/service-defaults/web?",
    records: (naive) => naive.one("service-defaults web"),
    body(naive) {
      const entry = naive.one<ConfigEntryRecord>("service-defaults web");
      return entry === undefined ? undefined : configEntryAnswer(entry);
    },
  },
];

interface Blocked {
  readonly of: Watched;
  readonly index: number;
  readonly records: string;
  readonly body: string;
  answer: Answer | undefined;
}

for (const seed of seeds) {
  test(`a blocked read answers when what it shows has changed, with that and its index (seed ${seed})`, async () => {
    const random = createSeededRandom(seed);
    const catalog = createTestCatalog({ clock: createVirtualClock(0) });
    const model = createNaiveCatalog();
    let waiting = await Promise.all(
      watched.map(async (of) => block(catalog, of, (await catalog.get(of.url)).index, model)),
    );
    let woken = 0;
    for (let step = 0; step < steps; step++) {
      const command = randomCommand(random, (node, id) =>
        model.services.some((service) => service.Node === node && service.ID === id),
      );
      const where = `seed ${seed}, command ${step}: ${JSON.stringify(command)}`;
      // All are waiting before the next change.
      await turns();
      const index = catalog.apply(command);
      applyNaively(model, index, command);
      await turns();
      const naive = new Naive(model);
      waiting = waiting.map((blocked) => {
        const { of, answer } = blocked;
        const expected = JSON.stringify(of.body(naive)) ?? "";
        if (answer === undefined) {
          expect({ where, url: of.url, body: blocked.body }).toEqual({ where, url: of.url, body: expected });
          return blocked;
        }
        woken++;
        const got = { where, url: of.url, body: answer.status === 404 ? "" : answer.body, index: answer.index };
        expect(got).toEqual({ where, url: of.url, body: expected, index });
        if (JSON.stringify(of.records(naive)) === blocked.records)
          throw new Error(`${where}: ${of.url} woke for nothing`);
        return block(catalog, of, answer.index, model);
      });
    }
    expect(woken).toBeGreaterThan(steps);
    await turns();
    expect(catalog.state.watches.watchCount()).toBe(watched.length);
    await catalog.app.close();
  });
}

function block(catalog: TestCatalog, of: Watched, index: number, model: NaiveCatalog): Blocked {
  const naive = new Naive(model);
  const blocked: Blocked = {
    of,
    index,
    records: JSON.stringify(of.records(naive)),
    body: JSON.stringify(of.body(naive)) ?? "",
    answer: undefined,
  };
  void catalog.get(`${of.url}index=${index}&wait=5m`).then((answer) => {
    blocked.answer = answer;
  });
  return blocked;
}

/** A request through the app takes a few turns of the loop. */
async function turns(): Promise<void> {
  for (let n = 0; n < 4; n++) await new Promise((resolve) => setImmediate(resolve));
}
