import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../fakes/eventually.ts";
import { type TestLeaf, TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { listenTcp, metric, mustParse, startProxy } from "./bun-mesh.ts";

const base = mkdtempSync(join(tmpdir(), "atoll-mtls-"));
const writeNewLeaf = (leaf: TestLeaf) => writeLeaf(leaf, mkdtempSync(join(base, "leaf-")));
const authority = new TestAuthority();
const stranger = new TestAuthority();
const web = authority.leaf("web");
const apiFiles = writeNewLeaf(authority.leaf("api"));
const stops: (() => void)[] = [];
let appConnections = 0;
let lastRequest = "";
let appPort = 0;

function calleeDocument(files = apiFiles, source = "web") {
  const intentions = {
    default: "deny",
    rules: [{ source: `spiffe://*/ns/default/dc/*/svc/${source}`, action: "allow" }],
  };
  return {
    identity: files,
    inbound: [
      { service: "api", listen: "127.0.0.1:0", app: `127.0.0.1:${appPort}`, protocol: "tcp", intentions },
      { service: "apihttp", listen: "localhost:0", app: `127.0.0.1:${appPort}`, protocol: "http", intentions },
    ],
    admin: { listen: "127.0.0.1:0" },
  };
}

beforeAll(async () => {
  const app = await listenTcp((socket) => {
    appConnections++;
    socket.on("data", (chunk) => {
      const text = chunk.toString("latin1");
      if (!text.startsWith("GET ")) socket.write(chunk);
      else if (text.startsWith("GET /endless")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nfirst");
      else {
        lastRequest = text;
        socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      }
    });
    socket.on("end", () => socket.end());
    socket.on("error", () => undefined);
  });
  appPort = app.port;
  stops.push(() => app.server.close());
});

afterAll(() => {
  for (const stop of stops) stop();
  rmSync(base, { recursive: true });
});

/** What a TLS client of Node sees: the bytes it got for `text`, or the reason why there were none. */
function ask(port: number, leaf: TestLeaf | undefined, text: string, maxVersion?: "TLSv1.2"): Promise<string> {
  return new Promise((resolve) => {
    let received = "";
    const socket = connectTls({
      host: "127.0.0.1",
      port,
      ca: authority.root.certPem,
      servername: "api",
      ...(leaf === undefined ? {} : { cert: leaf.certPem, key: leaf.keyPem }),
      ...(maxVersion === undefined ? {} : { maxVersion }),
    });
    socket.on("secureConnect", () => socket.write(text));
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      socket.end();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(received === "" ? "refused" : received));
  });
}

describe("an inbound listener", () => {
  let port = 0;
  let adminPort = 0;

  beforeAll(() => {
    const { proxy, stop } = startProxy(calleeDocument());
    stops.push(stop);
    port = proxy.portOf("127.0.0.1:0") ?? 0;
    adminPort = proxy.adminPort;
  });

  test("serves a caller that the intentions allow, and counts it by name", async () => {
    expect(await ask(port, web, "ping")).toBe("ping");
    const pattern = new RegExp(`^atoll_proxy_caller_connections_total.*caller="${web.uri}"`);
    expect(await metric(adminPort, pattern)).toBe(1);
  });

  const expired = authority.leaf("web", { notBeforeMs: Date.now() - 7_200_000, notAfterMs: Date.now() - 3_600_000 });
  const trustDomain = authority.root.trustDomain;
  const uri = (service: string): string => `spiffe://${trustDomain}/ns/default/dc/dc1/svc/${service}`;
  const callers: readonly (readonly [string, string, TestLeaf | undefined])[] = [
    ["no certificate", "no_client_certificate", undefined],
    ["a certificate of another authority", "untrusted_certificate", stranger.leaf("web")],
    ["an expired certificate", "expired_certificate", expired],
    ["a valid certificate of a service that is not allowed", "denied", authority.leaf("batch")],
    ["a certificate without a SPIFFE id", "bad_spiffe_id", authority.leaf("web", { uris: [] })],
    ["two SPIFFE ids", "bad_spiffe_id", authority.leaf("web", { uris: [uri("batch"), uri("web")] })],
    ["a SPIFFE id of another form", "bad_spiffe_id", authority.leaf("web", { uris: [`${uri("web")}/../batch`] })],
    [
      "a DNS name that looks like a URI",
      "bad_spiffe_id",
      authority.leaf("web", { uris: [], dnsNames: [`x, URI:${uri("web")}`] }),
    ],
  ];
  for (const [who, reason, leaf] of callers) {
    test(`refuses ${who}, counts ${reason} and forwards nothing`, async () => {
      const pattern = new RegExp(`^atoll_proxy_connections_refused_total.*listener="127.*reason="${reason}"`);
      const [before, connections] = [await metric(adminPort, pattern), appConnections];
      expect(await ask(port, leaf, "ping")).toBe("refused");
      await eventually(`${reason} to be counted`, async () => (await metric(adminPort, pattern)) === before + 1);
      expect(appConnections).toBe(connections);
    });
  }

  test("refuses TLS 1.2", async () => {
    expect(await ask(port, web, "ping", "TLSv1.2")).toBe("refused");
  });

  test("refuses plaintext, counts it and forwards nothing", async () => {
    const pattern = /^atoll_proxy_connections_refused_total.*listener="127.*reason="not_tls"/;
    const [before, connections] = [await metric(adminPort, pattern), appConnections];
    const received = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connectTcp(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: api\r\n\r\n"));
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
    });
    expect(received).not.toContain("HTTP/1.1");
    expect(await metric(adminPort, pattern)).toBe(before + 1);
    expect(appConnections).toBe(connections);
  });

  test("does not mistake a health check of its port for a plaintext caller", async () => {
    const pattern = (reason: string) =>
      new RegExp(`^atoll_proxy_connections_refused_total.*listener="127.*reason="${reason}"`);
    const [closed, plaintext] = [
      await metric(adminPort, pattern("closed_early")),
      await metric(adminPort, pattern("not_tls")),
    ];
    const socket = connectTcp(port, "127.0.0.1", () => socket.destroy());
    socket.on("error", () => undefined);
    await eventually(
      "the check to be counted",
      async () => (await metric(adminPort, pattern("closed_early"))) === closed + 1,
    );
    expect(await metric(adminPort, pattern("not_tls"))).toBe(plaintext);
  });

  test("tells the app who calls, by hash, subject and SPIFFE id of the certificate that it verified", async () => {
    const { proxy, stop } = startProxy(calleeDocument());
    stops.push(stop);
    const claim = "X-Forwarded-Client-Cert: URI=spiffe://evil\r\n";
    await ask(proxy.portOf("localhost:0") ?? 0, web, `GET / HTTP/1.1\r\nHost: api\r\n${claim}\r\n`);
    const der = Buffer.from(web.certPem.replaceAll(/-----[A-Z ]+-----|\s/g, ""), "base64");
    const hash = createHash("sha256").update(der).digest("hex");
    expect(/x-forwarded-client-cert: (.*)\r/.exec(lastRequest)?.[1]).toBe(
      `By=${uri("api")};Hash=${hash};Subject="CN=web";URI=${uri("web")}`,
    );
    expect(lastRequest).not.toContain("evil");
  });

  test("answers a denied HTTP caller 403, naming the rule that decided", async () => {
    const { proxy, stop } = startProxy(calleeDocument());
    stops.push(stop);
    const answer = await ask(
      proxy.portOf("localhost:0") ?? 0,
      authority.leaf("batch"),
      "GET / HTTP/1.1\r\nHost: api\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden.*RBAC: access denied by default\n$/s);
  });

  test("ends a response under way to a caller that loses its permission", async () => {
    const { proxy, stop } = startProxy(calleeDocument());
    stops.push(stop);
    const socket = connectTls({
      host: "127.0.0.1",
      port: proxy.portOf("localhost:0") ?? 0,
      ca: authority.root.certPem,
      servername: "api",
      cert: web.certPem,
      key: web.keyPem,
    });
    let received = "";
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    const closed = new Promise<void>((resolve) => socket.on("close", resolve));
    socket.write("GET /endless HTTP/1.1\r\nHost: api\r\n\r\n");
    await eventually("the response to begin", async () => received.endsWith("first"));
    proxy.apply(mustParse(calleeDocument(apiFiles, "batch")), 2);
    await closed;
    expect(received).toEndWith("first");
  });
});

describe("a new identity", () => {
  test("is used by the next handshake while a connection that stands goes on", async () => {
    const directory = writeNewLeaf(authority.leaf("api"));
    const { proxy, stop } = startProxy(calleeDocument(directory));
    stops.push(stop);
    const port = proxy.portOf("127.0.0.1:0") ?? 0;
    const standing = connectTls({
      host: "127.0.0.1",
      port,
      ca: authority.root.certPem,
      servername: "api",
      cert: web.certPem,
      key: web.keyPem,
    });
    await new Promise((resolve) => standing.once("secureConnect", resolve));
    const first = standing.getPeerCertificate().serialNumber;
    // The other authority takes over completely: leaf and roots change at once.
    const next = stranger.leaf("api");
    writeFileSync(directory.certFile, next.certPem);
    writeFileSync(directory.keyFile, next.keyPem);
    writeFileSync(directory.caFile, next.caPem);
    proxy.apply(mustParse(calleeDocument(directory)), 2);
    standing.write("still here");
    const echoed = await new Promise<string>((resolve) => standing.once("data", (chunk) => resolve(chunk.toString())));
    expect(echoed).toBe("still here");
    standing.destroy();
    const caller = stranger.leaf("web");
    const renewed = connectTls({
      host: "127.0.0.1",
      port,
      ca: stranger.root.certPem,
      servername: "api",
      cert: caller.certPem,
      key: caller.keyPem,
    });
    await new Promise((resolve) => renewed.once("secureConnect", resolve));
    expect(renewed.getPeerCertificate().serialNumber).not.toBe(first);
    renewed.destroy();
    expect(await ask(port, web, "ping")).toBe("refused");
    // The callee still asks for a certificate after the change.
    expect(await ask(port, undefined, "ping")).toBe("refused");
  });

  test("that cannot be used changes nothing", () => {
    const files = writeNewLeaf(authority.leaf("api"));
    const { proxy, stop } = startProxy(calleeDocument(files));
    stops.push(stop);
    const other = writeNewLeaf(authority.leaf("api"));
    const mixed = { ...files, keyFile: other.keyFile };
    expect(() => proxy.apply(mustParse(calleeDocument(mixed)), 2)).toThrow("does not belong to the certificate");
    expect(() => proxy.apply(mustParse(calleeDocument({ ...files, certFile: "/nowhere/leaf.crt" })), 2)).toThrow(
      "identity.certFile: cannot read /nowhere/leaf.crt",
    );
    expect(proxy.version).toBe(0);
  });
});

describe("an outbound listener", () => {
  test("refuses an endpoint whose certificate is of another service or authority", async () => {
    for (const [reason, files] of [
      ["wrong_service", writeNewLeaf(authority.leaf("other", { dnsNames: ["api"] }))],
      ["untrusted_certificate", writeNewLeaf(stranger.leaf("api"))],
    ] as const) {
      const callee = startProxy(calleeDocument(files));
      const endpoint = `127.0.0.1:${callee.proxy.portOf("127.0.0.1:0")}`;
      const caller = startProxy({
        identity: writeNewLeaf(web),
        outbound: [{ service: "api", listen: "127.0.0.1:0", protocol: "tcp", endpoints: [{ address: endpoint }] }],
        admin: { listen: "127.0.0.1:0" },
      });
      stops.push(callee.stop, caller.stop);
      const connections = appConnections;
      const received = await new Promise<string>((resolve) => {
        let text = "";
        const socket = connectTcp(caller.proxy.portOf("127.0.0.1:0") ?? 0, "127.0.0.1", () => socket.write("secret"));
        socket.on("data", (chunk) => {
          text += chunk.toString();
        });
        socket.on("error", () => undefined);
        socket.on("close", () => resolve(text));
      });
      expect(received).toBe("");
      expect(appConnections).toBe(connections);
      expect(
        await metric(caller.proxy.adminPort, new RegExp(`^atoll_proxy_connect_failures_total.*reason="${reason}"`)),
      ).toBe(1);
    }
  });
});
