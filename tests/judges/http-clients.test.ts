import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, runProgram, type Server, startServer } from "./programs.ts";
import { type ProxyPair, startProxyPair } from "./proxy-pair.ts";

/** curl, wrk, h2load and nghttp through two real proxies to an app on Node.js. */
const node = findProgram("node");
const curl = findProgram("curl");
const wrk = findProgram("wrk");
const h2load = findProgram("h2load");
const nghttp = findProgram("nghttp");
const app = join(import.meta.dir, "http-app.mjs");
const directory = mkdtempSync(join(tmpdir(), "atoll-clients-"));
afterAll(() => rmSync(directory, { recursive: true }));

const versions = [
  { protocol: "http", name: "HTTP/1.1", app: "http1", flag: "--http1.1", ok: "HTTP/1.1 200 OK" },
  { protocol: "http2", name: "HTTP/2", app: "http2", flag: "--http2-prior-knowledge", ok: "HTTP/2 200" },
] as const;

for (const version of versions) {
  describe.skipIf(node.isMissing)(`${version.name} through two sidecars${node.note}`, () => {
    let server: Server;
    let pair: ProxyPair;
    let base = "";
    beforeAll(async () => {
      server = await startServer([node.path, app, version.app]);
      pair = await startProxyPair(version.protocol, server.port);
      base = `http://127.0.0.1:${pair.listen}`;
    });
    afterAll(async () => {
      await pair.stop();
      await server.stop();
    });

    const ask = async (...args: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await runProgram([curl.path, "-sS", "-m", "20", version.flag, ...args]);
      expect([code, stderr]).toEqual([0, ""]);
      return stdout;
    };
    /** Head and body as curl shows them, without the fields that differ from run to run. */
    const show = async (...args: readonly string[]): Promise<string[]> => {
      const lines = (await ask("-D", "-", ...args)).split(/\r?\n/);
      return lines
        .map((line) => line.trim())
        .filter((line) => !/^(date|connection|keep-alive|via|server):/i.test(line));
    };

    /**
     * Status and size of the answer to each path, over one connection. Not for HTTP/2: curl 7.88 sends its preface again on a
     * connection that it takes up a second time, which every server refuses.
     */
    const statuses = async (flags: readonly string[], paths: readonly string[]): Promise<string[]> => {
      const together = version.app === "http1" ? [paths] : paths.map((path) => [path]);
      const seen: string[] = [];
      for (const group of together) {
        const urls = group.flatMap((path) => ["-o", "/dev/null", `${base}${path}`]);
        const lines = (await ask(...flags, "-w", "%{http_code} %{size_download} %{num_connects}\\n", ...urls))
          .trim()
          .split("\n");
        expect(lines.map((line) => line.slice(-2))).toEqual(group.map((_, i) => (i === 0 ? " 1" : " 0")));
        seen.push(...lines.map((line) => line.slice(0, -2)));
      }
      return seen;
    };

    describe.skipIf(curl.isMissing)(`curl${curl.note}`, () => {
      test("gets back every byte that it sends, with a length and without one", async () => {
        const body = Buffer.from(Array.from({ length: 1_500_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
        const sent = join(directory, `${version.app}-sent`);
        const received = join(directory, `${version.app}-received`);
        await Bun.write(sent, body);
        for (const framing of [[], ["-H", "Transfer-Encoding: chunked"]]) {
          if (version.app === "http2" && framing.length > 0) continue;
          await ask(...framing, "--data-binary", `@${sent}`, "-o", received, `${base}/echo`);
          expect(readFileSync(received).equals(body)).toBe(true);
        }
        await ask("-T", "-", "-o", received, `${base}/echo`);
        expect(readFileSync(received).length).toBe(0);
      });

      test("is told to go on when it expects that, once", async () => {
        const lines = await show("-H", "Expect: 100-continue", "-d", "x".repeat(2_000), `${base}/echo`);
        const heads = lines.filter((line) => line.startsWith("HTTP/"));
        expect(heads).toEqual([version.app === "http1" ? "HTTP/1.1 100 Continue" : "HTTP/2 100", version.ok]);
        expect(lines.at(-1)).toBe("x".repeat(2_000));
      });

      test("gets the length and no body for HEAD, and goes on with the connection", async () => {
        expect(await statuses(["-I"], ["/bytes/5000", "/bytes/7000"])).toEqual(["200 0", "200 0"]);
        expect(await show("-I", `${base}/bytes/5000`)).toContainEqual(expect.stringMatching(/^content-length: 5000$/i));
      });

      test("gets 204 and 304 without a body, and goes on with the connection", async () => {
        const seen = await statuses([], ["/status/204", "/status/304", "/bytes/10"]);
        expect(seen).toEqual(["204 0", "304 0", "200 10"]);
      });

      test("gets trailers", async () => {
        const lines = await show(`${base}/trailers`);
        expect(lines.slice(-3)).toEqual(["hello", "x-checksum: abc", ""]);
      });

      test("gets early hints before the answer", async () => {
        const lines = await show(`${base}/hints`);
        expect(lines.filter((line) => /^(HTTP|link)/i.test(line))).toEqual([
          version.app === "http1" ? "HTTP/1.1 103 Early Hints" : "HTTP/2 103",
          expect.stringMatching(/^link: <\/style.css>; rel=preload; as=style$/i),
          version.ok,
        ]);
      });

      test("has every method carried, also one that nobody knows", async () => {
        for (const method of ["DELETE", "PATCH", "OPTIONS", "PROPFIND"])
          expect(await ask("-X", method, `${base}/method`)).toBe(`${method}\n`);
      });
    });

    if (version.app === "http1") {
      test.skipIf(wrk.isMissing)(`wrk has every request answered${wrk.note}`, async () => {
        const { code, stdout } = await runProgram([wrk.path, "-t1", "-c16", "-d1s", `${base}/bytes/100`]);
        expect([code, /Socket errors|Non-2xx/.exec(stdout)]).toEqual([0, null]);
        expect(Number(/(\d+) requests in/.exec(stdout)?.[1])).toBeGreaterThan(100);
      });
    } else {
      test.skipIf(h2load.isMissing)(`h2load has every request answered${h2load.note}`, async () => {
        const load = ["-n", "2000", "-c", "4", "-m", "16", `${base}/bytes/3000`];
        const { stdout } = await runProgram([h2load.path, ...load]);
        expect(stdout).toContain("2000 succeeded, 0 failed, 0 errored, 0 timeout");
      });

      test.skipIf(nghttp.isMissing)(`nghttp gets all kinds of answers over one connection${nghttp.note}`, async () => {
        const urls = ["/bytes/100000", "/status/204", "/status/304", "/trailers", "/hints"].map((path) => base + path);
        const { code, stdout } = await runProgram([nghttp.path, "-ns", ...urls]);
        const rows = stdout
          .split("\n")
          .flatMap((line) => /(\d{3})\s+(\S+) (\/\S+)$/.exec(line)?.slice(1).join(" ") ?? []);
        const want = [
          "200 97K /bytes/100000",
          "204 0 /status/204",
          "304 0 /status/304",
          "200 6 /trailers",
          "200 6 /hints",
        ];
        expect([code, rows.sort()]).toEqual([0, want.sort()]);
      });
    }
  });
}
