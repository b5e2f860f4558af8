import { expect, test } from "bun:test";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTcpServer, type Server as TcpServer, type Socket } from "node:net";
import { probeHttp } from "../../../agent/checks/http-probe.ts";
import { capOutput } from "../../../agent/checks/probe-result.ts";
import { probeTcp } from "../../../agent/checks/tcp-probe.ts";
import type { CheckProbe } from "../../../agent/service-definition.ts";
import { eventually } from "../../fakes/eventually.ts";

const never = new AbortController().signal;
const limits = { signal: never, outputMaxBytes: 4_096 };

interface Listening extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly sockets: Set<Socket>;
}

async function listening(server: TcpServer): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function http(listener: RequestListener): Promise<Listening> {
  return listening(createServer(listener));
}

function httpCheck(url: string, more: object = {}): Extract<CheckProbe, { type: "http" }> {
  return {
    type: "http",
    url,
    method: "GET",
    headers: {},
    body: "",
    tlsSkipVerify: false,
    tlsServerName: "",
    disableRedirects: false,
    intervalMs: 1_000,
    timeoutMs: 1_000,
    ...more,
  };
}

test.each([
  [200, "passing"],
  [204, "passing"],
  [299, "passing"],
  [429, "warning"],
  [302, "critical"],
  [404, "critical"],
  [503, "critical"],
] as const)("HTTP %d is %s", async (status, expected) => {
  await using server = await http((_request, response) => void response.writeHead(status).end());
  expect((await probeHttp(httpCheck(server.url), limits)).status).toBe(expected);
});

test("the output has the request, the status line and the body", async () => {
  await using server = await http((_request, response) => void response.end("all good"));
  const result = await probeHttp(httpCheck(`${server.url}/health`), limits);
  expect(result.output).toBe(`HTTP GET ${server.url}/health: 200 OK Output: all good`);
});

test("method, headers, body and user agent are sent as defined, on a connection that is not kept", async () => {
  let seen: IncomingMessage | undefined;
  let body = "";
  await using server = await http((request, response) => {
    seen = request;
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => response.end());
  });
  const more = { method: "POST", headers: { "X-One": ["1"], "X-Two": ["a", "b"], Host: ["app.test"] }, body: "ping" };
  expect((await probeHttp(httpCheck(server.url, more), limits)).status).toBe("passing");
  expect(seen?.method).toBe("POST");
  expect(body).toBe("ping");
  expect(seen?.headers).toMatchObject({
    "x-one": "1",
    "x-two": "a, b",
    host: "app.test",
    "user-agent": "Consul Health Check",
    connection: "close",
  });
  await eventually("the connection is closed", () => server.sockets.size === 0);
});

test("a redirect is followed without the headers for the first host, unless it shall not be", async () => {
  let token: unknown = "not called";
  await using target = await http((request, response) => {
    token = request.headers["x-token"];
    response.end("there");
  });
  await using server = await http((_request, response) => void response.writeHead(302, { location: target.url }).end());
  const probe = httpCheck(server.url, { headers: { "X-Token": ["secret"] } });
  expect(await probeHttp(probe, limits)).toMatchObject({ status: "passing", output: expect.stringContaining("there") });
  expect(token).toBeUndefined();
  expect((await probeHttp({ ...probe, disableRedirects: true }, limits)).status).toBe("critical");
});

test("a redirect in a circle ends", async () => {
  await using server = await http((_request, response) => void response.writeHead(307, { location: "/" }).end());
  const result = await probeHttp(httpCheck(server.url), limits);
  expect(result).toMatchObject({ status: "critical", output: expect.stringContaining("stopped after 10 redirects") });
});

test("an endless body is read up to the limit only", async () => {
  await using server = await http((_request, response) => {
    const pump = (): void => {
      while (!response.destroyed && response.write("x".repeat(1_000)));
    };
    response.on("drain", pump);
    pump();
  });
  const result = await probeHttp(httpCheck(server.url), limits);
  expect(result.status).toBe("passing");
  expect(Buffer.byteLength(result.output)).toBe(4_096);
  await eventually("the connection is closed", () => server.sockets.size === 0);
});

test("no answer before the signal is critical and the connection is dropped", async () => {
  await using server = await http(() => undefined);
  const controller = new AbortController();
  const probing = probeHttp(httpCheck(server.url), { ...limits, signal: controller.signal });
  await eventually("the request has arrived", () => server.sockets.size === 1);
  controller.abort();
  expect(await probing).toMatchObject({ status: "critical", output: expect.stringContaining("no answer in time") });
  await eventually("the connection is closed", () => server.sockets.size === 0);
});

test("bytes that are not HTTP are critical", async () => {
  await using server = await listening(createTcpServer((socket) => void socket.end("SSH-2.0-x\r\n")));
  expect((await probeHttp(httpCheck(server.url), limits)).status).toBe("critical");
});

test("a TCP check passes when something listens, and closes the connection", async () => {
  await using server = await listening(createTcpServer());
  const address = `127.0.0.1:${server.port}`;
  expect(await probeTcp({ address: address }, limits)).toEqual({
    status: "passing",
    output: `TCP connect ${address}: Success`,
  });
  await eventually("the connection is closed", () => server.sockets.size === 0);
});

test("a TCP check is critical when nothing listens, and says why", async () => {
  const server = await listening(createTcpServer());
  await server[Symbol.asyncDispose]();
  const result = await probeTcp({ address: `127.0.0.1:${server.port}` }, limits);
  expect(result).toMatchObject({ status: "critical", output: expect.stringContaining("ECONNREFUSED") });
});

test("an attempt whose time is over before it began is critical", async () => {
  await using server = await listening(createTcpServer());
  const result = await probeTcp({ address: `127.0.0.1:${server.port}` }, { ...limits, signal: AbortSignal.abort() });
  expect(result).toMatchObject({ status: "critical", output: expect.stringContaining("timed out") });
});

test("output is cut on a character boundary", () => {
  expect(capOutput("aäöü", 4)).toBe("aä");
  expect(capOutput("aäöü", 5)).toBe("aäö");
  expect(capOutput("short", 5)).toBe("short");
});
