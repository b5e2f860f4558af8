import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { listenHttp } from "../../../lib/http/listen.ts";
import { createTestCatalog, instanceBody } from "./test-catalog.ts";

/** The same API judged by a client that we did not write. */
const curl = Bun.which("curl");
const catalog = createTestCatalog();
let base = "";

beforeAll(async () => {
  const { port } = await listenHttp(catalog.app, { host: "127.0.0.1", port: 0 });
  base = `http://127.0.0.1:${port}`;
});
afterAll(() => catalog.app.close());

async function run(...args: readonly string[]): Promise<string> {
  const child = Bun.spawn([curl ?? "curl", "-s", "-i", "--max-time", "10", ...args], { stdout: "pipe" });
  return new Response(child.stdout).text();
}

describe.skipIf(curl === null)(`curl${curl === null ? " (skipped: no curl on this machine)" : ""}`, () => {
  test("-X PUT -d registers, though curl calls the body a form", async () => {
    const body = JSON.stringify(instanceBody({ node: "vm1", service: "web" }));
    const answer = await run("-X", "PUT", "-d", body, `${base}/v1/catalog/register`);
    expect(answer).toStartWith("HTTP/1.1 200");
    expect(answer).toEndWith("\r\n\r\ntrue");
  });

  test("header names are spelled as Consul spells them", async () => {
    const answer = await run(`${base}/v1/catalog/service/web?pretty`);
    expect(answer).toContain("\r\nX-Consul-Index: ");
    expect(answer).toContain("\r\nX-Consul-KnownLeader: true\r\n");
    expect(answer).toContain("\r\nX-Consul-LastContact: 0\r\n");
    expect(answer).toContain("\r\nX-Consul-Effective-Consistency: leader\r\n");
    expect(answer).toContain("\r\nX-Consul-Default-ACL-Policy: allow\r\n");
    expect(answer).toContain("application/json\r\n");
    expect(answer).toContain('[\n    {\n        "ID": "",');
    expect(answer).toEndWith("]\n");
  });

  test("-I asks with HEAD, which no endpoint has", async () => {
    const answer = await run("-I", `${base}/v1/catalog/nodes`);
    expect(answer).toStartWith("HTTP/1.1 405");
    expect(answer).toContain("\r\nAllow: OPTIONS,GET\r\n");
  });

  test("a blocking query is answered when the change comes", async () => {
    const { index } = await catalog.get("/v1/catalog/service/api");
    const query = run(`${base}/v1/catalog/service/api?index=${index}&wait=8s`);
    while (catalog.app.openRequests.count() === 0) await Bun.sleep(5);
    await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "vm1", service: "api" }));
    expect(await query).toContain('"ServiceName":"api"');
  });

  test("a body of 600 kB sent in chunks is refused with 413 and the limit", async () => {
    const big = JSON.stringify({ Node: "n".repeat(600_000) });
    const child = Bun.spawn(
      [curl ?? "curl", "-s", "-i", "--max-time", "10", "-T", "-", `${base}/v1/catalog/register`],
      {
        stdin: new Blob([big]),
        stdout: "pipe",
      },
    );
    const answer = await new Response(child.stdout).text();
    expect(answer).toContain("HTTP/1.1 413");
    expect(answer).toContain("too large, max size: 524288 bytes");
  });
});
