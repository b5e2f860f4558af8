import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../fakes/certificates.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { eventually } from "../fakes/eventually.ts";
import { type ProxyProgram, runProxy, selfCall, type SidecarPorts, statusOf } from "./proxy-program.ts";

/** A real process, real sockets, real certificates. */
const authority = new TestAuthority();
const directory = mkdtempSync(join(tmpdir(), "atoll-proxy-"));
const files = writeLeaf(authority.leaf("web"), directory);
const ends: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
afterAll(() => rmSync(directory, { recursive: true }));

function start(args: readonly string[]): ProxyProgram["child"] {
  const { child, end } = runProxy(args);
  ends.push(end);
  return child;
}

async function run(args: readonly string[]): Promise<{ code: number; output: string }> {
  const child = start(args);
  const output = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
  return { code: await child.exited, output };
}

function writeConfig(document: unknown): string {
  const path = join(directory, `proxy-${crypto.randomUUID()}.json`);
  writeFileSync(path, typeof document === "string" ? document : JSON.stringify(document));
  return path;
}

async function bindServer(
  onData = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    socket.on("data", () => socket.write(onData));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server, port: address.port };
}

async function startPair(): Promise<{ ports: SidecarPorts; config: string; child: ReturnType<typeof start> }> {
  const app = await bindServer();
  ends.push(() => void app.server.close());
  const [listen = 0, mesh = 0, admin = 0] = await findFreePorts("127.0.0.1", 3);
  const ports = { listen, mesh, admin, app: app.port };
  const config = writeConfig(selfCall(files, ports));
  const child = start(["-config", config]);
  await eventually("the proxy to be ready", () => status(ports.admin, "/ready").then((code) => code === 200));
  return { ports, config, child };
}

function status(port: number, path: string, init: RequestInit = {}): Promise<number> {
  return statusOf(`http://127.0.0.1:${port}${path}`, init);
}

describe("a proxy that cannot start", () => {
  test("names line and column of a syntax error", async () => {
    const path = writeConfig('{\n  "identity": {,}\n}');
    expect(await run(["-config", path])).toEqual({ code: 1, output: expect.stringContaining(`${path}:2:16: `) });
  });

  test("names the path of every wrong field", async () => {
    const document = {
      identity: files,
      inbound: [{ service: "web", listen: "nowhere", app: "127.0.0.1:80", prtocol: "http" }],
      admin: {},
    };
    const { code, output } = await run(["-config", writeConfig(document)]);
    expect(code).toBe(1);
    expect(output).toContain("inbound[0].prtocol: unknown field");
    expect(output).toContain("inbound[0].intentions: is required");
    expect(output).toContain("admin.listen: is required");
  });

  test("names the file of an unreadable certificate", async () => {
    const document = { identity: { ...files, certFile: "/nowhere/leaf.crt" }, admin: { listen: "127.0.0.1:0" } };
    const { code, output } = await run(["-config", writeConfig(document)]);
    expect([code, output]).toEqual([1, expect.stringContaining("identity.certFile: cannot read /nowhere/leaf.crt")]);
  });

  test("names the address that another process holds", async () => {
    const taken = await bindServer();
    ends.push(() => void taken.server.close());
    const [mesh = 0, admin = 0] = await findFreePorts("127.0.0.1", 2);
    const ports = { listen: taken.port, mesh, admin, app: 1 };
    const { code, output } = await run(["-config", writeConfig(selfCall(files, ports))]);
    expect(code).toBe(1);
    expect(output).toContain(`cannot listen on 127.0.0.1:${taken.port}: another process holds it`);
  });

  test("says which flags belong together", async () => {
    expect(await run(["-id", "web"])).toEqual({
      code: 1,
      output: expect.stringContaining("-agent-socket together with -id"),
    });
  });
});

describe("a running proxy", () => {
  test("serves requests, and its admin pages say so without any secret", async () => {
    const { ports, config: file } = await startPair();
    expect(await status(ports.listen, "/")).toBe(200);
    const metrics = await (await fetch(`http://127.0.0.1:${ports.admin}/metrics`)).text();
    expect(metrics).toMatch(/^request_total\{direction="inbound",service="web",listener="[^"]+"\} 1$/m);
    const reading = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(metrics)?.[1]);
    const heap = reading("atoll_proxy_heap_bytes");
    expect(heap).toBeGreaterThan(0);
    expect(reading("process_resident_memory_bytes")).toBeGreaterThan(heap);
    const config = await (await fetch(`http://127.0.0.1:${ports.admin}/config`)).text();
    expect(JSON.parse(config).config.outbound[0].connectTimeoutMs).toBe(5_000);
    expect(config).not.toContain("PRIVATE KEY");
    const page = await (await fetch(`http://127.0.0.1:${ports.admin}/config?sources`)).text();
    expect(JSON.parse(page).settings).toContainEqual({
      path: "inbound[0].intentions.default",
      value: "deny",
      source: file,
    });
    expect(JSON.parse(page).settings).toContainEqual({
      path: "outbound[0].connectTimeoutMs",
      value: 5_000,
      source: "default",
    });
    expect(await status(ports.admin, "/nothing")).toBe(404);
    expect(await status(ports.admin, "/drain")).toBe(405);
  });

  test("takes a changed file by itself, keeps the old configuration when the new one is wrong, and takes SIGHUP", async () => {
    const { ports, config, child } = await startPair();
    const replace = (text: string): void => {
      writeFileSync(`${config}.new`, text);
      renameSync(`${config}.new`, config);
    };
    replace(JSON.stringify(selfCall(files, ports, "deny")));
    await eventually("the denial", () => status(ports.listen, "/").then((code) => code === 403));
    replace("{");
    child.kill("SIGHUP");
    expect(await status(ports.listen, "/")).toBe(403);
    replace(JSON.stringify(selfCall(files, ports)));
    child.kill("SIGHUP");
    await eventually("the permission", () => status(ports.listen, "/").then((code) => code === 200));
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await new Response(child.stdout).text()).toContain("the previous one stays in force");
  });

  test("drains when asked to: finishes, closes its ports and exits 0", async () => {
    const { ports, child } = await startPair();
    expect(await status(ports.admin, "/drain", { method: "POST" })).toBe(200);
    expect(await child.exited).toBe(0);
    expect(await status(ports.listen, "/")).toBe(0);
  });
});
