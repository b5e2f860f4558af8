import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { findProgram, runProgram, type Server, startServer } from "./programs.ts";
import { type ProxyPair, startProxyPair } from "./proxy-pair.ts";
import { speaksHttp2 } from "./speaks-http2.ts";
import { startTlsBridge, type TlsBridge } from "./tls-bridge.ts";

/** h2spec against both listeners of real proxies: cleartext outbound, and mutual TLS inbound through a bridge. */
const node = findProgram("node");
const h2spec = findProgram("h2spec");
const app = join(import.meta.dir, "http-app.mjs");
const missing = `${node.note}${h2spec.note}`;
const isReady = missing === "" && (await speaksHttp2("http2"));
const note = missing !== "" || isReady ? missing : " (skipped: the listener does not answer in HTTP/2)";

describe.skipIf(!isReady)(`h2spec${note}`, () => {
  let server: Server;
  let pair: ProxyPair;
  let bridge: TlsBridge;
  beforeAll(async () => {
    server = await startServer([node.path, app, "http2"]);
    pair = await startProxyPair("http2", server.port);
    bridge = await startTlsBridge({ to: pair.mesh, files: pair.files, serverName: "api", alpn: "h2" });
  });
  afterAll(async () => {
    await bridge.stop();
    await pair.stop();
    await server.stop();
  });

  const judge = async (port: number): Promise<string[]> => {
    const command = [h2spec.path, "-h", "127.0.0.1", "-p", String(port), "-S", "-o", "3"];
    const { stdout } = await runProgram(command, { timeoutMs: 120_000 });
    expect(stdout).toMatch(/\d+ tests, \d+ passed/);
    // The failures are told twice, the second time with what was expected and seen.
    return (stdout.split("Failures:")[1] ?? "")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line.startsWith("×"));
  };

  /**
   * Of a cleartext listener, which speaks both protocols, it expects to be closed without a word when its first bytes are not
   * the preface. "An invalid preface indicates that the peer is not using HTTP/2" (RFC 9113 section 3.4): such a peer gets HTTP/1.1's
   * 400, and is closed then.
   */
  test("passes the outbound listener in all of its cases but the one for those who do not speak HTTP/2", async () => {
    expect(await judge(pair.listen)).toEqual(["× 2: Sends invalid connection preface"]);
  }, 130_000);

  test("passes the inbound listener in all of its cases, the strict ones too", async () => {
    expect(await judge(bridge.port)).toEqual([]);
  }, 130_000);
});
