import { Http2ClientConnection } from "../../proxy/http2/client-connection.ts";
import { FieldBlock } from "../../proxy/message/field-block.ts";
import { defaultProxyLimits } from "../../lib/contract/proxy-limits.ts";
import { clientPreface } from "../../proxy/http2/frame-types.ts";
import type { Http2Limits } from "../../proxy/http2/limits.ts";
import { BufferPool } from "../../proxy/http2/output-buffer.ts";
import { Http2ServerConnection } from "../../proxy/http2/server-connection.ts";
import type { Http2Stream } from "../../proxy/http2/stream.ts";
import * as f from "../proxy/http2/frames.ts";
import { damaged } from "../proxy/http2/hpack/random-blocks.ts";
import { randomInput } from "../proxy/http2/random-input.ts";
import { plainHpack, Recorder } from "../proxy/http2/recorder.ts";
import type { Rng } from "../sim/random.ts";

/**
 * One fuzz case for a connection: input made by a grammar, damaged, cut anywhere, and an application that does random things
 * meanwhile. Whatever comes, nothing throws, everything stays inside its bounds, and what is handed out is clean.
 */
const pool = new BufferPool(8192);
const limits: Http2Limits = {
  ...defaultProxyLimits.http2,
  maxConcurrentStreams: 10,
  maxHeaderListBytes: 2000,
  maxFields: 30,
  maxHeaderBlockBytes: 4000,
  maxOutputBytes: 50_000,
  maxUnreadBytes: 200_000,
  streamWindowBytes: 70_000,
};
/** Nothing that one case makes a connection write is larger: what may wait, the answers to its input, and a frame. */
const maxOutput = limits.maxOutputBytes + limits.maxWaitingControlBytes + 200_000;
const blocks = [
  new FieldBlock([":status", "200"]),
  new FieldBlock([":status", "200", "content-length", "3", "x", "y".repeat(300)]),
  new FieldBlock([":status", "103"]),
];
const trailers = new FieldBlock(["x-end", "1"]);
const body = Buffer.alloc(30_000, "b");
const hello = f.hello();
const settings = f.settings();

/** What went wrong, or undefined. */
export function fuzzConnection(rng: Rng): string | undefined {
  const isServer = rng.chance(0.7);
  const input = inputFor(rng, isServer);
  const run = isServer ? new ServerRun(rng) : new ClientRun(rng);
  for (let at = 0; at < input.length; ) {
    const size = rng.between(1, rng.pick([5, 50, 1000, 100_000]));
    run.give(input.subarray(at, at + size));
    at += size;
    const problem = run.act() ?? run.judge();
    if (problem !== undefined) return problem;
  }
  return run.end();
}

function inputFor(rng: Rng, isServer: boolean): Buffer {
  let input: Buffer = Buffer.concat(isServer ? [hello, randomInput(rng)] : [settings, randomAnswers(rng)]);
  if (rng.chance(0.5)) for (let i = rng.between(1, 5); i > 0; i--) input = damaged(rng, input);
  return input;
}

/** What a server might say to requests on the first streams. */
function randomAnswers(rng: Rng): Buffer {
  const frames: Buffer[] = [];
  for (let i = rng.between(1, 40); i > 0; i--) frames.push(randomAnswer(rng, 2 * rng.below(6) + 1));
  return Buffer.concat(frames);
}

function randomAnswer(rng: Rng, streamId: number): Buffer {
  switch (rng.below(6)) {
    case 0:
      return f.headers(streamId, [":status", rng.pick(["200", "103", "204", "101", "2"])], rng.chance(0.4));
    case 1:
      return f.headers(streamId, [":status", "200", "content-length", String(rng.below(20))], rng.chance(0.2));
    case 2:
      return f.headers(streamId, ["grpc-status", "0"], rng.chance(0.9));
    case 3:
      return f.data(streamId, "d".repeat(rng.below(30)), rng.chance(0.3));
    case 4:
      return f.goaway(rng.below(12), rng.below(3));
    default:
      return randomInput(rng, 2);
  }
}

abstract class Run<Connection extends Http2ServerConnection | Http2ClientConnection> {
  abstract readonly connection: Connection;
  readonly recorder = new Recorder();
  readonly rng: Rng;
  #nowMs = 0;

  constructor(rng: Rng) {
    this.rng = rng;
  }

  give(chunk: Buffer): void {
    this.#nowMs += this.rng.below(100);
    this.connection.receive(chunk, this.#nowMs);
  }

  /** The application, the transport or the clock does something. */
  act(): string | undefined {
    const { connection, rng } = this;
    if (rng.chance(0.3)) this.actOnStream();
    if (rng.chance(0.02)) connection.shutdown();
    if (rng.chance(0.02)) connection.ping(rng.below(1000));
    if (rng.chance(0.05)) connection.pauseOutput();
    if (rng.chance(0.1)) connection.resumeOutput();
    if (rng.chance(0.02)) {
      this.#nowMs += rng.below(20_000);
      connection.sweep(this.#nowMs);
    }
    return rng.chance(0.3) ? this.drain() : undefined;
  }

  protected abstract actOnStream(): void;

  judge(): string | undefined {
    const { connection } = this;
    if (connection.openStreams > limits.maxConcurrentStreams) return `${connection.openStreams} streams are open`;
    if (connection.unreadBytes > limits.maxUnreadBytes + 20_000) return `${connection.unreadBytes} bytes are unread`;
    return undefined;
  }

  drain(): string | undefined {
    let total = 0;
    for (let chunk = this.connection.takeOutput(); chunk !== undefined; chunk = this.connection.takeOutput()) {
      f.mustBeFrames(chunk, chunk.toString("latin1", 0, 3) === "PRI" ? clientPreface.length : 0);
      total += chunk.length;
      if (total > maxOutput) return `${total} bytes were written at once`;
      if (this.rng.chance(0.7)) this.connection.releaseOutput();
    }
    return undefined;
  }

  end(): string | undefined {
    this.connection.resumeOutput();
    const problem = this.drain();
    this.connection.close();
    if (this.connection.openStreams > 0) return "streams are open after the end";
    if (this.connection.unreadBytes > 0 && this.connection.openStreams > 0) return "bytes are unread after the end";
    return problem ?? uncleanLine(this.recorder.lines);
  }
}

class ServerRun extends Run<Http2ServerConnection> {
  readonly connection = new Http2ServerConnection({ limits, pool, hpack: plainHpack }, this.recorder);
  readonly #responded = new Set<Http2Stream>();

  constructor(rng: Rng) {
    super(rng);
    this.connection.start();
    this.recorder.onStart = (stream) => {
      if (rng.chance(0.3)) this.#respond(stream);
    };
    this.recorder.onBytes = (stream, count) => {
      if (rng.chance(0.5)) this.connection.consume(stream, rng.below(count + 1));
    };
    this.recorder.onRoom = (stream) => this.#send(stream);
  }

  protected actOnStream(): void {
    const streams = [...this.recorder.streams.values()];
    if (streams.length === 0) return;
    const stream = this.rng.pick(streams);
    if (this.rng.chance(0.1)) this.connection.reset(stream, this.rng.below(20));
    else if (!this.#responded.has(stream)) this.#respond(stream);
    else this.#send(stream);
  }

  #respond(stream: Http2Stream): void {
    const block = this.rng.pick(blocks);
    if (block.get(":status") === "103") {
      this.connection.inform(stream, block);
    } else {
      this.#responded.add(stream);
      this.connection.respond(stream, block, this.rng.chance(0.3));
    }
  }

  #send(stream: Http2Stream): void {
    if (this.rng.chance(0.2)) this.connection.trailers(stream, trailers);
    else this.connection.data(stream, body, 0, this.rng.below(body.length), this.rng.chance(0.2));
  }
}

class ClientRun extends Run<Http2ClientConnection> {
  readonly connection = new Http2ClientConnection({ limits, pool, hpack: plainHpack }, this.recorder);
  readonly #streams: ReturnType<Http2ClientConnection["request"]>[] = [];

  constructor(rng: Rng) {
    super(rng);
    this.connection.start();
    for (let i = rng.between(1, 5); i > 0; i--) this.#request();
  }

  #request(): void {
    if (this.connection.openStreams >= limits.maxConcurrentStreams) return;
    const fields = this.rng.pick([f.getFields, [":method", "HEAD", ...f.getFields.slice(2)], f.postFields]);
    this.#streams.push(this.connection.request(new FieldBlock(fields), this.rng.chance(0.5), this.recorder));
  }

  protected actOnStream(): void {
    const stream = this.#streams[this.rng.below(this.#streams.length)];
    const what = this.rng.below(10);
    if (stream === undefined || what < 2) this.#request();
    else if (what === 2) this.connection.reset(stream, 8);
    else if (what === 3) this.connection.trailers(stream, trailers);
    else this.connection.data(stream, body, 0, this.rng.below(3000), this.rng.chance(0.3));
  }
}

/** Requests that a server hands out must be the same for whoever reads them as HTTP/1.1. */
function uncleanLine(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const rest = /^\d+ request (.*)$/s.exec(line)?.[1];
    if (rest === undefined) continue;
    const request = rest.endsWith(" end") ? rest.slice(0, -4) : rest;
    const isClean =
      /^[\x21-\x7e\x80-\xff\t |]*$/.test(request) && /(?:^|\|):authority\|[^|/@\s]+(?:\||$)/.test(request);
    if (!isClean || /\|(?:host|connection|transfer-encoding|upgrade)\|/.test(request)) {
      return `handed out ${JSON.stringify(request)}`;
    }
  }
  return undefined;
}
