import { type ResponseHandler, Http2ClientConnection } from "../../../proxy/http2/client-connection.ts";
import type { ConnectionEvents } from "../../../proxy/http2/connection-core.ts";
import type { FieldBlock } from "../../../proxy/message/field-block.ts";
import { FrameType } from "../../../proxy/http2/frame-types.ts";
import type { HpackEncoderOptions } from "../../../proxy/http2/hpack/encoder.ts";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import type { Http2Limits } from "../../../proxy/http2/limits.ts";
import { BufferPool } from "../../../proxy/http2/output-buffer.ts";
import type { RequestHead } from "../../../proxy/message/request-head.ts";
import type { ResponseHead } from "../../../proxy/message/response-head.ts";
import { Http2ServerConnection, type ServerEvents } from "../../../proxy/http2/server-connection.ts";
import type { Http2Stream, StreamHandler, StreamReset } from "../../../proxy/http2/stream.ts";
import { framesIn, hello, type SentFrame, settings, settingsAck } from "./frames.ts";

export const pool = new BufferPool(4096);
export const plainHpack: HpackEncoderOptions = { tableBytes: 0, usesHuffman: false };

/** Writes down every event as a line; pieces of data that follow each other on a stream are one line. */
export class Recorder implements ServerEvents, ResponseHandler {
  readonly lines: string[] = [];
  readonly streams = new Map<number, Http2Stream>();
  /** Called for each event with data, after it has been written down. */
  onBytes: (stream: Http2Stream, count: number) => void = () => undefined;
  onStart: (stream: Http2Stream) => void = () => undefined;
  onRoom: (stream: Http2Stream) => void = () => undefined;
  #dataOf = 0;

  /** The lines since the last time; data that follows begins a new one. */
  take(): string[] {
    this.#dataOf = 0;
    return this.lines.splice(0);
  }

  #add(line: string): void {
    this.#dataOf = 0;
    this.lines.push(line);
  }

  onRequest(stream: Http2Stream, head: RequestHead, isEnd: boolean): StreamHandler {
    this.streams.set(stream.id, stream);
    this.#add(`${stream.id} request ${head.block.fields.join("|")}${isEnd ? " end" : ""}`);
    this.onStart(stream);
    return this;
  }

  onInformational(stream: Http2Stream<ResponseHandler>, head: ResponseHead): void {
    this.#add(`${stream.id} informational ${head.status}`);
  }

  onResponse(stream: Http2Stream<ResponseHandler>, head: ResponseHead, isEnd: boolean): void {
    this.#add(`${stream.id} response ${head.block.fields.join("|")}${isEnd ? " end" : ""}`);
  }

  onData(stream: Http2Stream, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    if (this.#dataOf !== stream.id) this.#add(`${stream.id} data `);
    this.#dataOf = isEnd ? 0 : stream.id;
    const last = this.lines.length - 1;
    this.lines[last] += bytes.toString("latin1", start, end) + (isEnd ? " end" : "");
    this.onBytes(stream, end - start);
  }

  onTrailers(stream: Http2Stream, trailers: FieldBlock): void {
    this.#add(`${stream.id} trailers ${trailers.fields.join("|")}`);
  }

  onReset(stream: Http2Stream, reset: StreamReset): void {
    this.#add(`${stream.id} reset ${reset.code} by ${reset.origin}${reset.isUnprocessed ? ", unprocessed" : ""}`);
  }

  onWritable(stream: Http2Stream): void {
    this.onRoom(stream);
  }

  onOutput(): void {}

  onFailed(code: number, problem: string): void {
    this.#add(`failed ${code} ${problem}`);
  }

  onGoaway(lastStreamId: number, code: number): void {
    this.#add(`goaway ${lastStreamId} ${code}`);
  }

  onPingAnswer(id: number): void {
    this.#add(`ping ${id}`);
  }

  onStreamProblem(streamId: number, problem: string): void {
    this.#add(`${streamId} problem ${problem}`);
  }
}

export interface Bench<Connection> {
  readonly connection: Connection;
  readonly recorder: Recorder;
  /** Bytes from the peer. */
  give(...chunks: readonly Buffer[]): void;
  /** Frames written since the last time. */
  sent(): SentFrame[];
  nowMs: number;
}

/** A server that has had its preface, or that waits for it with `isFresh`. */
export function createServer(limits: Partial<Http2Limits> = {}, isFresh = false): Bench<Http2ServerConnection> {
  const recorder = new Recorder();
  const options = { limits: { ...defaultProxyLimits.http2, ...limits }, pool, hpack: plainHpack };
  const connection = new Http2ServerConnection(options, recorder);
  connection.start();
  const bench = createBench(connection, recorder);
  if (!isFresh) {
    bench.give(hello(), settingsAck());
    bench.sent();
  }
  return bench;
}

export function createClient(limits: Partial<Http2Limits> = {}): Bench<Http2ClientConnection> {
  const recorder = new Recorder();
  const events: ConnectionEvents = recorder;
  const options = { limits: { ...defaultProxyLimits.http2, ...limits }, pool, hpack: plainHpack };
  const connection = new Http2ClientConnection(options, events);
  connection.start();
  connection.takeOutput();
  const bench = createBench(connection, recorder);
  bench.give(settings(), settingsAck());
  bench.sent();
  return bench;
}

function createBench<Connection extends Http2ServerConnection | Http2ClientConnection>(
  connection: Connection,
  recorder: Recorder,
): Bench<Connection> {
  const bench = {
    connection,
    recorder,
    nowMs: 0,
    give: (...chunks: readonly Buffer[]) => {
      for (const chunk of chunks) connection.receive(chunk, bench.nowMs);
    },
    sent: () => {
      const chunks: Buffer[] = [];
      for (let chunk = connection.takeOutput(); chunk !== undefined; chunk = connection.takeOutput()) {
        chunks.push(Buffer.from(chunk));
        connection.releaseOutput();
      }
      return framesIn(Buffer.concat(chunks));
    },
  };
  return bench;
}

/** RST_STREAM and GOAWAY frames as `stream:code`; GOAWAY has stream 0. */
export function errorsIn(frames: readonly SentFrame[]): string[] {
  return frames.flatMap(({ type, streamId, payload }) => {
    if (type === FrameType.rstStream) return [`${streamId}:${payload.readUInt32BE(0)}`];
    return type === FrameType.goaway ? [`0:${payload.readUInt32BE(4)}`] : [];
  });
}
