import { connect, type TLSSocket } from "node:tls";
import { defaultProxyLimits } from "../../lib/contract/proxy-limits.ts";
import { Http2ClientConnection } from "../../proxy/http2/client-connection.ts";
import type { Http2Stream } from "../../proxy/http2/stream.ts";
import { FieldBlock } from "../../proxy/message/field-block.ts";
import type { TestLeaf } from "../fakes/certificates.ts";
import { plainHpack, pool, Recorder } from "../proxy/http2/recorder.ts";

/** Callers over mutual TLS that write whatever they are told, one request after another; a connection that ends is replaced. */
export interface MeshRequest {
  readonly method: string;
  readonly target: string;
  /** Names and values, alternating. */
  readonly fields: readonly string[];
}

/** `status` is 0 when there was no response. */
export interface MeshAnswer {
  readonly status: number;
  readonly body: string;
}

export interface MeshCaller {
  ask(request: MeshRequest): Promise<MeshAnswer>;
  close(): void;
}

interface Target {
  readonly port: number;
  readonly leaf: TestLeaf;
}

const nothing: MeshAnswer = { status: 0, body: "" };

function dial({ port, leaf }: Target, alpn: string): TLSSocket {
  const { certPem: cert, keyPem: key, caPem: ca } = leaf;
  const socket = connect({ host: "127.0.0.1", port, ca, cert, key, servername: "api", ALPNProtocols: [alpn] });
  socket.on("error", () => undefined);
  return socket;
}

export function http1Caller(target: Target): MeshCaller {
  let socket: TLSSocket | undefined;
  let received = "";
  let onChange: () => void = () => undefined;
  const open = (): TLSSocket => {
    const opened = dial(target, "http/1.1");
    received = "";
    opened.on("data", (chunk) => {
      received += chunk.toString("latin1");
      onChange();
    });
    opened.on("close", () => {
      if (socket === opened) socket = undefined;
      onChange();
    });
    return opened;
  };
  return {
    ask: ({ method, target: path, fields }) =>
      new Promise((resolve) => {
        const used = socket ?? open();
        socket = used;
        received = "";
        onChange = () => {
          const [head = "", length] =
            /^HTTP\/1\.1 \d+[\s\S]*?content-length: (\d+)[\s\S]*?\r\n\r\n/.exec(received) ?? [];
          const isWhole = head !== "" && received.length >= head.length + Number(length);
          if (!isWhole && socket === used) return;
          onChange = () => undefined;
          if (/connection: close/i.test(head)) {
            socket = undefined;
            used.destroy();
          }
          resolve(isWhole ? { status: Number(head.slice(9, 12)), body: received.slice(head.length) } : nothing);
        };
        let text = `${method} ${path} HTTP/1.1\r\nHost: api\r\n`;
        for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
        used.write(Buffer.from(`${text}\r\n`, "latin1"));
      }),
    close: () => socket?.destroy(),
  };
}

export function http2Caller(target: Target): MeshCaller {
  const options = { limits: defaultProxyLimits.http2, pool, hpack: plainHpack };
  let current: { socket: TLSSocket; http2: Http2ClientConnection; recorder: Recorder; flush: () => void } | undefined;
  let onChange: () => void = () => undefined;
  const open = () => {
    const socket = dial(target, "h2");
    const recorder = new Recorder();
    const http2 = new Http2ClientConnection(options, recorder);
    const flush = (): void => {
      for (let chunk = http2.takeOutput(); chunk !== undefined; chunk = http2.takeOutput()) {
        socket.write(Buffer.from(chunk));
        http2.releaseOutput();
      }
    };
    const opened = { socket, http2, recorder, flush };
    const consumer: { consume(stream: Http2Stream, count: number): void } = http2;
    recorder.onBytes = (stream, count) => consumer.consume(stream, count);
    socket.on("data", (chunk) => {
      http2.receive(Buffer.from(chunk), 0);
      flush();
      onChange();
    });
    socket.on("close", () => {
      http2.close();
      if (current === opened) current = undefined;
      onChange();
    });
    http2.start();
    return opened;
  };
  return {
    ask: ({ method, target: path, fields }) =>
      new Promise((resolve) => {
        if (current !== undefined && current.http2.freeStreams === 0) {
          current.socket.destroy();
          current = undefined;
        }
        const used = current ?? open();
        current = used;
        used.recorder.take();
        onChange = () => {
          const text = used.recorder.lines.join("\n");
          const isOver = / end$| reset |failed /m.test(text) || current !== used;
          if (!isOver) return;
          onChange = () => undefined;
          const status = Number(/ response :status\|(\d+)/.exec(text)?.[1] ?? 0);
          const body = /^\d+ data ([\s\S]*) end$/m.exec(text)?.[1] ?? "";
          resolve({ status, body });
        };
        const pseudo = [":method", method, ":scheme", "http", ":authority", "api", ":path", path];
        const stream = used.http2.request(new FieldBlock([...pseudo, ...fields]), true, used.recorder);
        if (stream === undefined) {
          onChange = () => undefined;
          resolve(nothing);
          return;
        }
        used.flush();
      }),
    close: () => current?.socket.destroy(),
  };
}
