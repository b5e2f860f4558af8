/**
 * The leader's part in coordinates: what the servers report of their agents is written by one command every five seconds at
 * most, and no more of them than the rate allows. What waits is in memory; a node tells anew what was lost with a leader.
 */
import { withDeadline } from "../../lib/base/deadline.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Timer } from "../../lib/base/clock.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { type Coordinate, type CoordinateFields, hasMoved } from "../../lib/contract/coordinates.ts";
import type { ReplicatedLog } from "../log/replicated-log.ts";
import type { StateReader } from "../state/reader.ts";
import type { PlacedAgent } from "./lease-report.ts";

/** What comes within so long is written together, after a quiet time. */
const gatherMs = 1_000;
/** And else commands are so far apart, as Consul's are. */
const flushEveryMs = 5_000;
/** Coordinates of one command, whatever rate is asked for: it has to fit into an entry of the log. */
const maxWritten = 1_000;
/** Coordinates that wait; servers keep what goes beyond it. */
const maxWaiting = 20_000;
const proposeTimeoutMs = 10_000;

export interface CoordinateWriter {
  /** What the server `from` reports. False when nothing was taken. */
  take(from: string, placed: readonly PlacedAgent[] | undefined): boolean;
  /** Another leader has found that every server knows the command. */
  allKnow(): void;
  close(): void;
}

export interface CoordinateWriterOptions {
  readonly log: Pick<ReplicatedLog, "propose" | "leadership">;
  readonly reader: Pick<StateReader, "memberById" | "node" | "nodeCoordinates">;
  /** Node ids of the other servers. */
  readonly otherServers: () => readonly string[];
  /** Nodes whose coordinates are written in a second, at most. */
  readonly rateTarget: number;
  readonly runtime: Runtime;
}

export function createCoordinateWriter(options: CoordinateWriterOptions): CoordinateWriter {
  const { log, reader } = options;
  const { clock } = options.runtime;
  const logger = options.runtime.logger.child("coordinates");
  const perFlush = Math.min(maxWritten, Math.max(1, Math.round((options.rateTarget * flushEveryMs) / 1_000)));
  const stopping = new AbortController();
  /** By the agent's id: of one agent only the last word counts. */
  const waiting = new Map<string, Coordinate>();
  const knowing = new Set<string>();
  let doAllKnow = false;
  let timer: Timer | undefined;
  let flushedMs = Number.NEGATIVE_INFINITY;

  /** A server of an older release stops at a command that it does not know, so each has to have said that it does. */
  const isReady = (): boolean => {
    doAllKnow ||= options.otherServers().every((id) => knowing.has(id));
    return doAllKnow;
  };

  const due = (): CoordinateFields[] => {
    const coordinates: CoordinateFields[] = [];
    for (const [id, Coord] of waiting) {
      if (coordinates.length === perFlush) break;
      const Node = reader.memberById(id)?.Node;
      // An agent holds its lease before it writes its node.
      if (Node !== undefined && reader.node(Node).value === undefined) continue;
      waiting.delete(id);
      if (Node === undefined) continue;
      const known = reader.nodeCoordinates(Node).value.find(({ Segment }) => Segment === "");
      if (known === undefined || hasMoved(known.Coord, Coord)) coordinates.push({ Node, Segment: "", Coord });
    }
    return coordinates;
  };

  const flush = async (): Promise<void> => {
    if (!log.leadership().isLeader) {
      waiting.clear();
      return;
    }
    const coordinates = due();
    if (coordinates.length === 0) return;
    flushedMs = clock.monotonicMs();
    const limits = { clock, timeoutMs: proposeTimeoutMs, signal: stopping.signal };
    try {
      await withDeadline(limits, (signal) => log.propose({ type: "coordinates-update", coordinates }, signal));
    } catch (thrown) {
      // They are old by the time that there is a leader again.
      logger.debug("coordinates could not be written", { count: coordinates.length, error: errorMessage(thrown) });
    }
  };

  const arm = (): void => {
    if (timer !== undefined || waiting.size === 0 || stopping.signal.aborted) return;
    const delayMs = Math.max(gatherMs, flushedMs + flushEveryMs - clock.monotonicMs());
    timer = clock.after(delayMs, () => {
      void flush().then(() => {
        timer = undefined;
        arm();
      });
    });
  };

  return {
    take(from, placed) {
      if (placed !== undefined) knowing.add(from);
      if (placed === undefined || !isReady() || waiting.size + placed.length > maxWaiting) return false;
      for (const { id, coordinate } of placed) waiting.set(id, coordinate);
      arm();
      return true;
    },
    allKnow() {
      doAllKnow = true;
    },
    close() {
      stopping.abort();
      timer?.cancel();
    },
  };
}
