import type { Http2Connection } from "../../../proxy/http2/connection.ts";
import type { ResponseHandler } from "../../../proxy/http2/client-connection.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import type { RequestHead } from "../../../proxy/message/request-head.ts";
import type { ServerEvents } from "../../../proxy/http2/server-connection.ts";
import type { Http2Stream, StreamHandler, StreamReset } from "../../../proxy/http2/stream.ts";
import type { Rng } from "../../sim/random.ts";
import { Pair, type PairOptions } from "./pipe.ts";

/**
 * Requests with bodies and trailers between two of our connections, in random order: slow readers and writers, early
 * answers, resets from both sides. What arrives is compared with what was sent.
 */
export interface Message {
  readonly size: number;
  /** Byte i of the body is (i * factor) & 0xff. */
  readonly factor: number;
  readonly hasTrailers: boolean;
}

const trailers = new FieldBlock(["x-end", "yes"]);

export function randomMessage(rng: Rng, maxBody: number): Message {
  const size = rng.pick([0, 1, 100, rng.below(20_000), rng.below(maxBody)]);
  return { size, factor: 2 * rng.below(128) + 1, hasTrailers: rng.chance(0.3) };
}

function bodyOf({ size, factor }: Message): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, i) => (i * factor) & 0xff));
}

/** Sends one message in pieces, when it is told to and as windows allow. */
class Writer {
  readonly #message: Message;
  readonly #body: Buffer;
  #at = 0;
  isDone = false;

  constructor(message: Message) {
    this.#message = message;
    this.#body = bodyOf(message);
  }

  write<Handler extends StreamHandler>(
    connection: Http2Connection<Handler>,
    stream: Http2Stream<Handler>,
    size: number,
  ): void {
    if (this.isDone) return;
    const end = Math.min(this.#at + size, this.#body.length);
    const isLast = end === this.#body.length;
    const taken = connection.data(stream, this.#body, this.#at, end, isLast && !this.#message.hasTrailers);
    this.#at += taken;
    if (!isLast || this.#at < end) return;
    this.isDone = true;
    if (this.#message.hasTrailers) connection.trailers(stream, trailers);
  }
}

/** Receives one message and gives windows back in portions. */
class Reader {
  readonly chunks: Buffer[] = [];
  unconsumed = 0;
  isDone = false;
  hasTrailers = false;

  take(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.chunks.push(Buffer.from(bytes.subarray(start, end)));
    this.unconsumed += end - start;
    this.isDone = isEnd;
  }

  matches(message: Message): boolean {
    return (
      this.isDone && this.hasTrailers === message.hasTrailers && Buffer.concat(this.chunks).equals(bodyOf(message))
    );
  }
}

/** One side of a stream: what it sends, what it has received, and whether it was cut short. */
class Side<Handler extends StreamHandler> implements StreamHandler {
  readonly connection: Http2Connection<Handler>;
  readonly stream: Http2Stream<Handler>;
  readonly reader = new Reader();
  readonly writer: Writer;
  reset: StreamReset | undefined;
  hasGivenUp = false;

  constructor(connection: Http2Connection<Handler>, stream: Http2Stream<Handler>, message: Message) {
    this.connection = connection;
    this.stream = stream;
    this.writer = new Writer(message);
  }

  onData(_stream: Http2Stream, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.reader.take(bytes, start, end, isEnd);
  }

  onTrailers(_stream: Http2Stream, block: FieldBlock): void {
    this.reader.hasTrailers = block.get("x-end") === "yes";
    this.reader.isDone = true;
  }

  onReset(_stream: Http2Stream, reset: StreamReset): void {
    this.reset = reset;
  }

  onWritable(): void {
    this.writer.write(this.connection, this.stream, 5000);
  }

  /** A random thing that this side may do now. */
  act(rng: Rng, resetChance: number): void {
    if (rng.chance(resetChance)) {
      this.hasGivenUp = true;
      this.connection.reset(this.stream, 8);
    } else if (rng.chance(0.5)) {
      this.writer.write(this.connection, this.stream, rng.pick([1, 1000, 30_000]));
    } else {
      const count = rng.between(0, this.reader.unconsumed);
      this.reader.unconsumed -= count;
      this.connection.consume(this.stream, count);
    }
  }
}

interface Exchange {
  readonly request: Message;
  readonly response: Message;
  client: Side<ResponseHandler> | undefined;
  server: Side<StreamHandler> | undefined;
  hasResponseHead: boolean;
}

export interface WorldOptions extends PairOptions {
  readonly requests: number;
  readonly maxBody: number;
  readonly resetChance: number;
}

export class ExchangeWorld implements ServerEvents {
  readonly pair: Pair;
  readonly exchanges: Exchange[];
  readonly problems: string[] = [];
  readonly #rng: Rng;
  readonly #options: WorldOptions;
  #next = 0;

  constructor(rng: Rng, options: WorldOptions) {
    this.#rng = rng;
    this.#options = options;
    this.pair = new Pair(options, this, this);
    this.exchanges = Array.from({ length: options.requests }, () => ({
      request: randomMessage(rng, options.maxBody),
      response: randomMessage(rng, options.maxBody),
      client: undefined,
      server: undefined,
      hasResponseHead: false,
    }));
  }

  /** Random steps until all is quiet; returns what is wrong at the end. */
  run(maxSteps: number): string[] {
    for (let step = 0; step < maxSteps; step++) {
      const isMoving = this.#step();
      if (!isMoving && this.#next === this.exchanges.length && this.#isQuiet()) break;
    }
    for (const [i, exchange] of this.exchanges.entries()) this.#judge(i, exchange);
    const { client, server } = this.pair;
    if (client.openStreams + server.openStreams > 0) this.problems.push("streams were left open");
    if (client.unreadBytes + server.unreadBytes > 0) this.problems.push("bytes were left unread");
    return this.problems;
  }

  #step(): boolean {
    const rng = this.#rng;
    if (this.#next < this.exchanges.length && rng.chance(0.1)) this.#start(this.#next);
    for (let i = rng.below(4); i > 0; i--) {
      const exchange = this.exchanges[rng.below(Math.max(1, this.#next))];
      const side = rng.chance(0.5) ? exchange?.client : exchange?.server;
      side?.act(rng, this.#options.resetChance);
    }
    return this.pair.step(rng);
  }

  #start(index: number): void {
    const exchange = this.exchanges[index];
    if (exchange === undefined || this.pair.client.freeStreams === 0) return;
    // Before the server's SETTINGS have come a client may open too many streams, and have them refused.
    const allowed = this.#options.limits?.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
    if (this.pair.client.openStreams >= allowed) return;
    const fields = [":method", "POST", ":scheme", "http", ":authority", "web", ":path", `/${index}`];
    if (!exchange.request.hasTrailers) fields.push("content-length", String(exchange.request.size));
    const handler = this.#clientHandler(exchange);
    const stream = this.pair.client.request(new FieldBlock(fields), false, handler);
    if (stream === undefined) return;
    exchange.client = new Side(this.pair.client, stream, exchange.request);
    this.#next++;
  }

  #clientHandler(exchange: Exchange): ResponseHandler {
    return {
      onInformational: () => undefined,
      onResponse(_stream, head, isEnd) {
        exchange.hasResponseHead = head.status === 200 && !isEnd;
      },
      onData: (stream, bytes, start, end, isEnd) => exchange.client?.onData(stream, bytes, start, end, isEnd),
      onTrailers: (stream, block) => exchange.client?.onTrailers(stream, block),
      onReset: (stream, reset) => exchange.client?.onReset(stream, reset),
      onWritable: () => exchange.client?.onWritable(),
    };
  }

  onRequest(stream: Http2Stream, head: RequestHead): StreamHandler {
    const exchange = this.exchanges[Number(head.path.slice(1))];
    if (exchange === undefined) throw new Error(`nobody asked for ${head.path}`);
    exchange.server = new Side(this.pair.server, stream, exchange.response);
    this.pair.server.respond(stream, new FieldBlock([":status", "200"]), false);
    return exchange.server;
  }

  #isQuiet(): boolean {
    return this.exchanges.every(({ client, server }) =>
      [client, server].every(
        (side) =>
          side === undefined ||
          side.reset !== undefined ||
          side.hasGivenUp ||
          (side.writer.isDone && side.reader.isDone && side.reader.unconsumed === 0),
      ),
    );
  }

  #judge(index: number, { request, response, client, server, hasResponseHead }: Exchange): void {
    const isCut = [client, server].some((side) => side?.hasGivenUp === true);
    if (isCut) return;
    if (server?.reader.matches(request) !== true) this.problems.push(`request ${index} did not arrive as it was sent`);
    if (!hasResponseHead || client?.reader.matches(response) !== true) {
      this.problems.push(`response ${index} did not arrive as it was sent`);
    }
  }

  onOutput(): void {}
  onGoaway(): void {}
  onPingAnswer(): void {}
  onFailed(code: number, problem: string): void {
    this.problems.push(`connection failed: ${code} ${problem}`);
  }
  onStreamProblem(streamId: number, problem: string): void {
    this.problems.push(`stream ${streamId}: ${problem}`);
  }
}
