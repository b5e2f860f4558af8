import { afterEach, beforeEach, expect, test } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { connect as connectTls, type PeerCertificate } from "node:tls";
import { type AccessSettings, addAccessRules } from "../../../lib/http/access-rules.ts";
import {
  type EdgeListeners,
  type EdgeListenerSpec,
  type EdgeSpec,
  openEdge,
} from "../../../lib/http/edge-listeners.ts";
import { createHttpApp } from "../../../lib/http/http-app.ts";
import type { TlsFiles } from "../../../lib/http/tls-material.ts";
import { TestAuthority } from "../../fakes/certificates.ts";
import { createTempDir, type TempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

const authority = new TestAuthority();
const local = { host: "127.0.0.1", port: 0 };
let dir: TempDir;
let edge: EdgeListeners | undefined;

beforeEach(() => {
  dir = createTempDir();
});

afterEach(async () => {
  await edge?.close();
  edge = undefined;
  dir[Symbol.dispose]();
});

function writeLeaf(name: string): { readonly certFile: string; readonly keyFile: string; readonly caFile: string } {
  const leaf = authority.leaf(name, { dnsNames: ["localhost"] });
  const file = (kind: string, text: string): string => {
    const path = join(dir.path, `${name}.${kind}`);
    writeFileSync(path, text);
    return path;
  };
  return { certFile: file("crt", leaf.certPem), keyFile: file("key", leaf.keyPem), caFile: file("ca", leaf.caPem) };
}

function tlsFiles(name: string, isClientVerified = false): TlsFiles {
  return { ...writeLeaf(name), isClientVerified, minVersion: "TLSv1.2" };
}

const noRules: AccessSettings = { responseHeaders: {}, blockEndpoints: [], allowWriteFrom: [] };

async function open(listeners: readonly EdgeListenerSpec[], more: Partial<EdgeSpec> = {}, rules = noRules) {
  const runtime = createTestRuntime();
  const app = createHttpApp({ runtime, maxHeaderBytes: 4_096 });
  const access = addAccessRules(app, rules);
  app.get("/v1/x", async (request) => `hello ${request.ip}`);
  app.put("/v1/x", async () => "written");
  const spec = { listeners, socketRights: {}, maxConnsPerClient: 0, handshakeTimeoutMs: 5_000, ...more };
  edge = await openEdge(app, spec, runtime);
  return { edge, access };
}

function portOf(url: string | undefined): number {
  return Number(new URL(url ?? "").port);
}

interface Greeting {
  readonly subject: string;
  /** Sends a request on the connection and gives back the answer's body. */
  ask(): Promise<string>;
  end(): void;
}

/** A connection that stays open. Rejects when the handshake is refused before or after its end. */
function greet(port: number, client?: { readonly certPem: string; readonly keyPem: string }): Promise<Greeting> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      port,
      host: "127.0.0.1",
      servername: "localhost",
      ca: authority.root.certPem,
      ...(client !== undefined && { cert: client.certPem, key: client.keyPem }),
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
    const ask = (): Promise<string> =>
      new Promise((answered, refused) => {
        socket.once("data", (bytes) => answered(String(bytes).split("\r\n\r\n")[1] ?? ""));
        socket.once("close", () => refused(new Error("closed")));
        socket.write("GET /v1/x HTTP/1.1\r\nHost: x\r\n\r\n");
      });
    socket.once("secureConnect", () => {
      const certificate: PeerCertificate = socket.getPeerCertificate();
      resolve({ subject: String(certificate.subject.CN), ask, end: () => socket.destroy() });
    });
  });
}

test("one app answers on several addresses, on a socket file and over TLS", async () => {
  const socketPath = join(dir.path, "api.sock");
  const listeners = [
    { isTls: false, at: local },
    { isTls: false, at: { ...local, host: "::1" } },
    { isTls: false, at: { socketPath } },
    { isTls: true, at: local },
  ];
  const { edge: opened } = await open(listeners, { tls: tlsFiles("one"), socketRights: { mode: "0600" } });
  const [plain = "", second = "", socket, secure] = opened.urls;
  expect(await (await fetch(`${plain}/v1/x`)).text()).toBe("hello 127.0.0.1");
  expect(await (await fetch(`${second}/v1/x`)).text()).toBe("hello ::1");
  expect(portOf(second)).toBe(portOf(plain));
  expect(socket).toBe(`unix://${socketPath}`);
  expect(await (await fetch("http://x/v1/x", { unix: socketPath })).text()).toStartWith("hello");
  expect(statSync(socketPath).mode & 0o777).toBe(0o600);
  const greeting = await greet(portOf(secure));
  expect(await greeting.ask()).toBe("hello 127.0.0.1");
  greeting.end();
});

test("a new certificate is shown to new connections while the old ones go on", async () => {
  const tls = tlsFiles("before");
  const { edge: opened } = await open([{ isTls: true, at: local }], { tls });
  const port = portOf(opened.urls[0]);
  const old = await greet(port);
  opened.reload({ tls: tlsFiles("after"), maxConnsPerClient: 0 });
  const next = await greet(port);
  expect([old.subject, next.subject]).toEqual(["before", "after"]);
  expect(await old.ask()).toBe("hello 127.0.0.1");
  writeFileSync(tls.keyFile, "no key");
  expect(() => opened.reload({ tls, maxConnsPerClient: 0 })).toThrow(`key_file ${tls.keyFile} holds no PEM block`);
  const third = await greet(port);
  expect(third.subject).toBe("after");
  for (const one of [old, next, third]) one.end();
});

test("a TLS listener without a certificate ends every handshake, until it gets one", async () => {
  const { edge: opened } = await open([{ isTls: true, at: local }]);
  const port = portOf(opened.urls[0]);
  expect(greet(port)).rejects.toThrow();
  opened.reload({ tls: tlsFiles("late"), maxConnsPerClient: 0 });
  const greeting = await greet(port);
  expect(greeting.subject).toBe("late");
  greeting.end();
});

test("with verify_incoming only clients with a certificate of the CA are let in", async () => {
  const { edge: opened } = await open([{ isTls: true, at: local }], { tls: tlsFiles("strict", true) });
  const port = portOf(opened.urls[0]);
  const good = await greet(port, authority.leaf("client"));
  expect(await good.ask()).toBe("hello 127.0.0.1");
  good.end();
  // TLS 1.3 tells a client only after its own part of the handshake.
  const refused = async (client?: { readonly certPem: string; readonly keyPem: string }) =>
    await greet(port, client).then(
      (greeting) =>
        greeting.ask().then(
          () => "answered",
          () => "refused",
        ),
      () => "refused",
    );
  expect(await refused()).toBe("refused");
  expect(await refused(new TestAuthority().leaf("client"))).toBe("refused");
});

test("a client's connections above the limit are answered with 429, on every listener", async () => {
  const listeners = [
    { isTls: false, at: local },
    { isTls: false, at: { ...local, host: "127.0.0.2" } },
  ];
  const { edge: opened } = await open(listeners, { maxConnsPerClient: 2 });
  const port = portOf(opened.urls[0]);
  const dial = (host: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect({ port, host, localAddress: "127.0.0.1" });
      held.push(socket);
      socket.once("data", (bytes) => resolve(String(bytes).slice(0, 12)));
      socket.once("connect", () => socket.write("GET /v1/x HTTP/1.1\r\nHost: x\r\n\r\n"));
      socket.on("error", () => resolve("reset"));
    });
  const held: { destroy(): void }[] = [];
  expect([await dial("127.0.0.1"), await dial("127.0.0.2")]).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
  expect([await dial("127.0.0.1"), await dial("127.0.0.2")]).toEqual(["HTTP/1.1 429", "HTTP/1.1 429"]);
  for (const socket of held) socket.destroy();
});

test("http_config adds headers, closes paths and takes writes from its networks only, also after a change", async () => {
  const { edge: opened, access } = await open(
    [{ isTls: false, at: local }],
    {},
    {
      responseHeaders: { "X-Frame-Options": "DENY" },
      blockEndpoints: ["/v1/y"],
      allowWriteFrom: ["10.0.0.0/8"],
    },
  );
  const ask = async (path: string, method = "GET") => {
    const answer = await fetch(`${opened.urls[0]}${path}`, { method });
    return [answer.status, await answer.text(), answer.headers.get("x-frame-options")];
  };
  expect(await ask("/v1/x")).toEqual([200, "hello 127.0.0.1", "DENY"]);
  expect(await ask("/v1/y/z")).toEqual([403, "Endpoint is blocked by agent configuration", "DENY"]);
  expect(await ask("/v1/x", "PUT")).toEqual([403, "Access is restricted", "DENY"]);
  access.change({ ...noRules, allowWriteFrom: ["127.0.0.0/8", "::1/128"] });
  expect(await ask("/v1/x", "PUT")).toEqual([200, "written", null]);
  expect(() => access.change({ ...noRules, allowWriteFrom: ["10.0.0.1"] })).toThrow('"10.0.0.1" is no network');
});

test("a head above the limit is answered with 431", async () => {
  const { edge: opened } = await open([{ isTls: false, at: local }]);
  const answer = await fetch(`${opened.urls[0]}/v1/x`, { headers: { "x-long": "a".repeat(8_000) } });
  expect(answer.status).toBe(431);
});

test("a socket file that is left over is replaced, anything else in its place is not", async () => {
  const socketPath = join(dir.path, "api.sock");
  const listener = [{ isTls: false, at: { socketPath } }];
  await open(listener);
  const first = edge;
  expect(open(listener)).rejects.toThrow(`another process listens on unix://${socketPath}`);
  await first?.close();
  const file = join(dir.path, "file");
  writeFileSync(file, "");
  expect(open([{ isTls: false, at: { socketPath: file } }])).rejects.toThrow(`${file} is there and is no socket`);
});
