import { Http2ClientConnection } from "../../../proxy/http2/client-connection.ts";
import type { ConnectionEvents } from "../../../proxy/http2/connection-core.ts";
import type { HpackEncoderOptions } from "../../../proxy/http2/hpack/encoder.ts";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import type { Http2Limits } from "../../../proxy/http2/limits.ts";
import { BufferPool } from "../../../proxy/http2/output-buffer.ts";
import { Http2ServerConnection, type ServerEvents } from "../../../proxy/http2/server-connection.ts";
import type { Rng } from "../../sim/random.ts";

export interface PairOptions {
  readonly limits?: Partial<Http2Limits>;
  readonly hpack?: HpackEncoderOptions;
}

const pool = new BufferPool();

/** A client and a server of ours, joined by a pipe that delivers when it is told to. */
export class Pair {
  readonly client: Http2ClientConnection;
  readonly server: Http2ServerConnection;
  #toServer: Buffer = Buffer.alloc(0);
  #toClient: Buffer = Buffer.alloc(0);
  nowMs = 0;

  constructor(options: PairOptions, clientEvents: ConnectionEvents, serverEvents: ServerEvents) {
    const common = {
      limits: { ...defaultProxyLimits.http2, ...options.limits },
      pool,
      hpack: options.hpack ?? { tableBytes: 4096, usesHuffman: true },
    };
    this.client = new Http2ClientConnection(common, clientEvents);
    this.server = new Http2ServerConnection(common, serverEvents);
    this.client.start();
    this.server.start();
  }

  /** Moves a random piece in a random direction; false when nothing is on its way. */
  step(rng: Rng): boolean {
    this.#collect();
    const canUp = this.#toServer.length > 0;
    const canDown = this.#toClient.length > 0;
    if (!canUp && !canDown) return false;
    if (canUp && (!canDown || rng.chance(0.5))) {
      const size = pieceOf(rng, this.#toServer.length);
      const chunk = Buffer.from(this.#toServer.subarray(0, size));
      this.#toServer = this.#toServer.subarray(size);
      this.server.receive(chunk, this.nowMs);
    } else {
      const size = pieceOf(rng, this.#toClient.length);
      const chunk = Buffer.from(this.#toClient.subarray(0, size));
      this.#toClient = this.#toClient.subarray(size);
      this.client.receive(chunk, this.nowMs);
    }
    return true;
  }

  /** Delivers everything, in whole chunks, until both sides are silent. */
  settle(): void {
    for (;;) {
      const up = this.client.takeOutput();
      if (up !== undefined) {
        this.server.receive(up, this.nowMs);
        this.client.releaseOutput();
      }
      const down = this.server.takeOutput();
      if (down !== undefined) {
        this.client.receive(down, this.nowMs);
        this.server.releaseOutput();
      }
      if (up === undefined && down === undefined) return;
    }
  }

  #collect(): void {
    const up = this.client.takeOutput();
    if (up !== undefined) this.#toServer = Buffer.concat([this.#toServer, up]);
    this.client.releaseOutput();
    const down = this.server.takeOutput();
    if (down !== undefined) this.#toClient = Buffer.concat([this.#toClient, down]);
    this.server.releaseOutput();
  }
}

/** Mostly small pieces, since frames are cut in them, and sometimes everything. */
function pieceOf(rng: Rng, length: number): number {
  if (rng.chance(0.3)) return length;
  return Math.min(length, rng.between(1, rng.pick([1, 9, 20, 300, 20_000])));
}
