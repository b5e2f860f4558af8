import type { Operation } from "../linearizability/history.ts";
import { randomOf } from "../linearizability/random-history.ts";
import type { RegisterInput, RegisterOutput } from "../linearizability/register-model.ts";
import { CatalogClient } from "./catalog-client.ts";

export type ClientOperation = Operation<RegisterInput, RegisterOutput>;

/** What the clients did and saw. Times are milliseconds of one clock of this process. */
export interface WorkloadRecord {
  readonly operations: readonly ClientOperation[];
  /** Nodes that were registered once each and acknowledged, with their value. */
  readonly distinct: ReadonlyMap<string, string>;
  /** The services whose instances those are. */
  readonly onceServices: readonly string[];
  /** Writes answered with success, of every kind. */
  readonly acknowledged: number;
  /** Writes that may or may not have happened. */
  readonly unknown: number;
  /** Writes that certainly had no effect, and reads without an answer. */
  readonly refused: number;
}

const contestedKeys = 4;
/** Then other keys are used: what is judged together must stay small. */
const operationsPerGeneration = 1_200;
const thinkMs = 4;
/** How often a client turns to another server although its own answers. */
const hopProbability = 0.03;

interface Client {
  readonly id: number;
  readonly random: () => number;
  /** The server that it asks until that fails it. */
  port: number;
}

/**
 * Clients in closed loops: registrations of nodes that all of them change and that nobody else does, compare-and-set of
 * config entries, and `consistent` reads of both. A client stays with a server that answers, or else all of them would
 * hang at a paused server, a timeout each, and nobody would look at what the others do meanwhile.
 */
export class Workload {
  readonly #operations: ClientOperation[] = [];
  readonly #distinct = new Map<string, string>();
  readonly #onceServices = new Set<string>();
  readonly #loops: Promise<void>[];
  readonly #ports: readonly number[];
  #isStopping = false;
  #issued = 0;
  #acknowledged = 0;
  #unknown = 0;
  #refused = 0;

  constructor(options: { readonly ports: readonly number[]; readonly clients: number; readonly seed: number }) {
    this.#ports = options.ports;
    this.#loops = Array.from({ length: options.clients }, (_, id) => {
      const random = randomOf(options.seed * 1_000 + id);
      return this.#loop({ id, random, port: this.#port(id) });
    });
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Ends the loops; then each key is read once more, and all nodes that were registered once, through every server in turn. */
  async finish(): Promise<WorkloadRecord> {
    this.#isStopping = true;
    await Promise.all(this.#loops);
    const keys = new Set(this.#operations.map(({ input }) => input.key));
    let turn = 0;
    const client = { id: 0, random: () => 0, port: 0 };
    for (const key of keys) {
      client.port = this.#port(turn++);
      await this.#call({ client, input: { type: "read", key } });
    }
    return {
      operations: this.#operations,
      distinct: this.#distinct,
      onceServices: [...this.#onceServices],
      acknowledged: this.#acknowledged,
      unknown: this.#unknown,
      refused: this.#refused,
    };
  }

  async #loop(client: Client): Promise<void> {
    const { id, random } = client;
    while (!this.#isStopping) {
      const number = this.#issued++;
      if (random() < hopProbability) this.#move(client);
      const generation = Math.floor(number / operationsPerGeneration);
      const key = `k${generation}-${Math.floor(random() * contestedKeys)}`;
      const value = `${id}-${number}`;
      const kind = random();
      if (kind < 0.3) {
        await this.#call({ client, input: { type: "write", key: `node-${key}`, value } });
      } else if (kind < 0.6) {
        await this.#call({ client, input: { type: "read", key: `node-${key}` } });
      } else if (kind < 0.8) {
        await this.#compareAndSet({ client, key: `entry-${key}`, value });
      } else {
        await this.#registerOnce({ client, service: `once-${generation}`, value });
      }
      await Bun.sleep(random() * 2 * thinkMs);
    }
  }

  /** To any server, the same one included. */
  #move(client: Client): void {
    client.port = this.#port(Math.floor(client.random() * this.#ports.length));
  }

  #port(turn: number): number {
    return this.#ports[turn % this.#ports.length] ?? 0;
  }

  /** Reads the entry and replaces just that version. Values are unique, so a version's index stands for its value. */
  async #compareAndSet(work: { readonly client: Client; readonly key: string; readonly value: string }): Promise<void> {
    const { client, key, value } = work;
    const seen = await this.#call({ client, input: { type: "read", key } });
    if (seen === undefined) return;
    const input: RegisterInput = { type: "cas", key, expected: seen.value, value };
    await this.#call({ client, input, expectedIndex: seen.index });
  }

  async #registerOnce(work: {
    readonly client: Client;
    readonly service: string;
    readonly value: string;
  }): Promise<void> {
    const { client, service, value } = work;
    const node = `once-${value}`;
    this.#onceServices.add(service);
    const outcome = await new CatalogClient(client.port).registerOnce({ node, service, value });
    this.#count(outcome.kind);
    if (outcome.kind !== "done") this.#move(client);
    if (outcome.kind === "done") this.#distinct.set(node, value);
  }

  #count(kind: "done" | "refused" | "unknown"): void {
    if (kind === "done") this.#acknowledged++;
    else if (kind === "unknown") this.#unknown++;
    else this.#refused++;
  }

  /** Makes one call and adds it to the history; what a read saw. */
  async #call(work: {
    readonly client: Client;
    readonly input: RegisterInput;
    readonly expectedIndex?: number;
  }): Promise<{ readonly value: string | null; readonly index: number } | undefined> {
    const { input } = work;
    const client = work.client.id;
    const catalog = new CatalogClient(work.client.port);
    const call = performance.now();
    if (input.type === "read") {
      const seen = await catalog.read(input.key);
      const end = performance.now();
      if (seen === undefined) {
        this.#refused++;
        this.#move(work.client);
        return undefined;
      }
      this.#operations.push({ client, call, return: end, input, output: { type: "value", value: seen.value } });
      return seen;
    }
    const outcome =
      input.type === "write"
        ? await catalog.write(input.key, input.value ?? "")
        : await catalog.compareAndSet(input.key, input.value ?? "", work.expectedIndex ?? 0);
    const end = performance.now();
    this.#count(outcome.kind);
    if (outcome.kind !== "done") this.#move(work.client);
    if (outcome.kind === "unknown") this.#operations.push({ client, call, return: Infinity, input });
    if (outcome.kind === "done") {
      const output: RegisterOutput = { type: "done", isApplied: outcome.isApplied };
      this.#operations.push({ client, call, return: end, input, output });
    }
    return undefined;
  }
}
