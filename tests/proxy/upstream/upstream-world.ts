import { defaultProxyLimits, type ProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import Value from "typebox/value";
import { type RetryConfig, RetrySchema } from "../../../lib/contract/proxy-resilience.ts";
import { BufferedMemory } from "../../../proxy/buffered-memory.ts";
import type { Downstream } from "../../../proxy/exchange/ends.ts";
import { Deadlines } from "../../../proxy/exchange/deadlines.ts";
import type { ExchangeObserver } from "../../../proxy/exchange/observation.ts";
import { Exchange } from "../../../proxy/exchange/exchange.ts";
import type { ExchangeContext } from "../../../proxy/exchange/exchange-context.ts";
import { HpackDecoder } from "../../../proxy/http2/hpack/decoder.ts";
import { clientPreface, FrameType } from "../../../proxy/http2/frame-types.ts";
import { BufferPool } from "../../../proxy/http2/output-buffer.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";
import { defaultRequestRules } from "../../../proxy/message/request-rules.ts";
import type { ResponseHead } from "../../../proxy/message/response-head.ts";
import { HttpCounters } from "../../../proxy/telemetry/http-counters.ts";
import { type MemoryConnection, MemoryNetwork } from "../../../proxy/transport/memory.ts";
import { WriteTurn } from "../../../proxy/transport/outbox.ts";
import { EndpointPool } from "../../../proxy/upstream/endpoint-pool.ts";
import type { ForwardPolicy, Stage } from "../../../proxy/exchange/policy.ts";
import { compileForwardPolicy, type PolicyConfig } from "../../../proxy/resilience/forward-policy.ts";
import { RetryBudget } from "../../../proxy/resilience/retry-budget.ts";
import { PooledUpstream } from "../../../proxy/upstream/pooled-upstream.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { data, framesIn, headers, type SentFrame, settings, settingsAck } from "../http2/frames.ts";

export interface UpstreamWorldOptions {
  readonly protocol: "http1" | "http2";
  readonly endpoints?: number;
  readonly maxConnections?: number;
  readonly maxWaiting?: number;
  /** What HTTP/2 servers say first; nothing at all when empty. */
  readonly serverSettings?: readonly number[] | "silent";
  /** Requests wait for them. */
  readonly awaitsGreeting?: boolean;
  readonly limits?: Partial<ProxyLimits["connections"]>;
  readonly observer?: ExchangeObserver;
  /** Of every request. */
  readonly policy?: Partial<PolicyConfig>;
  readonly stages?: readonly Stage[];
}

const noRetries = retryConfig({});

/** A retry policy in which `given` is said. */
export function retryConfig(given: object): RetryConfig {
  return Value.Parse(RetrySchema, Value.Default(RetrySchema, given));
}

/** Exchanges on one side, servers written by hand on the other, pools in between; time and network move when told. */
export class UpstreamWorld {
  readonly network = new MemoryNetwork();
  readonly counters = new HttpCounters();
  /** Of pauses and deadlines; all else goes by the network's time. */
  readonly clock = createVirtualClock(0);
  readonly turn = new WriteTurn(this.network);
  readonly buffers = new BufferPool();
  exchangeContext: ExchangeContext = {
    counters: this.counters,
    monotonicMs: () => this.network.nowMs,
    memory: new BufferedMemory({
      waiting: this.network,
      lent: this.buffers,
      maxBytes: () => Number.POSITIVE_INFINITY,
    }),
    deadlines: new Deadlines(this.clock),
    random: () => 0.5,
    rules: () => defaultRequestRules,
    forGrpcWeb: (upstream) => upstream,
  };
  /** The server's end of every connection, in the order in which they were opened. */
  readonly servers: ServerEnd[] = [];
  /** Endpoints that refuse connections, and those that do not answer the attempt. */
  readonly refusing = new Set<number>();
  readonly silent = new Set<number>();
  /** Attempts to reach one of these go on with `connect`. */
  readonly slow = new Set<number>();
  readonly #slowly: (() => void)[] = [];
  readonly pools: EndpointPool[];
  /** The endpoints that requests may go to, in the order in which they are preferred. */
  choice: EndpointPool[];
  readonly upstream: PooledUpstream;
  readonly budget = new RetryBudget(() => this.clock.monotonicMs());
  readonly policy: ForwardPolicy | undefined;
  readonly attempts: number[] = [];
  /** What endpoints were told of answers: `1 200 at 0`, `0 outrun at 0`, with the time of sending. */
  readonly feedback: string[] = [];
  ungreeted = 0;
  /** What an endpoint's observer was told, in order, as `0 answer 200`. */
  readonly told: string[] = [];
  readonly #options: UpstreamWorldOptions;

  constructor(options: UpstreamWorldOptions) {
    this.#options = options;
    if (options.observer !== undefined) {
      this.exchangeContext = { ...this.exchangeContext, observer: options.observer };
    }
    this.policy = compileForwardPolicy(
      { timeoutMs: 0, retry: noRetries, ...options.policy },
      this.budget,
      options.stages,
    );
    this.upstream = new PooledUpstream({
      picker: { pick: (tried) => this.choice.find((pool) => !tried.includes(pool)) },
      monotonicMs: () => this.network.nowMs,
      waitTimeoutMs: () => 5_000,
      ...(options.maxWaiting === undefined ? {} : { maxWaiting: () => options.maxWaiting ?? 0 }),
    });
    this.pools = Array.from({ length: options.endpoints ?? 1 }, (_, i) => this.#createPool(i));
    this.choice = [...this.pools];
  }

  get pool(): EndpointPool {
    return this.#must(this.pools[0]);
  }

  server(index = this.servers.length - 1): ServerEnd {
    return this.#must(this.servers[index]);
  }

  /** Starts a request; `body` is sent at once, as a whole. */
  ask(method = "GET", path = "/", body?: string | Buffer, fields: readonly string[] = []): Asked {
    const asked = new Asked(
      this,
      [":method", method, ":scheme", "http", ":authority", "api", ":path", path, ...fields],
      body,
    );
    this.network.settle();
    return asked;
  }

  /** Starts a request whose body is to come. */
  askOpen(method = "POST", fields: readonly string[] = [], path = "/"): Asked {
    const head = [":method", method, ":scheme", "http", ":authority", "api", ":path", path, ...fields];
    const asked = new Asked(this, head, "open");
    this.network.settle();
    return asked;
  }

  settle(): void {
    this.network.settle();
  }

  /** The attempts to reach slow endpoints go on, in their order. */
  connect(): void {
    for (const connect of this.#slowly.splice(0)) this.network.schedule(connect);
    this.settle();
  }

  /** Lets time go by, a second and its sweep at a time. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 1_000) {
      this.network.nowMs += 1_000;
      for (const pool of this.pools) pool.sweep(this.network.nowMs);
      this.upstream.sweep(this.network.nowMs);
      this.network.settle();
    }
  }

  /** Lets time go by, and what waits for a moment happen. */
  async wait(ms: number): Promise<void> {
    await this.clock.advance(ms);
    this.network.settle();
  }

  #must<T>(value: T | undefined): T {
    if (value === undefined) throw new Error("there is none yet");
    return value;
  }

  #createPool(endpoint: number): EndpointPool {
    const { protocol, maxConnections, serverSettings } = this.#options;
    return new EndpointPool({
      connect: (onResult) => {
        this.attempts.push(endpoint);
        if (this.silent.has(endpoint)) return;
        const connect = (): void => {
          if (this.refusing.has(endpoint)) {
            onResult({ ok: false, reason: "refused", message: "refused" });
            return;
          }
          const [client, server] = this.network.pair();
          Object.defineProperty(client, "remoteAddress", { value: `endpoint:${endpoint}` });
          const end = new ServerEnd(this, server, endpoint);
          this.servers.push(end);
          if (protocol === "http2" && serverSettings !== "silent") {
            end.send(settings(...(serverSettings ?? [])), settingsAck());
          }
          onResult({ ok: true, connection: client });
        };
        if (this.slow.has(endpoint)) this.#slowly.push(connect);
        else this.network.schedule(connect);
      },
      protocolOf: () => protocol,
      hpack: { tableBytes: 0, usesHuffman: false },
      greetingTimeoutMs: this.#options.awaitsGreeting === true ? () => 5_000 : undefined,
      onUngreeted: () => {
        this.ungreeted++;
      },
      isKeptAlive: true,
      observer: {
        onAnswer: ({ status }, sentMs, grpc) => {
          this.feedback.push(`${endpoint} ${status} at ${sentMs}`);
          this.told.push(`${endpoint} answer ${status}${grpc}`);
        },
        onOutrun: (sentMs) => this.feedback.push(`${endpoint} outrun at ${sentMs}`),
        onGrpcTrailers: (block) => this.told.push(`${endpoint} trailers ${block.get("grpc-status")}`),
        onLost: () => this.told.push(`${endpoint} lost`),
        onLate: () => this.told.push(`${endpoint} late`),
        onUnreachable: () => this.told.push(`${endpoint} unreachable`),
      },
      turn: this.turn,
      buffers: this.buffers,
      monotonicMs: () => this.network.nowMs,
      limits: () => ({
        ...defaultProxyLimits,
        connections: { ...defaultProxyLimits.connections, ...this.#options.limits },
      }),
      maxConnections: maxConnections ?? 1_000,
      idleTimeoutMs: () => 55_000,
      onRoom: (pool) => this.upstream.serve(pool),
    });
  }
}

/** A request under way, and what came of it as a line: `200 text`, `503`, `cut`; empty while it waits. */
export class Asked implements Downstream {
  readonly peer = { peerUri: "", peerCertificate: undefined, remoteAddress: "127.0.0.1:1" };
  readonly version = "HTTP/2";
  seen = "";
  consumed = 0;
  interims = 0;
  /** Ends that it was told of; one at most, if all is well. */
  ends = 0;
  trailersSeen: readonly string[] = [];
  readonly exchange: Exchange;
  #status = 0;
  #text = "";

  /** `open`: the body is to come. */
  constructor(world: UpstreamWorld, fields: readonly string[], body: string | Buffer | undefined) {
    this.exchange = new Exchange(this, world.exchangeContext);
    const isOpen = body === "open";
    const length = body === undefined || isOpen ? [] : ["content-length", `${body.length}`];
    const head = checkRequest(new FieldBlock([...fields, ...length]));
    if (!(head instanceof RequestHead)) throw new Error(head);
    this.exchange.start(head, body === undefined, {
      decide: () => ({ action: "forward", upstream: world.upstream, head, policy: world.policy }),
    });
    if (body !== undefined && !isOpen) this.sendBody(body, true);
  }

  sendBody(body: string | Buffer, isEnd: boolean): void {
    const bytes = Buffer.from(body);
    this.exchange.onRequestData(bytes, 0, bytes.length, isEnd);
  }

  sendTrailers(fields: readonly string[]): void {
    this.exchange.onRequestTrailers(new FieldBlock(fields));
  }

  giveUp(): void {
    this.exchange.onDownstreamLost();
  }

  inform(): void {
    this.interims++;
  }

  respond(head: ResponseHead, isEnd: boolean): void {
    this.#status = head.status;
    if (isEnd) this.#end();
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    this.#text += bytes.toString("latin1", start, end);
    if (isEnd) this.#end();
    return end - start;
  }

  trailers(block: FieldBlock): void {
    this.trailersSeen = block.fields;
    this.#end();
  }

  consumeRequest(count: number): void {
    this.consumed += count;
  }

  abort(): void {
    this.ends++;
    this.seen = "cut";
  }

  #end(): void {
    this.ends++;
    this.seen = this.#status === 200 ? `200 ${this.#text}` : `${this.#status}`;
  }
}

/** The server's end of one connection: what it got, and what a test lets it say. */
export class ServerEnd {
  readonly endpoint: number;
  readonly connection: MemoryConnection;
  readonly #world: UpstreamWorld;
  readonly #decoder = new HpackDecoder({ tableBytes: 4096, maxListBytes: 65_536, maxFields: 100 });
  #received: Buffer = Buffer.alloc(0);
  hasEnded = false;

  constructor(world: UpstreamWorld, connection: MemoryConnection, endpoint: number) {
    this.#world = world;
    this.connection = connection;
    this.endpoint = endpoint;
    connection.handler = {
      onData: (chunk) => {
        this.#received = Buffer.concat([this.#received, chunk]);
      },
      onDrain: () => undefined,
      onEnd: () => {
        this.hasEnded = true;
        connection.end();
      },
      onClose: () => {
        this.hasEnded = true;
      },
    };
  }

  /** Says something and lets it arrive. */
  say(...parts: readonly (Buffer | string)[]): void {
    this.send(...parts);
    this.#world.settle();
  }

  send(...parts: readonly (Buffer | string)[]): void {
    for (const part of parts) this.connection.write(Buffer.from(part));
  }

  /** The text that came since the last time. */
  text(): string {
    const text = this.#received.toString("latin1");
    this.#received = Buffer.alloc(0);
    return text;
  }

  /** The bytes that came since the last time. */
  takeRaw(): Buffer {
    const bytes = this.#received;
    this.#received = Buffer.alloc(0);
    return bytes;
  }

  /** The frames that came since the last time. */
  frames(): SentFrame[] {
    let bytes = this.#received;
    this.#received = Buffer.alloc(0);
    if (bytes.indexOf(clientPreface) === 0) bytes = bytes.subarray(clientPreface.length);
    return framesIn(bytes);
  }

  /** The requests that came since the last time, as `1 GET /path`, and their bodies as `1 body`. */
  requests(): string[] {
    return this.frames().flatMap(({ type, streamId, payload }) => {
      if (type === FrameType.data) return payload.length === 0 ? [] : [`${streamId} ${payload.toString("latin1")}`];
      if (type !== FrameType.headers) return [];
      const block = this.#decoder.decode(payload, 0, payload.length);
      if (!(block instanceof FieldBlock)) throw new Error(block);
      return [`${streamId} ${block.get(":method")} ${block.get(":path")}`];
    });
  }

  /** Answers a request of HTTP/2. */
  answer(streamId: number, text: string): void {
    this.say(headers(streamId, [":status", "200"], false), data(streamId, text, true));
  }

  /** Answers the request of HTTP/1.1. */
  ok(text: string, ...fields: readonly string[]): void {
    const lines = [`content-length: ${text.length}`, ...fields].map((line) => `${line}\r\n`).join("");
    this.say(`HTTP/1.1 200 OK\r\n${lines}\r\n${text}`);
  }
}
