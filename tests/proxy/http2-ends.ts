import { Http2ClientConnection, type ResponseHandler } from "../../proxy/http2/client-connection.ts";
import type { Http2Connection } from "../../proxy/http2/connection.ts";
import { defaultProxyLimits } from "../../lib/contract/proxy-limits.ts";
import { Http2ServerConnection } from "../../proxy/http2/server-connection.ts";
import type { Http2Stream, StreamHandler } from "../../proxy/http2/stream.ts";
import { FieldBlock } from "../../proxy/message/field-block.ts";
import type { MemoryConnection } from "../../proxy/transport/memory.ts";
import { MemoryMesh, type MemoryMeshOptions } from "./memory-mesh.ts";
import { plainHpack, pool, Recorder } from "./http2/recorder.ts";

/** The two ends of a mesh that speak HTTP/2: what they get is written down by a recorder, a line per event. */
const options = { limits: defaultProxyLimits.http2, pool, hpack: plainHpack };

function attach<Handler extends StreamHandler>(connection: MemoryConnection, http2: Http2Connection<Handler>) {
  const flush = (): void => {
    for (let chunk = http2.takeOutput(); chunk !== undefined; chunk = http2.takeOutput()) {
      connection.write(Buffer.from(chunk));
      http2.releaseOutput();
    }
  };
  connection.handler = {
    onData: (chunk) => {
      http2.receive(chunk, 0);
      flush();
    },
    onDrain: () => undefined,
    onEnd: () => undefined,
    onClose: () => http2.close(),
  };
  return flush;
}

/** What both ends need of a mesh. */
export type MeshNetwork = Pick<MemoryMesh, "dial" | "settle">;

export class Http2Client {
  readonly recorder = new Recorder();
  /** Bytes are given back at once, so that windows stay open. */
  isReading = true;
  readonly http2: Http2ClientConnection;
  readonly #mesh: MeshNetwork;
  readonly #flush: () => void;

  constructor(mesh: MeshNetwork, port?: number) {
    this.#mesh = mesh;
    this.http2 = new Http2ClientConnection(options, this.recorder);
    const consumer: { consume(stream: Http2Stream, count: number): void } = this.http2;
    this.recorder.onBytes = (stream, count) => {
      if (this.isReading) consumer.consume(stream, count);
    };
    this.#flush = attach(mesh.dial(port), this.http2);
    this.http2.start();
    this.settle();
  }

  /** `fields` behind the pseudo-header fields. */
  request(
    start: string,
    fields: readonly string[] = [],
    { isEnd = true, authority = "api" } = {},
  ): Http2Stream<ResponseHandler> {
    const [method = "", path = ""] = start.split(" ");
    return this.send([":method", method, ":scheme", "http", ":authority", authority, ":path", path, ...fields], isEnd);
  }

  send(fields: readonly string[], isEnd: boolean): Http2Stream<ResponseHandler> {
    const stream = this.http2.request(new FieldBlock(fields), isEnd, this.recorder);
    if (stream === undefined) throw new Error("the proxy takes no more requests");
    this.settle();
    return stream;
  }

  data(stream: Http2Stream<ResponseHandler>, text: string | Buffer, isEnd: boolean): void {
    const bytes = Buffer.isBuffer(text) ? text : Buffer.from(text, "latin1");
    this.http2.data(stream, bytes, 0, bytes.length, isEnd);
    this.settle();
  }

  trailers(stream: Http2Stream<ResponseHandler>, fields: readonly string[]): void {
    this.http2.trailers(stream, new FieldBlock(fields));
    this.settle();
  }

  reset(stream: Http2Stream<ResponseHandler>, code: number): void {
    this.http2.reset(stream, code);
    this.settle();
  }

  settle(): void {
    this.#flush();
    this.#mesh.settle();
  }

  /** Events since the last time. */
  take(): string[] {
    return this.recorder.take();
  }
}

/** A server behind the callee's proxy; one for all its connections. */
export class Http2App {
  recorder = new Recorder();
  #http2: Http2ServerConnection | undefined;
  #flush: () => void = () => undefined;

  readonly accept = (connection: MemoryConnection): void => {
    const http2 = new Http2ServerConnection(options, this.recorder);
    this.recorder.onBytes = (stream, count) => http2.consume(stream, count);
    this.#http2 = http2;
    this.#flush = attach(connection, http2);
    http2.start();
    this.#flush();
  };

  respond(mesh: MeshNetwork, streamId: number, fields: readonly string[], isEnd = false): void {
    this.#on(mesh, streamId, (http2, stream) => http2.respond(stream, new FieldBlock(fields), isEnd));
  }

  data(mesh: MeshNetwork, streamId: number, text: string | Buffer, isEnd = false): void {
    const bytes = Buffer.isBuffer(text) ? text : Buffer.from(text, "latin1");
    this.#on(mesh, streamId, (http2, stream) => http2.data(stream, bytes, 0, bytes.length, isEnd));
  }

  /** Sends as the peer takes it, then calls `then`. Returns how many bytes have been taken so far. */
  sendAll(
    mesh: MeshNetwork,
    streamId: number,
    bytes: Buffer,
    then: (http2: Http2ServerConnection, stream: Http2Stream) => void,
  ): () => number {
    let sent = 0;
    this.#on(mesh, streamId, (http2, stream) => {
      const go = (): void => {
        if (sent === bytes.length) return;
        sent += http2.data(stream, bytes, sent, bytes.length, false);
        if (sent === bytes.length) then(http2, stream);
      };
      this.recorder.onRoom = go;
      go();
    });
    return () => sent;
  }

  inform(mesh: MeshNetwork, streamId: number, fields: readonly string[]): void {
    this.#on(mesh, streamId, (http2, stream) => http2.inform(stream, new FieldBlock(fields)));
  }

  trailers(mesh: MeshNetwork, streamId: number, fields: readonly string[]): void {
    this.#on(mesh, streamId, (http2, stream) => http2.trailers(stream, new FieldBlock(fields)));
  }

  reset(mesh: MeshNetwork, streamId: number, code: number): void {
    this.#on(mesh, streamId, (http2, stream) => http2.reset(stream, code));
  }

  take(): string[] {
    return this.recorder.take();
  }

  #on(mesh: MeshNetwork, streamId: number, act: (http2: Http2ServerConnection, stream: Http2Stream) => unknown): void {
    const stream = this.recorder.streams.get(streamId);
    if (this.#http2 === undefined || stream === undefined) throw new Error(`no request ${streamId} has come`);
    act(this.#http2, stream);
    this.#flush();
    mesh.settle();
  }
}

export interface Http2Mesh {
  readonly mesh: MemoryMesh;
  readonly app: Http2App;
}

/** A mesh whose app speaks HTTP/2. */
export function http2Mesh(
  protocol: "http2" | "grpc",
  more: Omit<MemoryMeshOptions, "protocol" | "onApp"> = {},
): Http2Mesh {
  const app = new Http2App();
  return { mesh: new MemoryMesh({ ...more, protocol, onApp: app.accept }), app };
}
