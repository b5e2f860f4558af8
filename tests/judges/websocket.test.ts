import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProcessGroup } from "./process-group.ts";
import { findProgram } from "./programs.ts";
import { type ProxyPair, startProxyPair } from "./proxy-pair.ts";

/** WebSockets through two real proxies (RFC 6455: an Upgrade, then bytes both ways), by Bun's client and by a browser. */
const chromium = findProgram("chromium-headless-shell", "chromium", "google-chrome");
const browserTimeoutMs = 25_000;

/** Runs in the browser: sends text, an empty message and 1 MB, wants them back, closes with a code, and reports. */
const page = `<!doctype html><script>
const big = new Uint8Array(1 << 20).map((_, i) => i * 31 + (i >> 8));
const seen = [];
const report = (what) => fetch("/report", { method: "POST", body: JSON.stringify(what) });
const socket = new WebSocket("ws://" + location.host + "/echo");
socket.binaryType = "arraybuffer";
socket.onopen = () => { socket.send("näher"); socket.send(""); socket.send(big); };
socket.onmessage = ({ data }) => {
  seen.push(typeof data === "string" ? data : new Uint8Array(data).every((byte, i) => byte === big[i]) && data.byteLength);
  if (seen.length === 3) socket.close(4001, "enough");
};
socket.onclose = ({ code, reason, wasClean }) => report({ seen, code, reason, wasClean });
</script>`;

let pair: ProxyPair;
let onReport: (text: string) => void = () => undefined;
const closings: string[] = [];
const app = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request, server) {
    const { pathname } = new URL(request.url);
    if (pathname === "/echo" && server.upgrade(request)) return undefined;
    if (pathname === "/report") onReport(await request.text());
    return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
  },
  websocket: {
    maxPayloadLength: 4 << 20,
    message: (socket, message) => void socket.send(message),
    close: (_socket, code, reason) => void closings.push(`${code} ${reason}`),
  },
});

beforeAll(async () => {
  pair = await startProxyPair("http", app.port ?? 0);
});
afterAll(async () => {
  await pair.stop();
  await app.stop(true);
});

describe("a WebSocket through two sidecars", () => {
  test("echoes messages in order and closes cleanly for Bun's client", async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${pair.listen}/echo`);
    const sent = Array.from({ length: 100 }, (_, i) => "message ".repeat(i * 7) + i);
    const received: unknown[] = [];
    const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
    socket.addEventListener("open", () => {
      for (const text of sent) socket.send(text);
    });
    socket.addEventListener("message", ({ data }) => {
      if (received.push(data) === sent.length) socket.close(4000, "done");
    });
    const { code, reason, wasClean } = await closed;
    expect({ received, code, reason, wasClean }).toEqual({
      received: sent,
      code: 4000,
      reason: "done",
      wasClean: true,
    });
    expect(closings).toContain("4000 done");
  });

  test.skipIf(chromium.isMissing)(
    `echoes messages and closes cleanly for Chromium${chromium.note}`,
    async () => {
      const profile = mkdtempSync(join(tmpdir(), "atoll-chromium-"));
      const reported = new Promise<string>((resolve) => {
        onReport = resolve;
      });
      const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
      const browser = startProcessGroup([
        ...[chromium.path, ...flags, "--remote-debugging-port=0", `--user-data-dir=${profile}`],
        `http://127.0.0.1:${pair.listen}/`,
      ]);
      const timer = setTimeout(() => void browser.end(), browserTimeoutMs);
      try {
        const exited = browser.exited.then((code) => `Chromium ended with ${code} before it reported`);
        const report = await Promise.race([reported, exited]);
        expect(report).toBe(
          JSON.stringify({ seen: ["näher", "", 1 << 20], code: 4001, reason: "enough", wasClean: true }),
        );
      } finally {
        clearTimeout(timer);
        await browser.end();
        rmSync(profile, { recursive: true, force: true });
      }
    },
    30_000,
  );
});
