import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { startTestServer, type TestServer } from "./test-server.ts";

/** The server's codec as clients see it that we did not write. */
const judges = join(import.meta.dir, "..", "..", "..", "node_modules", ".judges");
const curl = Bun.which("curl");
const h2load = Bun.which("h2load");
const h2spec = [process.env["ATOLL_H2SPEC"] ?? "", join(judges, "h2spec"), Bun.which("h2spec") ?? ""].find(existsSync);

let server: TestServer;
let base = "";
beforeAll(async () => {
  server = await startTestServer();
  base = `http://127.0.0.1:${server.port}`;
});
afterAll(() => server.stop());

async function run(command: readonly string[], input?: Buffer): Promise<{ code: number; stdout: Buffer }> {
  const child = Bun.spawn([...command], { stdin: input ?? "ignore", stdout: "pipe", stderr: "ignore" });
  const stdout = Buffer.from(await new Response(child.stdout).arrayBuffer());
  return { code: await child.exited, stdout };
}

describe.skipIf(curl === null)(`curl${curl === null ? " (skipped: no curl on this machine)" : ""}`, () => {
  const ask = (...args: readonly string[]) => [curl ?? "", "-s", "-m", "20", "--http2-prior-knowledge", ...args];

  test("gets an answer and its trailers", async () => {
    const { stdout } = await run(ask("-D", "-", `${base}/trailers`));
    expect(stdout.toString()).toBe("HTTP/2 200 \r\ncontent-type: text/plain\r\n\r\nhello\nx-checksum: abc\r\n");
  });

  test("gets back every byte of what it sends, through windows smaller than the body", async () => {
    const body = Buffer.from(Array.from({ length: 1_500_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
    const { stdout } = await run(ask("--data-binary", "@-", `${base}/echo`), body);
    expect(stdout.equals(body)).toBe(true);
  });

  test("gets a head without a body for HEAD", async () => {
    const { code, stdout } = await run(ask("-I", `${base}/bytes/100`));
    expect([code, stdout.toString().split("\r\n")[0]]).toEqual([0, "HTTP/2 200 "]);
  });
});

describe.skipIf(h2load === null)(`h2load${h2load === null ? " (skipped: no h2load on this machine)" : ""}`, () => {
  test("has all its requests answered, many at once on several connections", async () => {
    const { stdout } = await run([h2load ?? "", "-n", "5000", "-c", "4", "-m", "32", `${base}/bytes/3000`]);
    expect(stdout.toString()).toContain("5000 succeeded, 0 failed, 0 errored, 0 timeout");
  }, 30_000);
});

const noH2spec = h2spec === undefined ? " (skipped: no h2spec in node_modules/.judges or PATH)" : "";
describe.skipIf(noH2spec !== "")(`h2spec${noH2spec}`, () => {
  test("passes in all of its cases, the strict ones too", async () => {
    const command = [h2spec ?? "", "-h", "127.0.0.1", "-p", String(server.port), "-S", "-o", "5"];
    const { code, stdout } = await run(command);
    expect(stdout.toString()).toMatch(/(\d+) tests, \1 passed, 0 skipped, 0 failed/);
    expect(code).toBe(0);
  }, 120_000);
});
