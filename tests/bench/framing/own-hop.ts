import type { Connection, ConnectionHandler } from "../../../proxy/transport/transport.ts";
import { requestFields, responseFields, type HopClient, type HopOptions } from "./hop.ts";
import { FrameReader, type FrameReceiver, FrameWriter, streamWindowBytes } from "./own-frames.ts";

/** What one turn may write before the connection has taken it. */
const maxWaitingBytes = 256 * 1024;

/** A connection that writes once per turn of the loop. */
abstract class OwnEnd implements ConnectionHandler, FrameReceiver {
  protected readonly writer = new FrameWriter();
  readonly #reader = new FrameReader(this);
  readonly #connection: Connection;
  readonly #options: HopOptions;
  #isAnnounced = false;

  constructor(options: HopOptions) {
    this.#options = options;
    this.#connection = options.connection;
    this.#connection.handler = this;
  }

  get isBlocked(): boolean {
    return this.#connection.isBlocked || this.writer.length > maxWaitingBytes;
  }

  bodyOf(path: string): Buffer {
    return this.#options.bodyOf(path);
  }

  announce(): void {
    if (this.#isAnnounced || this.#connection.isBlocked) return;
    this.#isAnnounced = true;
    this.#options.turn.add(this);
  }

  flush(): void {
    this.#isAnnounced = false;
    this.fill();
    if (this.writer.length > 0) this.#connection.write(Buffer.from(this.writer.take()));
  }

  onData(chunk: Buffer): void;
  onData(stream: number, bytes: Buffer, start: number, end: number, isEnd: boolean): void;
  onData(first: Buffer | number, bytes?: Buffer, start = 0, end = 0, isEnd = false): void {
    if (typeof first !== "number") this.#reader.read(first);
    else if (bytes !== undefined) this.onBody(first, bytes, start, end, isEnd);
  }

  onDrain(): void {
    this.announce();
  }

  onEnd(): void {
    this.#connection.end();
  }

  onClose(): void {}

  onReset(): void {
    throw new Error("nobody resets a stream here");
  }

  /** Adds what waits for room, before a flush. */
  protected abstract fill(): void;
  protected abstract onBody(stream: number, bytes: Buffer, start: number, end: number, isEnd: boolean): void;
  abstract onHead(stream: number, fields: readonly string[], isEnd: boolean): void;
  abstract onCredit(stream: number, bytes: number): void;
}

interface Waiting {
  readonly onDone: () => void;
  unread: number;
}

export class OwnClient extends OwnEnd implements HopClient {
  readonly #waiting = new Map<number, Waiting>();
  readonly #heads = new Map<string, string[]>();
  #next = 1;

  request(path: string, onDone: () => void): void {
    const fields = this.#heads.get(path) ?? requestFields(path);
    this.#heads.set(path, fields);
    const stream = this.#next++;
    this.#waiting.set(stream, { onDone, unread: 0 });
    this.writer.head(stream, fields, true);
    this.announce();
  }

  onHead(): void {}

  protected onBody(stream: number, _bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    const waiting = this.#waiting.get(stream);
    if (waiting === undefined) throw new Error(`data for stream ${stream}, which is not open`);
    waiting.unread += end - start;
    if (isEnd) {
      this.#waiting.delete(stream);
      waiting.onDone();
    } else if (waiting.unread >= streamWindowBytes / 2) {
      this.writer.credit(stream, waiting.unread);
      waiting.unread = 0;
      this.announce();
    }
  }

  onCredit(): void {}

  protected fill(): void {}
}

interface Answer {
  readonly stream: number;
  readonly body: Buffer;
  at: number;
  credit: number;
}

const maxDataBytes = 16 * 1024;

export class OwnServer extends OwnEnd {
  readonly #answers = new Map<number, Answer>();
  readonly #heads = new Map<number, string[]>();

  onHead(stream: number, fields: readonly string[]): void {
    const body = this.bodyOf(fields[7] ?? "");
    const head = this.#heads.get(body.length) ?? responseFields(body.length);
    this.#heads.set(body.length, head);
    this.writer.head(stream, head, false);
    const answer = { stream, body, at: 0, credit: streamWindowBytes };
    if (!this.#send(answer)) this.#answers.set(stream, answer);
    this.announce();
  }

  onCredit(stream: number, bytes: number): void {
    const answer = this.#answers.get(stream);
    if (answer === undefined) return;
    answer.credit += bytes;
    this.announce();
  }

  protected onBody(): void {
    throw new Error("requests have no body here");
  }

  protected fill(): void {
    for (const answer of this.#answers.values()) {
      if (this.isBlocked) return;
      if (this.#send(answer)) this.#answers.delete(answer.stream);
    }
  }

  /** Returns whether everything has been written. */
  #send(answer: Answer): boolean {
    const { body, stream } = answer;
    while (answer.at < body.length && answer.credit > 0 && !this.isBlocked) {
      const end = answer.at + Math.min(maxDataBytes, answer.credit, body.length - answer.at);
      this.writer.data(stream, body, answer.at, end, end === body.length);
      answer.credit -= end - answer.at;
      answer.at = end;
    }
    return answer.at === body.length;
  }
}
