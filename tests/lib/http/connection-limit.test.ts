import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { createHttpApp, type HttpApp } from "../../../lib/http/http-app.ts";
import { listenHttp } from "../../../lib/http/listen.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

let app: HttpApp;
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await app.close();
});

async function start(maxConnectionsPerClient: number): Promise<() => Promise<string>> {
  app = createHttpApp({ runtime: createTestRuntime(), maxConnectionsPerClient });
  app.get("/v1/status/leader", async (_request, reply) => reply.send("leader"));
  const { port } = await listenHttp(app, { host: "127.0.0.1", port: 0 });
  return () =>
    new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () =>
        socket.write("GET /v1/status/leader HTTP/1.1\r\nHost: a\r\n\r\n"),
      );
      sockets.push(socket);
      socket.once("data", (bytes) => resolve(bytes.toString()));
    });
}

test("connections of one address are limited, and may be opened again when others have ended", async () => {
  const ask = await start(2);
  expect(await ask()).toStartWith("HTTP/1.1 200");
  expect(await ask()).toStartWith("HTTP/1.1 200");
  const refused = await ask();
  expect(refused).toStartWith("HTTP/1.1 429");
  expect(refused).toContain("too many concurrent connections");
  expect(refused).toContain("limits.http_max_conns_per_client");
  sockets[0]?.destroy();
  let last = "";
  await eventually("room for another connection", async () => {
    last = await ask();
    return last.startsWith("HTTP/1.1 200");
  });
});

test("0 is no limit", async () => {
  const ask = await start(0);
  for (let n = 0; n < 20; n++) expect(await ask()).toStartWith("HTTP/1.1 200");
});
