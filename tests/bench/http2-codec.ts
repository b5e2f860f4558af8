import { FieldBlock } from "../../proxy/message/field-block.ts";
import { HpackDecoder } from "../../proxy/http2/hpack/decoder.ts";
import { HpackEncoder, type HpackEncoderOptions } from "../../proxy/http2/hpack/encoder.ts";
import { BufferPool, OutputBuffer } from "../../proxy/http2/output-buffer.ts";
import { checkRequest } from "../../proxy/message/request-head.ts";
import { data, hello, post } from "../proxy/http2/frames.ts";
import { createServer } from "../proxy/http2/recorder.ts";
import { InMemoryPair } from "./http2-pair.ts";
import { median, report, rounded } from "./process.ts";

/**
 * The HTTP/2 codec by itself, in memory on one core: header blocks, frames, and whole exchanges between a client and a
 * server of ours. Figures are medians; `repeated` blocks are the same each time, `unique` ones carry a trace id that never
 * comes again.
 */
const rounds = 9;
const blocksPerRound = 100_000;
const exchangesPerRound = 50_000;
const plain: HpackEncoderOptions = { tableBytes: 0, usesHuffman: false };
const indexing: HpackEncoderOptions = { tableBytes: 4096, usesHuffman: true };

export async function benchHttp2Codec(): Promise<void> {
  for (const [mode, options] of [
    ["plain", plain],
    ["indexing", indexing],
  ] as const) {
    for (const kind of ["repeated", "unique"] as const) {
      benchDecode(mode, options, kind);
      benchEncode(mode, options, kind);
    }
  }
  benchFrames();
  for (const kind of ["repeated", "unique"] as const) for (const streams of [1, 64]) benchExchange(kind, streams);
}

/** Nine fields, 222 bytes as plain literals: what a traced gRPC call carries. */
export function fieldsOf(traceId: string): string[] {
  return [
    ...[":method", "POST", ":scheme", "https", ":authority", "web.service.mesh:8080", ":path", "/shop.Cart/AddItem"],
    ...["content-type", "application/grpc", "te", "trailers", "user-agent", "grpc-node-js/1.14.7"],
    ...["grpc-timeout", "100m", "traceparent", `00-0af7651916cd43dd8448eb211c80319c-${traceId}-01`],
  ];
}

function traceIdOf(i: number, kind: "repeated" | "unique"): string {
  return kind === "repeated" ? "b7ad6b7169203331" : i.toString(16).padStart(16, "0");
}

/** The encoded blocks of one kind, one after the other, with where each ends. */
function encodedBlocks(options: HpackEncoderOptions, kind: "repeated" | "unique"): { bytes: Buffer; ends: number[] } {
  const out = new OutputBuffer(new BufferPool());
  const encoder = new HpackEncoder(options);
  const ends: number[] = [];
  for (let i = 0; i < blocksPerRound; i++) {
    encoder.encode(new FieldBlock(fieldsOf(traceIdOf(i, kind))), out);
    ends.push(out.length);
  }
  return { bytes: Buffer.from(out.take()), ends };
}

function benchDecode(mode: string, options: HpackEncoderOptions, kind: "repeated" | "unique"): void {
  const { bytes, ends } = encodedBlocks(options, kind);
  const run = (): void => {
    const decoder = new HpackDecoder({ tableBytes: 4096, maxListBytes: 65_536, maxFields: 128 });
    let at = 0;
    for (const end of ends) {
      const block = decoder.decode(bytes, at, end);
      if (typeof block === "string" || typeof checkRequest(block) === "string") throw new Error("a block was refused");
      at = end;
    }
  };
  reportNs("decode and check a request's header block", { mode, kind }, run, blocksPerRound);
}

function benchEncode(mode: string, options: HpackEncoderOptions, kind: "repeated" | "unique"): void {
  const shared = new FieldBlock(fieldsOf(traceIdOf(0, "repeated")));
  shared.isShared = true;
  const blocks = Array.from({ length: 1000 }, (_, i) =>
    kind === "repeated" ? shared : new FieldBlock(fieldsOf(traceIdOf(i, kind))),
  );
  const encoder = new HpackEncoder(options);
  const out = new OutputBuffer(new BufferPool(1024 * 1024));
  const run = (): void => {
    for (let i = 0; i < blocksPerRound; i += blocks.length) {
      for (const block of blocks) encoder.encode(block, out);
      out.take();
      out.giveBack();
    }
  };
  reportNs("encode a request's header block", { mode, kind }, run, blocksPerRound);
}

/** DATA frames of 100 bytes, 64 KB at a time, as a socket gives them. */
function benchFrames(): void {
  const frames = 600;
  const chunk = Buffer.concat(Array.from({ length: frames }, () => data(1, "d".repeat(100))));
  const server = createServer({ maxUnreadBytes: Number.MAX_SAFE_INTEGER }, true);
  server.recorder.onStart = (stream) => {
    stream.handler = undefined;
  };
  const { connection } = server;
  const sink = {
    onData: () => undefined,
    onTrailers: () => undefined,
    onReset: () => undefined,
    onWritable: () => undefined,
  };
  connection.receive(Buffer.concat([hello(), post(1)]), 0);
  const stream = server.recorder.streams.get(1);
  if (stream === undefined) throw new Error("no stream was opened");
  stream.handler = sink;
  const run = (): void => {
    for (let i = 0; i < 200; i++) {
      connection.receive(chunk, 0);
      connection.consume(stream, frames * 100);
      connection.takeOutput();
      connection.releaseOutput();
    }
  };
  reportNs("read a DATA frame of 100 bytes", { mode: "64 KB chunks", kind: "in the codec" }, run, 200 * frames);
}

/** GET with 100 bytes in the answer, `streams` at a time, everything of a turn in one chunk. */
function benchExchange(kind: "repeated" | "unique", streams: number): void {
  const pair = new InMemoryPair((i) => fieldsOf(traceIdOf(i, kind)), kind === "repeated");
  const nanoseconds = measure(() => pair.run(exchangesPerRound, streams), exchangesPerRound);
  report({
    bench: "http2-codec",
    what: "request and response, client and server together",
    kind,
    streams,
    rounds,
    cpu_us: rounded(nanoseconds / 1000, 2),
    requests_per_second: rounded(1e9 / nanoseconds, 0),
  });
}

function reportNs(what: string, labels: { mode: string; kind: string }, run: () => void, count: number): void {
  report({ bench: "http2-codec", what, ...labels, rounds, cpu_ns: rounded(measure(run, count), 0) });
}

/** CPU nanoseconds for one of the `count` things that `run` does; the first two rounds are for the compiler. */
function measure(run: () => void, count: number): number {
  const times: number[] = [];
  for (let round = 0; round < rounds + 2; round++) {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    if (round >= 2) times.push(((user + system) * 1000) / count);
  }
  return median(times);
}
