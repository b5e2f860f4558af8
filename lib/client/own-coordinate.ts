/** The coordinate of one node: when it is measured anew, and when the servers are told of it. */
import type { Runtime } from "../base/runtime.ts";
import { type Coordinate, hasMoved } from "../contract/coordinates.ts";
import { type CoordinateSettings, tellIntervalMs } from "../contract/coordinate-settings.ts";
import { createVivaldi } from "../contract/vivaldi.ts";

/** Until a node is where it belongs, each renewal of its lease measures; after that, now and then. */
const eagerSamples = 20;
const restfulEvery = 4;
/** A coordinate that did not move is told again, in case that a leader was lost with it. */
const retellMs = 600_000;

export interface OwnCoordinate {
  coordinate(): Coordinate;
  /** Whether the message that is about to be sent should be measured. To be asked once for each. */
  wantsRoundTrip(): boolean;
  measured(sample: RoundTrip): void;
  /** What to tell the servers, when it is time for that and there is something to tell; it counts as told then. */
  news(): Coordinate | undefined;
  /** Whoever was told is not there any more: it is told again when there has been something to tell. */
  forgetTold(): void;
}

export interface RoundTrip {
  /** The address of a server, and where it is. */
  readonly peer: string;
  readonly place: Coordinate;
  readonly seconds: number;
  /** How many nodes there are, as far as the peer knows: the more, the less often each tells. */
  readonly nodes: number;
}

export interface OwnCoordinateOptions {
  readonly settings: CoordinateSettings;
  /** Others measure their way to it: it is told from the beginning, at the origin. */
  readonly isServer: boolean;
  readonly runtime: Pick<Runtime, "clock" | "random">;
}

export function createOwnCoordinate({ settings, isServer, runtime }: OwnCoordinateOptions): OwnCoordinate {
  const { clock, random } = runtime;
  const vivaldi = createVivaldi(random);
  let samples = 0;
  let asked = 0;
  let nodes = 1;
  let told: { readonly coordinate: Coordinate; readonly atMs: number } | undefined;
  let notBeforeMs = 0;

  return {
    coordinate: vivaldi.coordinate,
    wantsRoundTrip: () => samples < eagerSamples || asked++ % restfulEvery === 0,
    measured(sample) {
      nodes = sample.nodes;
      if (vivaldi.measured(sample.peer, sample.place, sample.seconds)) samples++;
    },
    news() {
      const nowMs = clock.monotonicMs();
      if (nowMs < notBeforeMs || (samples === 0 && !isServer)) return undefined;
      const coordinate = vivaldi.coordinate();
      const isNews = told === undefined || nowMs - told.atMs >= retellMs || hasMoved(told.coordinate, coordinate);
      if (!isNews) return undefined;
      told = { coordinate, atMs: nowMs };
      // Nodes that came together part by chance.
      notBeforeMs = nowMs + tellIntervalMs(settings, nodes) * (1 + random.float());
      return coordinate;
    },
    forgetTold() {
      told = undefined;
    },
  };
}
