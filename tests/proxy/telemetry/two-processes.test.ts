import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { eventually } from "../../fakes/eventually.ts";
import { findFreePorts } from "../../../tools/free-ports.ts";
import { runProxy, selfCall, statusOf } from "../proxy-program.ts";

/** `atoll proxy` with two processes on the same addresses: their logs, metrics and taps are those of one proxy. */
const directory = mkdtempSync(join(tmpdir(), "atoll-two-"));
const files = writeLeaf(new TestAuthority().leaf("web"), directory);
const ends: (() => Promise<void> | void)[] = [];
/** By chance all of them could come to one process: one in 2^48. */
const calls = 48;

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
afterAll(() => rmSync(directory, { recursive: true }));

async function listen(): Promise<{ port: number; close: () => void }> {
  const server = createServer((_, response) => response.end("fine"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, close: () => server.close() };
}

test("every request of both processes is in the log, the metrics and the tap, once per listener", async () => {
  const app = await listen();
  ends.push(() => app.close());
  const [listening = 0, mesh = 0, adminPort = 0] = await findFreePorts("127.0.0.1", 3);
  const ports = { listen: listening, mesh, admin: adminPort, app: app.port };
  const config = join(directory, "proxy.json");
  const document = {
    ...selfCall(files, ports),
    workers: 2,
    telemetry: {
      accessLog: {
        enabled: true,
        path: "stdout",
        jsonFormat: { on: "%DOWNSTREAM_LOCAL_ADDRESS%", path: "%REQ(:PATH)%" },
      },
      metrics: { names: ["own"] },
      tap: { maxLinesPerSecond: 10_000 },
    },
  };
  writeFileSync(config, JSON.stringify(document));
  const { child, end } = runProxy(["-config", config]);
  ends.push(end);
  const output = new Response(child.stdout).text();
  const admin = `http://127.0.0.1:${ports.admin}`;
  await eventually("the proxy to be ready", async () => (await statusOf(`${admin}/ready`)) === 200);
  await eventually("both processes", async () =>
    /atoll_proxy_buffered_bytes_limit 536870912/.test(await (await fetch(`${admin}/metrics`)).text()),
  );

  const tap = await fetch(`${admin}/tap?direction=outbound&path-prefix=/call&limit=${calls}`);
  const tapped = tap.text();
  for (let i = 0; i < calls; i++) expect(await statusOf(`http://127.0.0.1:${ports.listen}/call/${i}`)).toBe(200);
  const wanted = Array.from({ length: calls }, (_, i) => `/call/${i}`).toSorted();
  const pathsOf = (text: string): string[] =>
    text
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line).path)
      .toSorted();
  expect(pathsOf(await tapped)).toEqual(wanted);

  const metrics = await (await fetch(`${admin}/metrics`)).text();
  const counted = metrics.split("\n").filter((line) => line.startsWith("atoll_proxy_requests_total{"));
  expect(counted.map((line) => line.split(" ").at(-1))).toEqual([`${calls}`, `${calls}`]);

  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  const lines = (await output).split("\n").filter((line) => line.startsWith('{"on"'));
  expect(pathsOf(lines.filter((line) => line.includes(`:${ports.listen}"`)).join("\n"))).toEqual(wanted);
  expect(pathsOf(lines.filter((line) => line.includes(`:${ports.mesh}"`)).join("\n"))).toEqual(wanted);
}, 30_000);
