import { expect, test } from "bun:test";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { listenHttp } from "../../../lib/http/listen.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createTestApp } from "./test-app.ts";

/** What an app does on real connections. */
const anyPort = { host: "127.0.0.1", port: 0 };

interface RawClient {
  readonly socket: Socket;
  received(): string;
  isClosed(): boolean;
}

function dial(port: number, text: string): RawClient {
  let received = "";
  let isClosed = false;
  const socket = connect(port, "127.0.0.1", () => socket.write(text));
  socket.setEncoding("utf8");
  socket.on("data", (chunk) => {
    received += chunk;
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    isClosed = true;
  });
  return { socket, received: () => received, isClosed: () => isClosed };
}

test("an address in use is an error that names the address and the process that holds it", async () => {
  const first = createTestApp();
  const second = createTestApp();
  const address = await listenHttp(first.app, anyPort);
  const error: unknown = await listenHttp(second.app, address).catch((thrown: unknown) => thrown);
  if (!(error instanceof AtollError)) throw new Error("expected an AtollError");
  expect(error.code).toBe("ADDRESS_IN_USE");
  expect(error.message).toContain(`127.0.0.1:${address.port}`);
  if (process.platform === "linux") expect(error.message).toContain(`process ${process.pid} (`);
  await first.app.close();
  await second.app.close();
});

test("an address of another machine is an error that names it", async () => {
  const { app } = createTestApp();
  await expect(listenHttp(app, { host: "192.0.2.1", port: 0 })).rejects.toThrow("192.0.2.1:0");
  await app.close();
});

test("pipelined requests are answered in order", async () => {
  const { app } = createTestApp();
  const { port } = await listenHttp(app, anyPort);
  const request = (id: string): string => `GET /v1/thing/${id} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const client = dial(port, request("a") + request("b") + request("c"));
  await eventually("three answers", () => client.received().split("HTTP/1.1 200").length === 4);
  const ids = [...client.received().matchAll(/"id":"(\w)"/g)].map(([, id]) => id);
  expect(ids).toEqual(["a", "b", "c"]);
  client.socket.destroy();
  await app.close();
});

test("bytes that are not HTTP get a 400 and a closed connection, and are counted with the reason", async () => {
  const { app, runtime } = createTestApp();
  const { port } = await listenHttp(app, anyPort);
  const clients = ["\x16\x03\x01\x02\x00\x01\x00", "HELO mail\r\n\r\n", "GET /v1/thing/a HTTP/9.9\r\n\r\n"].map(
    (text) => dial(port, text),
  );
  for (const client of clients) await eventually("the connection to close", client.isClosed);
  expect(clients.map((client) => client.received().split("\r\n")[0])).toEqual(
    clients.map(() => "HTTP/1.1 400 Bad Request"),
  );
  const text = await runtime.metrics.metrics();
  expect(text).toMatch(/atoll_agent_http_malformed_requests_total\{reason="not_http"\} [12]/);
  await app.close();
});

test("a client that goes away ends what its request waits for", async () => {
  const { app } = createTestApp();
  const { port } = await listenHttp(app, anyPort);
  const client = dial(port, "GET /v1/wait HTTP/1.1\r\nHost: x\r\n\r\n");
  await eventually("the request to wait", () => app.openRequests.count() === 1);
  client.socket.destroy();
  await eventually("the request to end", () => app.openRequests.count() === 0);
  await app.close();
});

test("closing ends waiting requests with an answer and does not wait for idle connections", async () => {
  const { app } = createTestApp();
  const { port } = await listenHttp(app, anyPort);
  const waiting = dial(port, "GET /v1/wait HTTP/1.1\r\nHost: x\r\n\r\n");
  const idle = dial(port, "GET /v1/thing/a HTTP/1.1\r\nHost: x\r\n\r\n");
  await eventually("one request to wait", () => app.openRequests.count() === 1 && idle.received() !== "");
  const startedMs = performance.now();
  await app.close();
  expect(performance.now() - startedMs).toBeLessThan(1_500);
  await eventually("both connections to close", () => waiting.isClosed() && idle.isClosed());
  expect(waiting.received()).toContain('"ended"');
});

test("closing cuts a client that never finishes its request once the grace is over", async () => {
  const clock = createVirtualClock(0);
  const { app } = createTestApp({ clock });
  const { port } = await listenHttp(app, anyPort);
  const client = dial(port, "PUT /v1/thing/register HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
  const accepted = (): Promise<number> =>
    new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count)));
  await eventually("the connection", async () => (await accepted()) === 1);
  const closing = app.close();
  await eventually("the grace to run", () => clock.pendingTimers() === 1);
  expect(client.isClosed()).toBe(false);
  await clock.advance(2_000);
  await closing;
  await eventually("the connection to close", client.isClosed);
  expect(clock.pendingTimers()).toBe(0);
});
