import type { Clock, Timer } from "../../lib/base/clock.ts";
import { atEndOfTurn } from "../../lib/base/turn.ts";
import { speedUpLoopback } from "./loopback.ts";
import {
  countListeners,
  kernelAddress,
  type ListenerCounts,
  refuseNewConnections,
  steerNewConnections,
  stopSteering,
} from "./port-group.ts";
import type { ListenOptions } from "./transport.ts";

/** How long a connection that has begun may take to stand: a few round trips. Meanwhile new ones go to the others. */
const settleMs = 500;
/** A predecessor that has not closed by then is not waited for any longer: the kernel spreads connections among all. */
const steeringMs = 15_000;
/** So long after this process began to close an address a worker of it may still have it: it hears of it a little later. */
const leavingMs = 2_000;

/** The part of Bun's listener that is used here; `fd` is missing in its types. */
export interface ListeningSocket {
  readonly port: number;
  readonly fd?: number;
  stop(closeActiveConnections?: boolean): void;
}

/**
 * One listening socket that can share its address with those of other processes, takes over from them and gives way to them without
 * losing a connection (see `port-group.ts`).
 */
export class SharedPort {
  readonly #socket: ListeningSocket;
  readonly #address: string;
  readonly #clock: Clock;
  #steering: Timer | undefined;
  #state: "open" | "closing" | "closed" = "open";

  /** Throws what Bun throws when the address cannot be bound. */
  constructor(
    options: Pick<ListenOptions, "host" | "port" | "sharing" | "processes">,
    clock: Clock,
    listen: () => ListeningSocket,
  ) {
    const { host, port, sharing = "claim" } = options;
    this.#clock = clock;
    const isReturning = sharing === "claim" && takeBack(kernelAddress(host, port), clock.monotonicMs());
    // Sharing is silent: without this look two services that were given one address would each get half of the connections.
    if (sharing === "claim" && port !== 0 && !isReturning) {
      Bun.listen({ hostname: host, port, socket: noEvents }).stop(true);
    }
    const takesOver = sharing === "replace" || isReturning;
    const predecessors = takesOver ? (countsOfTurn().get(kernelAddress(host, port)) ?? 0) : 0;
    this.#socket = listen();
    speedUpLoopback(this.#socket.fd, host);
    this.#address = kernelAddress(host, this.#socket.port);
    if (predecessors === 0) return;
    // The workers join later than this process returns, while those that leave drop what comes to them: all to this one meanwhile.
    if (isReturning) this.#steer(predecessors, 1, leavingMs);
    else this.#steer(predecessors, options.processes ?? 1, steeringMs);
  }

  get port(): number {
    return this.#socket.port;
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  get isShared(): boolean {
    return (countsOfTurn().get(this.#address) ?? 0) > 1;
  }

  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#steering?.cancel();
    const { fd } = this.#socket;
    if (!this.isShared || fd === undefined || !refuseNewConnections(fd)) {
      this.#stop();
      return;
    }
    leave(this.#address, this.#clock.monotonicMs());
    // At the end of a turn all that waited has been accepted.
    this.#clock.after(settleMs, () => atEndOfTurn(() => this.#stop()));
  }

  #steer(first: number, count: number, forMs: number): void {
    const { fd } = this.#socket;
    if (fd === undefined || !steerNewConnections(fd, first, count)) return;
    this.#steering = this.#clock.after(forMs, () => stopSteering(fd));
  }

  #stop(): void {
    this.#state = "closed";
    this.#socket.stop(false);
  }
}

const noEvents = { data: () => undefined };

/**
 * Addresses that this process and its workers are about to give up, and until when: whoever still listens there is one of them, so
 * a configuration that wants the address back does not have to wait.
 */
const left = new Map<string, number>();

function leave(address: string, nowMs: number): void {
  for (const [other, untilMs] of left) if (untilMs <= nowMs) left.delete(other);
  left.set(address, nowMs + leavingMs);
}

/** True for one that asks for an address which is being given up. */
function takeBack(address: string, nowMs: number): boolean {
  const untilMs = left.get(address) ?? Number.NEGATIVE_INFINITY;
  left.delete(address);
  return untilMs > nowMs;
}

let counts: ListenerCounts | undefined;

/** Read once for all listeners that open or close in one turn of the event loop. */
function countsOfTurn(): ListenerCounts {
  if (counts !== undefined) return counts;
  atEndOfTurn(() => {
    counts = undefined;
  });
  counts = countListeners();
  return counts;
}
