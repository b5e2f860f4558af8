import type { EventHeap } from "./event-heap.ts";
import type { Rng } from "./random.ts";

/** How a network treats its packets. Chances per packet, times in microseconds. */
export interface NetworkOptions {
  readonly minDelayUs: number;
  /** Mean of the exponential part, which comes on top of `minDelayUs`. */
  readonly meanDelayUs: number;
  readonly lossChance: number;
  readonly duplicateChance: number;
  /** Of a packet, or its double, to come seconds later, when the world it speaks of may be gone. */
  readonly straggleChance: number;
  /** False: a link delivers in the order of sending, as one TCP connection does. */
  readonly canReorder: boolean;
}

/**
 * Directed links between named ends. A packet is text: what two servers share goes through it, so that no object of one can
 * be seen changing by another.
 */
export interface Network {
  send(from: string, to: string, packet: string): void;
  /** One direction only; packets that are under way already arrive. */
  block(from: string, to: string): void;
  unblock(from: string, to: string): void;
  /** Nothing is lost, but nothing arrives before the time has come. */
  clog(from: string, to: string, durationUs: number): void;
  /** Ends every partition and clog. */
  heal(): void;
  /** From now on without loss, duplicates and long delays. */
  calm(): void;
  /** What `from` has sent and has not arrived yet is lost, as with a machine that loses its power. */
  dropFrom(from: string): void;
  /** Packets that are under way. */
  inFlight(): number;
}

/** A few election timeouts. */
export const maxStraggleUs = 3_000_000;

export interface NetworkSetup {
  readonly heap: EventHeap;
  readonly rng: Rng;
  readonly options: NetworkOptions;
  readonly deliver: (from: string, to: string, packet: string) => void;
}

export function createNetwork(setup: NetworkSetup): Network {
  const { heap, rng, deliver } = setup;
  const blocked = new Set<string>();
  const clogged = new Map<string, number>();
  const lastArrival = new Map<string, number>();
  const losses = new Map<string, number>();
  let options = setup.options;
  let inFlight = 0;

  const arriveLater = (link: string, from: string, to: string, packet: string): void => {
    const isStraggling = rng.chance(options.straggleChance);
    const extraUs = isStraggling ? rng.below(maxStraggleUs) : rng.exponential(options.meanDelayUs);
    const delayUs = options.minDelayUs + extraUs;
    let atUs = Math.max(heap.nowUs() + delayUs, clogged.get(link) ?? 0);
    if (!options.canReorder) atUs = Math.max(atUs, lastArrival.get(link) ?? 0);
    lastArrival.set(link, atUs);
    inFlight += 1;
    const lossesBefore = losses.get(from) ?? 0;
    heap.schedule(atUs - heap.nowUs(), () => {
      inFlight -= 1;
      if (lossesBefore === (losses.get(from) ?? 0)) deliver(from, to, packet);
    });
  };

  return {
    send(from, to, packet) {
      const link = `${from}>${to}`;
      const isLost = rng.chance(options.lossChance);
      const isDoubled = rng.chance(options.duplicateChance);
      if (isLost || blocked.has(link)) return;
      arriveLater(link, from, to, packet);
      if (isDoubled) arriveLater(link, from, to, packet);
    },
    block: (from, to) => void blocked.add(`${from}>${to}`),
    unblock: (from, to) => void blocked.delete(`${from}>${to}`),
    clog: (from, to, durationUs) => void clogged.set(`${from}>${to}`, heap.nowUs() + durationUs),
    heal() {
      blocked.clear();
      clogged.clear();
    },
    calm() {
      const meanDelayUs = Math.min(options.meanDelayUs, 2_000);
      options = { ...options, lossChance: 0, duplicateChance: 0, straggleChance: 0, meanDelayUs };
    },
    dropFrom: (from) => void losses.set(from, (losses.get(from) ?? 0) + 1),
    inFlight: () => inFlight,
  };
}
