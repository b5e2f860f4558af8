import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, type TestLeaf, writeLeaf } from "../../fakes/certificates.ts";
import { listenTcp, metric, startProxy } from "../transport/bun-mesh.ts";

/** A destination with one good endpoint and others that cannot be connected to, on real sockets. */
const base = mkdtempSync(join(tmpdir(), "atoll-connect-"));
const authority = new TestAuthority();
const stranger = new TestAuthority();
const web = write(authority.leaf("web"));
const stops: (() => void)[] = [];
const ends: (() => void)[] = [];
let appPort = 0;
const goodEndpoints = { http: "", tcp: "" };

function write(leaf: TestLeaf) {
  return writeLeaf(leaf, mkdtempSync(join(base, "leaf-")));
}

beforeAll(async () => {
  const app = await listenTcp((socket) => {
    socket.on("data", (chunk) => {
      if (chunk.includes("body")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    });
    socket.on("end", () => socket.end());
    socket.on("error", () => undefined);
  });
  appPort = app.port;
  stops.push(() => app.server.close());
  for (const protocol of ["http", "tcp"] as const) {
    const callee = startCallee(write(authority.leaf("api")), protocol);
    stops.push(callee.stop);
    goodEndpoints[protocol] = callee.address;
  }
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
});
afterAll(() => {
  for (const stop of stops) stop();
  rmSync(base, { recursive: true });
});

function startCallee(identity: ReturnType<typeof write>, protocol: string): { address: string; stop: () => void } {
  const { proxy, stop } = startProxy({
    identity,
    inbound: [
      {
        service: "api",
        listen: "127.0.0.1:0",
        app: `127.0.0.1:${appPort}`,
        protocol,
        intentions: { default: "allow", rules: [] },
      },
    ],
    admin: { listen: "127.0.0.1:0" },
  });
  return { address: `127.0.0.1:${proxy.portOf("127.0.0.1:0")}`, stop };
}

function startCaller(protocol: string, endpoints: readonly { address: string; weight: number }[]) {
  const { proxy, stop } = startProxy({
    identity: web,
    outbound: [{ service: "api", listen: "127.0.0.1:0", protocol, connectTimeoutMs: 300, endpoints }],
    admin: { listen: "127.0.0.1:0" },
  });
  ends.push(stop);
  return { port: proxy.portOf("127.0.0.1:0") ?? 0, adminPort: proxy.adminPort };
}

/** A POST on a connection of its own; what came back, from the first line's status on. */
function post(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 4\r\n\r\nbody");
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (/\r\n\r\n./.test(text)) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length)));
  });
}

async function listenBadly(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const { server, port } = await listenTcp((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    onSocket(socket);
  });
  ends.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${port}`;
}

async function refusingAddress(): Promise<string> {
  const { server, port } = await listenTcp(() => undefined);
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

function callee(identity: ReturnType<typeof write>, protocol: string): string {
  const { address, stop } = startCallee(identity, protocol);
  ends.push(stop);
  return address;
}

/** In TLS 1.3 the handshake is over for us by then; in plain TCP nothing tells such an end from the application's. */
const lateFailure = "does not trust us";
const failures: Readonly<Record<string, (protocol: string) => string | Promise<string>>> = {
  "refuses connections": refusingAddress,
  "takes connections and is silent": () => listenBadly(() => undefined),
  "closes each connection": () => listenBadly((socket) => socket.end()),
  "resets each connection": () => listenBadly((socket) => socket.resetAndDestroy()),
  "speaks no TLS": () => listenBadly((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
  "closes in the middle of the handshake": () =>
    listenBadly((socket) => socket.once("data", () => socket.end("\x16\x03\x03"))),
  "is another service": (protocol) => callee(write(authority.leaf("other", { dnsNames: ["api"] })), protocol),
  "is of another authority": (protocol) => callee(write(stranger.leaf("api")), protocol),
  [lateFailure]: (protocol) =>
    callee({ ...write(authority.leaf("api")), caFile: write(stranger.leaf("api")).caFile }, protocol),
};

describe("an endpoint that", () => {
  for (const protocol of ["http", "tcp"] as const) {
    for (const [what, start] of Object.entries(failures)) {
      if (protocol === "tcp" && what === lateFailure) continue;
      test(`${what} costs no request over ${protocol}, not even a POST: the next endpoint serves it`, async () => {
        const { port, adminPort } = startCaller(protocol, [
          // Its weight makes the balancer prefer it.
          { address: await start(protocol), weight: 1_000 },
          { address: goodEndpoints[protocol], weight: 1 },
        ]);
        const answers = await Promise.all(Array.from({ length: 8 }, () => post(port)));
        expect(answers).toEqual(Array.from({ length: 8 }, () => "200"));
        expect(await metric(adminPort, /^atoll_proxy_connect_failures_total/)).toBeGreaterThan(0);
      });
    }
  }

  test("fails like all others is 503 after three of them, each tried once", async () => {
    const counts = [0, 0, 0, 0];
    const endpoints = await Promise.all(
      counts.map((_, i) =>
        listenBadly((socket) => {
          counts[i] = (counts[i] ?? 0) + 1;
          socket.resetAndDestroy();
        }),
      ),
    );
    const { port } = startCaller(
      "http",
      endpoints.map((address) => ({ address, weight: 1 })),
    );
    expect(await post(port)).toBe("503");
    expect(counts.toSorted()).toEqual([0, 1, 1, 1]);
  });
});
