import { OpenStreams } from "./open-streams.ts";
import type { Http2Stream, StreamHandler } from "./stream.ts";

/** How a stream closed; `unknown`: too long ago to remember, or never opened. */
export type Closing = "unknown" | "ended" | "reset-by-us" | "reset-by-peer";
const closings: readonly Closing[] = ["unknown", "ended", "reset-by-us", "reset-by-peer"];

/** A power of two: so many streams back we know how one closed. */
const remembered = 256;

/**
 * The streams of a connection: those open, and how the last ones closed, since a frame for a closed stream is an error, a
 * late one to be ignored or another error depending on that (RFC 9113 section 5.1).
 */
export class StreamTable<Handler extends StreamHandler> {
  readonly open = new OpenStreams<Http2Stream<Handler>>();
  /** The highest stream id of either side that was opened: odd ones are the client's. */
  lastId = 0;
  #closedIds: Int32Array | undefined;
  #closings: Uint8Array | undefined;

  remove(stream: Http2Stream<Handler>, closing: Closing): void {
    stream.isGone = true;
    this.open.delete(stream.id);
    this.remember(stream.id, closing);
  }

  remember(id: number, closing: Closing): void {
    this.#closedIds ??= new Int32Array(remembered);
    this.#closings ??= new Uint8Array(remembered);
    const slot = (id >>> 1) & (remembered - 1);
    this.#closedIds[slot] = id;
    this.#closings[slot] = closings.indexOf(closing);
  }

  howClosed(id: number): Closing {
    const slot = (id >>> 1) & (remembered - 1);
    if (this.#closedIds?.[slot] !== id) return "unknown";
    return closings[this.#closings?.[slot] ?? 0] ?? "unknown";
  }
}
