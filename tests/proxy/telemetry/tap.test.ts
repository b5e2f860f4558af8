import { describe, expect, test } from "bun:test";
import { answer, deliver, ok, unchunked } from "../exchange/talk.ts";
import { MemoryMesh, trustDomain, type Wire } from "../memory-mesh.ts";

const web = `spiffe://${trustDomain}/ns/default/dc/dc1/svc/web`;
const calleeAdmin = 19_000;

async function tap(mesh: MemoryMesh, query = "", port = calleeAdmin): Promise<Wire> {
  const reader = mesh.client(port);
  reader.send(`GET /tap${query} HTTP/1.1\r\nHost: admin\r\n\r\n`);
  await settle(mesh);
  return reader;
}

/** A tap begins in a microtask. */
async function settle(mesh: MemoryMesh): Promise<void> {
  mesh.settle();
  await Promise.resolve();
  mesh.settle();
}

function call(mesh: MemoryMesh, client: Wire, path: string, status = 200): void {
  deliver(mesh, client, `GET ${path} HTTP/1.1\r\nHost: api\r\n\r\n`);
  answer(mesh, client, status === 200 ? ok("hello") : `HTTP/1.1 ${status} X\r\ncontent-length: 0\r\n\r\n`);
}

/** The lines in the chunks that a reader has got by now. */
function linesOf(reader: Wire): Record<string, unknown>[] {
  const text = reader.received.includes("\r\n0\r\n\r\n") ? reader.received : `${reader.received}0\r\n\r\n`;
  const { body } = unchunked(text);
  return body
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Record<string, unknown> => JSON.parse(line));
}

describe("a tap", () => {
  test("shows requests as they end, with everything but their fields", async () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    call(mesh, client, "/before");
    const reader = await tap(mesh);
    expect(reader.received).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(reader.received).toContain("content-type: application/x-ndjson\r\n");
    expect(linesOf(reader)).toEqual([]);
    call(mesh, client, "/a?token=hunter2");
    expect(linesOf(reader)).toEqual([
      {
        time: "1970-01-01T00:00:00.000Z",
        direction: "inbound",
        service: "api",
        listener: "127.0.0.1:20000",
        caller: web,
        downstream: "memory:0",
        method: "GET",
        authority: "api",
        path: "/a?token=[masked]",
        protocol: "HTTP/2",
        route: "",
        cluster: "local_app",
        upstream: "memory:0",
        attempts: 1,
        status: 200,
        flags: "",
        details: "via_upstream",
        bytes_received: 0,
        bytes_sent: 5,
        first_byte_ms: 0,
        duration_ms: 0,
      },
    ]);
    const caller = await tap(mesh, "?direction=outbound", 19_001);
    call(mesh, client, "/b");
    expect(linesOf(caller).map(({ path, listener }) => [path, listener])).toEqual([["/b", "127.0.0.1:15001"]]);
  });

  test("shows what its filters take, and ends after as many as were asked for", async () => {
    const mesh = new MemoryMesh();
    const errors = await tap(mesh, "?status=5xx");
    const two = await tap(mesh, "?path-prefix=/a&limit=2");
    const client = mesh.client();
    call(mesh, client, "/a/1");
    call(mesh, client, "/b", 503);
    call(mesh, client, "/a/2", 500);
    call(mesh, client, "/a/3");
    expect(linesOf(errors).map(({ path }) => path)).toEqual(["/b", "/a/2"]);
    expect(linesOf(two).map(({ path }) => path)).toEqual(["/a/1", "/a/2"]);
    expect(two.received).toEndWith("\r\n0\r\n\r\n");
  });

  test("with a filter that cannot be read is refused with what is wrong, and only GET will do", async () => {
    const mesh = new MemoryMesh();
    const reader = await tap(mesh, "?staus=500");
    expect(reader.received).toStartWith("HTTP/1.1 400 ");
    expect(reader.received).toContain("unknown filter; there are service,");
    const poster = mesh.client(calleeAdmin);
    poster.send("POST /tap HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n\r\n");
    mesh.settle();
    expect(poster.received).toStartWith("HTTP/1.1 405 ");
  });

  test("ends when its reader goes, and makes room for the next", async () => {
    const mesh = new MemoryMesh({ telemetry: { tap: { maxReaders: 1 } } });
    const reader = await tap(mesh);
    expect((await tap(mesh)).received).toStartWith("HTTP/1.1 429 ");
    reader.connection.destroy();
    await settle(mesh);
    const next = await tap(mesh);
    expect(next.received).toStartWith("HTTP/1.1 200 ");
    call(mesh, mesh.client(), "/a");
    expect(linesOf(next).length).toBe(1);
  });

  test("can be turned off", async () => {
    const mesh = new MemoryMesh({ telemetry: { tap: { maxReaders: 0 } } });
    expect((await tap(mesh)).received).toStartWith("HTTP/1.1 429 ");
  });

  test("asked for by HEAD is a head, and no reader stays behind", async () => {
    const mesh = new MemoryMesh({ telemetry: { tap: { maxReaders: 1 } } });
    for (let i = 0; i < 3; i++) {
      const reader = mesh.client(calleeAdmin);
      reader.send("HEAD /tap HTTP/1.1\r\nHost: admin\r\n\r\n");
      await settle(mesh);
      expect(reader.received).toStartWith("HTTP/1.1 200 ");
      expect(reader.received).toEndWith("\r\n\r\n");
    }
  });

  test("has so many lines a second; what is left out is counted and told", async () => {
    const mesh = new MemoryMesh({ telemetry: { tap: { maxLinesPerSecond: 2 } } });
    const reader = await tap(mesh);
    const client = mesh.client();
    for (const path of ["/1", "/2", "/3", "/4"]) call(mesh, client, path);
    expect(linesOf(reader).map(({ path }) => path)).toEqual(["/1", "/2"]);
    await mesh.pass(1_000);
    expect(linesOf(reader).at(-1)).toEqual({ dropped: 2 });
    call(mesh, client, "/5");
    expect(linesOf(reader).at(-1)).toMatchObject({ path: "/5" });
  });

  test("of a reader that does not read holds a bounded number of bytes, and goes on when it reads", async () => {
    const mesh = new MemoryMesh({ telemetry: { tap: { maxLinesPerSecond: 10_000 } } });
    const reader = await tap(mesh);
    const client = mesh.client();
    reader.connection.pause();
    for (let i = 0; i < 1_000; i++) call(mesh, client, `/${i}`);
    reader.connection.resume();
    await settle(mesh);
    const got = linesOf(reader).length;
    expect(got).toBeGreaterThan(20);
    expect(got).toBeLessThan(900);
    call(mesh, client, "/after");
    const last = linesOf(reader).slice(-2);
    expect(last).toEqual([{ dropped: 1_000 - got }, expect.objectContaining({ path: "/after" })]);
  });

  test("without a request is kept alive, beyond what connections of the admin address may be idle", async () => {
    const mesh = new MemoryMesh();
    const reader = await tap(mesh);
    await mesh.pass(200_000);
    expect(reader.connection.isClosed).toBe(false);
    call(mesh, mesh.client(), "/a");
    expect(linesOf(reader).length).toBe(1);
  });
});
