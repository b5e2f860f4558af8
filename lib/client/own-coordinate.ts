/** The coordinate of one node: when it is measured anew, and when the servers are told of it. */
import type { Runtime } from "../base/runtime.ts";
import { type Coordinate, hasMoved } from "../contract/coordinates.ts";
import { type CoordinateSettings, tellIntervalMs } from "../contract/coordinate-settings.ts";
import { createVivaldi } from "../contract/vivaldi.ts";
import { measureConnect } from "./connect-time.ts";

/** Until a node is where it belongs, each renewal of its lease measures; after that, twice for each word that it may say. */
const eagerSamples = 20;
/** A coordinate that did not move is told again, in case that a leader was lost with it. */
const retellMs = 600_000;

/** A server that nodes measure their way to. */
export interface Reference {
  /** `host:port` of its RPC listener. */
  readonly address: string;
  readonly coordinate: Coordinate;
}

export interface OwnCoordinate {
  coordinate(): Coordinate;
  /** Whether it is time for a measurement. */
  wantsReference(): boolean;
  /** Measures the way to a server. Of `nodes` that there are: the more, the less often each does that and tells. */
  measure(reference: Reference, nodes: number): void;
  /** What to tell the servers, when it is time for that and there is something to tell; it counts as told then. */
  news(): Coordinate | undefined;
  /** Whoever was told is not there any more: it is told again when there has been something to tell. */
  forgetTold(): void;
  close(): void;
}

export interface OwnCoordinateOptions {
  readonly settings: CoordinateSettings;
  /** Others measure their way to it: it is told from the beginning, at the origin. */
  readonly isServer: boolean;
  readonly runtime: Pick<Runtime, "clock" | "random">;
  /** Absent: by a connection to the address. */
  readonly roundTrip?: (address: string, signal: AbortSignal) => Promise<number | undefined>;
}

export function createOwnCoordinate(options: OwnCoordinateOptions): OwnCoordinate {
  const { settings, isServer } = options;
  const { clock, random } = options.runtime;
  const { roundTrip = (address, signal) => measureConnect(address, clock, signal) } = options;
  const vivaldi = createVivaldi(random);
  const stopping = new AbortController();
  let samples = 0;
  let intervalMs = settings.intervalMinMs;
  let measuredMs = Number.NEGATIVE_INFINITY;
  let isMeasuring = false;
  let told: { readonly coordinate: Coordinate; readonly atMs: number } | undefined;
  let notBeforeMs = 0;

  const learn = async ({ address, coordinate }: Reference): Promise<void> => {
    isMeasuring = true;
    measuredMs = clock.monotonicMs();
    const seconds = await roundTrip(address, stopping.signal);
    isMeasuring = false;
    if (seconds !== undefined && vivaldi.measured(address, coordinate, seconds)) samples++;
  };

  return {
    coordinate: vivaldi.coordinate,
    wantsReference() {
      if (isMeasuring || stopping.signal.aborted) return false;
      return samples < eagerSamples || clock.monotonicMs() - measuredMs >= intervalMs / 2;
    },
    measure(reference, nodes) {
      intervalMs = tellIntervalMs(settings, nodes);
      if (!isMeasuring && !stopping.signal.aborted) void learn(reference);
    },
    news() {
      const nowMs = clock.monotonicMs();
      if (nowMs < notBeforeMs || (samples === 0 && !isServer)) return undefined;
      const coordinate = vivaldi.coordinate();
      const isNews = told === undefined || nowMs - told.atMs >= retellMs || hasMoved(told.coordinate, coordinate);
      if (!isNews) return undefined;
      told = { coordinate, atMs: nowMs };
      // Nodes that came together part by chance. That a server is at the origin is not worth a wait.
      if (samples > 0) notBeforeMs = nowMs + intervalMs * (1 + random.float());
      return coordinate;
    },
    forgetTold() {
      told = undefined;
    },
    close: () => stopping.abort(),
  };
}
