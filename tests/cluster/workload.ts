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

/**
 * Clients in closed loops, each call to any server: registrations of nodes that all of them change and that nobody else
 * does, compare-and-set of config entries, and `consistent` reads of both.
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
    this.#loops = Array.from({ length: options.clients }, (_, client) =>
      this.#loop(client, randomOf(options.seed * 1_000 + client)),
    );
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
    for (const key of keys) await this.#call({ client: 0, port: this.#port(turn++), input: { type: "read", key } });
    return {
      operations: this.#operations,
      distinct: this.#distinct,
      onceServices: [...this.#onceServices],
      acknowledged: this.#acknowledged,
      unknown: this.#unknown,
      refused: this.#refused,
    };
  }

  async #loop(client: number, random: () => number): Promise<void> {
    while (!this.#isStopping) {
      const number = this.#issued++;
      const port = this.#port(Math.floor(random() * this.#ports.length));
      const generation = Math.floor(number / operationsPerGeneration);
      const key = `k${generation}-${Math.floor(random() * contestedKeys)}`;
      const value = `${client}-${number}`;
      const kind = random();
      if (kind < 0.3) {
        await this.#call({ client, port, input: { type: "write", key: `node-${key}`, value } });
      } else if (kind < 0.6) {
        await this.#call({ client, port, input: { type: "read", key: `node-${key}` } });
      } else if (kind < 0.8) {
        await this.#compareAndSet({ client, port, key: `entry-${key}`, value });
      } else {
        await this.#registerOnce({ port, service: `once-${generation}`, value });
      }
      await Bun.sleep(random() * 2 * thinkMs);
    }
  }

  #port(turn: number): number {
    return this.#ports[turn % this.#ports.length] ?? 0;
  }

  /** Reads the entry and replaces just that version. Values are unique, so a version's index stands for its value. */
  async #compareAndSet(work: {
    readonly client: number;
    readonly port: number;
    readonly key: string;
    readonly value: string;
  }): Promise<void> {
    const { client, port, key, value } = work;
    const seen = await this.#call({ client, port, input: { type: "read", key } });
    if (seen === undefined) return;
    const input: RegisterInput = { type: "cas", key, expected: seen.value, value };
    await this.#call({ client, port, input, expectedIndex: seen.index });
  }

  async #registerOnce(work: {
    readonly port: number;
    readonly service: string;
    readonly value: string;
  }): Promise<void> {
    const { service, value } = work;
    const node = `once-${value}`;
    this.#onceServices.add(service);
    const outcome = await new CatalogClient(work.port).registerOnce({ node, service, value });
    this.#count(outcome.kind);
    if (outcome.kind === "done") this.#distinct.set(node, value);
  }

  #count(kind: "done" | "refused" | "unknown"): void {
    if (kind === "done") this.#acknowledged++;
    else if (kind === "unknown") this.#unknown++;
    else this.#refused++;
  }

  /** Makes one call and adds it to the history; what a read saw. */
  async #call(work: {
    readonly client: number;
    readonly port: number;
    readonly input: RegisterInput;
    readonly expectedIndex?: number;
  }): Promise<{ readonly value: string | null; readonly index: number } | undefined> {
    const { client, input } = work;
    const catalog = new CatalogClient(work.port);
    const call = performance.now();
    if (input.type === "read") {
      const seen = await catalog.read(input.key);
      const end = performance.now();
      if (seen === undefined) this.#refused++;
      else this.#operations.push({ client, call, return: end, input, output: { type: "value", value: seen.value } });
      return seen;
    }
    const outcome =
      input.type === "write"
        ? await catalog.write(input.key, input.value ?? "")
        : await catalog.compareAndSet(input.key, input.value ?? "", work.expectedIndex ?? 0);
    const end = performance.now();
    this.#count(outcome.kind);
    if (outcome.kind === "unknown") this.#operations.push({ client, call, return: Infinity, input });
    if (outcome.kind === "done") {
      const output: RegisterOutput = { type: "done", isApplied: outcome.isApplied };
      this.#operations.push({ client, call, return: end, input, output });
    }
    return undefined;
  }
}
