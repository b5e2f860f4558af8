import {
  type ConnectionObserver,
  type DownstreamPeer,
  type ExchangeObserver,
  type HttpVersion,
  Observation,
} from "../exchange/observation.ts";
import type { RequestHead } from "../message/request-head.ts";

export type Direction = "inbound" | "outbound";

/** What telemetry says of a listener, as its settings are now. */
export interface ListenerFacts {
  readonly service: string;
  readonly listen: string;
}

/** Who is told of the requests of all listeners. */
export interface RequestWatcher {
  monotonicMs(): number;
  forward(observation: Observation, head: RequestHead, from: ListenerObserver): RequestHead;
  ended(observation: Observation, from: ListenerObserver): void;
  endedConnection(observation: Observation, from: ListenerObserver): void;
}

/** Observations that are kept to be used again: about as many as there are requests at a time in a busy listener. */
const maxFree = 256;

/** The requests and relayed connections of one listener on their way to whoever watches. */
export class ListenerObserver implements ExchangeObserver, ConnectionObserver {
  readonly direction: Direction;
  readonly #facts: () => ListenerFacts;
  readonly #watcher: RequestWatcher;
  readonly #free: Observation[] = [];

  constructor(direction: Direction, facts: () => ListenerFacts, watcher: RequestWatcher) {
    this.direction = direction;
    this.#facts = facts;
    this.#watcher = watcher;
  }

  get facts(): ListenerFacts {
    return this.#facts();
  }

  monotonicMs(): number {
    return this.#watcher.monotonicMs();
  }

  begin(peer: DownstreamPeer, version: HttpVersion, nowMs: number): Observation {
    return (this.#free.pop() ?? new Observation(this)).begin(peer, version, nowMs);
  }

  forward(observation: Observation, head: RequestHead): RequestHead {
    return this.#watcher.forward(observation, head, this);
  }

  ended(observation: Observation): void {
    observation.endedMs = this.#watcher.monotonicMs();
    this.#watcher.ended(observation, this);
    this.#keep(observation);
  }

  beginConnection(peer: DownstreamPeer, nowMs: number): Observation {
    return (this.#free.pop() ?? new Observation(this)).begin(peer, "", nowMs);
  }

  endedConnection(observation: Observation): void {
    observation.endedMs = this.#watcher.monotonicMs();
    this.#watcher.endedConnection(observation, this);
    this.#keep(observation);
  }

  #keep(observation: Observation): void {
    observation.forget();
    if (this.#free.length < maxFree) this.#free.push(observation);
  }
}
