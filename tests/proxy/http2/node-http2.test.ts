import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { join } from "node:path";
import { Http2ClientConnection, type ResponseHandler } from "../../../proxy/http2/client-connection.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import type { HpackEncoderOptions } from "../../../proxy/http2/hpack/encoder.ts";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import type { ResponseHead } from "../../../proxy/message/response-head.ts";
import type { Http2Stream } from "../../../proxy/http2/stream.ts";
import { createRng, type Rng } from "../../sim/random.ts";
import { pool, Recorder } from "./recorder.ts";
import { testSeed } from "./test-seed.ts";
import { startTestServer } from "./test-server.ts";

/** Against nghttp2 as Node.js has it, in a process of its own: HPACK with dynamic table and Huffman code, both ways. */
const node = Bun.which("node");
const script = join(import.meta.dir, "node-peer.mjs");
const plain: HpackEncoderOptions = { tableBytes: 0, usesHuffman: false };
const indexing: HpackEncoderOptions = { tableBytes: 4096, usesHuffman: true };

/** One request to Node's server: what was sent, and what it says it got. */
class Call implements ResponseHandler {
  readonly fields: readonly string[];
  readonly body: Buffer;
  readonly #connection: Http2ClientConnection;
  readonly #onDone: () => void;
  head: readonly string[] = [];
  trailers: readonly string[] = [];
  answer = "";
  stream: Http2Stream<ResponseHandler> | undefined;

  constructor(connection: Http2ClientConnection, fields: readonly string[], body: Buffer, onDone: () => void) {
    this.#connection = connection;
    this.fields = fields;
    this.body = body;
    this.#onDone = onDone;
  }

  onInformational(): void {}
  onWritable(): void {}
  onResponse(_stream: Http2Stream<ResponseHandler>, head: ResponseHead): void {
    this.head = head.block.fields;
  }
  onData(stream: Http2Stream, bytes: Buffer, start: number, end: number): void {
    this.answer += bytes.toString("latin1", start, end);
    if (stream === this.stream) this.#connection.consume(this.stream, end - start);
  }
  onTrailers(_stream: Http2Stream, trailers: FieldBlock): void {
    this.trailers = trailers.fields;
    this.#onDone();
  }
  onReset(): void {
    this.answer = "reset";
    this.#onDone();
  }
}

function randomFields(rng: Rng, i: number): string[] {
  const fields = [":method", "POST", ":scheme", "http", ":authority", "web", ":path", `/${i % 5}`];
  for (let k = rng.below(8); k > 0; k--) {
    const value = Array.from({ length: rng.below(60) }, () => String.fromCharCode(rng.between(33, 126))).join("");
    fields.push(
      rng.pick(["x-value", "x-a", "x-b", "authorization", "user-agent"].slice(k % 5)),
      rng.chance(0.5) ? "same" : value,
    );
  }
  return fields;
}

/** Runs `count` requests through our client on a real socket. */
async function callAll(port: number, hpack: HpackEncoderOptions, rng: Rng, count: number): Promise<Call[]> {
  const socket = connect(port, "127.0.0.1");
  const events = new Recorder();
  const connection = new Http2ClientConnection({ limits: defaultProxyLimits.http2, pool, hpack }, events);
  const flush = (): void => {
    for (let chunk = connection.takeOutput(); chunk !== undefined; chunk = connection.takeOutput()) socket.write(chunk);
  };
  connection.start();
  const calls: Call[] = [];
  await new Promise<void>((resolve) => {
    let done = 0;
    const next = (): void => {
      if (calls.length === count) return;
      const call = new Call(
        connection,
        randomFields(rng, calls.length),
        Buffer.from("b".repeat(rng.below(3000))),
        () => {
          if (++done === count) resolve();
          next();
        },
      );
      calls.push(call);
      const stream = connection.request(new FieldBlock(call.fields), false, call);
      if (stream === undefined) throw new Error("the server takes no requests");
      call.stream = stream;
      connection.data(stream, call.body, 0, call.body.length, true);
    };
    socket.on("data", (chunk: Buffer) => {
      connection.receive(chunk, performance.now());
      flush();
    });
    for (let i = 0; i < 10; i++) next();
    flush();
  });
  socket.destroy();
  expect(events.lines.filter((line) => line.startsWith("failed"))).toEqual([]);
  return calls;
}

describe.skipIf(node === null)(`node:http2${node === null ? " (skipped: no node on this machine)" : ""}`, () => {
  for (const hpack of [plain, indexing]) {
    test(`as server reads our headers as they are, and we its own (${hpack.tableBytes === 0 ? "plain" : "indexing"})`, async () => {
      const seed = testSeed();
      const child = Bun.spawn([node ?? "", script, "server"], { stdin: "pipe", stdout: "pipe" });
      try {
        const { value } = await child.stdout.getReader().read();
        const calls = await callAll(Number(Buffer.from(value ?? []).toString()), hpack, createRng(seed), 300);
        for (const call of calls) {
          const { raw, body } = JSON.parse(call.answer);
          expect({ seed, raw, body }).toEqual({ seed, raw: [...call.fields], body: call.body.toString() });
          const sent = new FieldBlock(call.fields).get("x-value");
          if (call.fields.filter((name) => name === "x-value").length === 1) {
            expect(call.head).toContain(sent ?? "");
          }
          expect(call.head.filter((text) => text === "set-cookie").length).toBe(2);
          expect(call.trailers).toEqual(["x-length", String(call.body.length)]);
        }
      } finally {
        child.kill();
      }
    }, 30_000);
  }

  test("as client gets its bodies back from our server", async () => {
    const server = await startTestServer();
    const seed = String(Math.floor(Math.random() * 10_000));
    const child = Bun.spawn([node ?? "", script, "client", String(server.port), "200", seed], { stdout: "pipe" });
    const output = await new Response(child.stdout).text();
    await server.stop();
    expect({ seed, output, problems: server.problems }).toEqual({ seed, output: "ok\n", problems: [] });
  }, 30_000);
});
