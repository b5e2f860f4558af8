import { afterEach, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { connect, type Socket } from "node:net";
import { createLengthReader, withLength } from "../../../agent/dns/tcp-framing.ts";
import { listenTcp, type TcpLimits } from "../../../agent/dns/tcp-listener.ts";
import { listenUdp, type MessageHandler } from "../../../agent/dns/udp-listener.ts";
import { systemClock } from "../../../lib/base/clock.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";

const loopback = { host: "127.0.0.1", port: 0 };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const echo: MessageHandler = (message) => Uint8Array.from(message);

async function startTcp(handle: MessageHandler, limits: Partial<TcpLimits> = {}, clock = systemClock) {
  let drops = 0;
  const listener = await listenTcp({ listen: loopback, handle, clock, limits, onDrop: () => drops++ });
  closers.push(() => listener.close());
  return { listener, drops: () => drops };
}

interface Client {
  readonly socket: Socket;
  readonly messages: string[];
  isClosed: boolean;
}

async function dial(port: number): Promise<Client> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  const client: Client = { socket, messages: [], isClosed: false };
  const reader = createLengthReader((message) => client.messages.push(message.toString()));
  socket.on("data", (chunk: Buffer) => reader.push(chunk));
  socket.on("error", () => undefined);
  for (const event of ["end", "close"]) {
    socket.on(event, () => {
      client.isClosed = true;
    });
  }
  closers.push(() => socket.destroy());
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  return client;
}

const framed = (...texts: string[]) => Buffer.concat(texts.map((text) => withLength(Buffer.from(text))));

test("several queries on one TCP connection are all answered, however they are cut", async () => {
  const { listener } = await startTcp(echo);
  const client = await dial(listener.address.port);
  const bytes = framed("one", "two", "", "three");
  for (const byte of bytes) client.socket.write(Buffer.of(byte));
  client.socket.write(framed("four", "five"));
  await eventually("six answers", () => client.messages.length === 6);
  expect(client.messages).toEqual(["one", "two", "", "three", "four", "five"]);
});

test("a client that ends its side still gets the answers that it waits for", async () => {
  const late = Promise.withResolvers<Uint8Array>();
  const { listener } = await startTcp(() => late.promise);
  const client = await dial(listener.address.port);
  client.socket.end(framed("question"));
  await eventually("the query to arrive", async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return true;
  });
  late.resolve(Buffer.from("answer"));
  await eventually("the answer", () => client.messages.length === 1);
  await eventually("the end", () => client.isClosed);
  expect(client.messages).toEqual(["answer"]);
});

test("a connection without a whole query is closed after its idle time", async () => {
  const clock = createVirtualClock(0);
  const { listener } = await startTcp(echo, { idleMs: 10_000 }, clock);
  const client = await dial(listener.address.port);
  client.socket.write(framed("alive"));
  await eventually("the answer", () => client.messages.length === 1);
  await clock.advance(9_000);
  client.socket.write(Buffer.of(0));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(client.isClosed).toBe(false);
  // One byte more is no query.
  await clock.advance(2_000);
  await eventually("the end", () => client.isClosed);
});

test("connections beyond the limit are closed at once", async () => {
  const { listener, drops } = await startTcp(echo, { maxConnections: 1 });
  const first = await dial(listener.address.port);
  first.socket.write(framed("x"));
  await eventually("the answer", () => first.messages.length === 1);
  const second = await dial(listener.address.port);
  await eventually("the end of the second", () => second.isClosed);
  expect(drops()).toBe(1);
  expect(first.isClosed).toBe(false);
});

test("a connection with too many open queries is read no further until some are answered", async () => {
  const waiting: (() => void)[] = [];
  const handle: MessageHandler = (message) => {
    const copy = Uint8Array.from(message);
    return new Promise((resolve) => waiting.push(() => resolve(copy)));
  };
  const { listener } = await startTcp(handle, { maxQueries: 2 });
  const client = await dial(listener.address.port);
  client.socket.write(framed("1", "2"));
  await eventually("two queries", () => waiting.length === 2);
  client.socket.write(framed("3"));
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(waiting).toHaveLength(2);
  for (const answer of waiting.splice(0)) answer();
  await eventually("the third query", () => waiting.length === 1);
  waiting[0]?.();
  await eventually("three answers", () => client.messages.length === 3);
});

test("closing ends connections and frees the port", async () => {
  const { listener } = await startTcp(echo);
  const client = await dial(listener.address.port);
  await listener.close();
  await eventually("the end", () => client.isClosed);
  const again = await listenTcp({
    listen: listener.address,
    handle: echo,
    clock: systemClock,
    onDrop: () => undefined,
  });
  await again.close();
});

test("UDP answers each sender, late answers too, and drops what would wait beyond the limit", async () => {
  let drops = 0;
  const waiting: (() => void)[] = [];
  const listener = await listenUdp({
    listen: loopback,
    handle(message) {
      const copy = Uint8Array.from(message);
      if (copy[0] === 0) return undefined;
      return copy[0] === 1 ? new Promise((resolve) => waiting.push(() => resolve(copy))) : copy;
    },
    onDrop: () => drops++,
    onError: () => undefined,
    maxWaiting: 1,
  });
  closers.push(() => listener.close());
  const client = createSocket("udp4");
  closers.push(() => client.close());
  const received: number[] = [];
  client.on("message", (message) => received.push(message[1] ?? -1));
  const send = (...bytes: number[]) => client.send(Buffer.from(bytes), listener.address.port, "127.0.0.1");
  send(0, 10);
  send(2, 20);
  send(1, 30);
  send(1, 40);
  await eventually("one answer and one drop", () => received.length === 1 && drops === 1);
  waiting[0]?.();
  await eventually("the late answer", () => received.length === 2);
  expect(received).toEqual([20, 30]);
});

test("a port in use is named", async () => {
  const { listener } = await startTcp(echo);
  const attempt = listenTcp({ listen: listener.address, handle: echo, clock: systemClock, onDrop: () => undefined });
  await expect(attempt).rejects.toThrow(`DNS cannot listen on 127.0.0.1:${listener.address.port} (TCP)`);
});
