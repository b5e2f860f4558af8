import { existsSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createLineReader } from "../../lib/base/line-reader.ts";
import { mustGet } from "../../lib/base/assert.ts";
import { createWorkspace, executable, type Workspace } from "./pairs.ts";
import { median, mustFind, type Pinned, proxyCore, report, rounded, startPinned } from "./process.ts";

const services = 1_000;
const endpointsEach = 10;
/** Below those that the kernel gives to clients. */
const firstPort = 30_000;
const adminPort = firstPort + services;
const rounds = 50;
const warmUpRounds = 20;
const answerTimeoutMs = 60_000;

interface Service {
  readonly service: string;
  readonly listen: string;
  readonly protocol: "http";
  readonly endpoints: readonly { readonly address: string }[];
}

/**
 * A proxy with 1,000 destinations of ten endpoints each, driven over the agent's socket: from the document to its being in force, the
 * memory that it takes, and how long one changed endpoint takes, sent as a change and as a whole document. HAProxy with as
 * many listeners and servers: from exec until the last listener is open.
 */
export async function benchProxyConfig(): Promise<void> {
  if (!existsSync(executable)) throw new Error("dist/atoll is missing: run npm run build first");
  const workspace = createWorkspace();
  try {
    await benchAtoll(workspace);
    await benchHaproxy(workspace);
  } finally {
    rmSync(workspace.directory, { recursive: true, force: true });
  }
}

async function benchAtoll(workspace: Workspace): Promise<void> {
  const agent = await FakeAgent.listen(join(workspace.directory, "agent.sock"));
  const proxy = Bun.spawn(
    [mustFind("taskset"), "-c", `${proxyCore}`, executable, "proxy", "-agent-socket", agent.path, "-id", "web"],
    { stdout: Bun.file(join(workspace.directory, "atoll.log")), stderr: "ignore" },
  );
  try {
    await agent.hello();
    const emptyMb = residentMb(proxy.pid);
    const document = {
      identity: workspace.files,
      admin: { listen: `127.0.0.1:${adminPort}` },
      outbound: servicesOf(0),
    };
    const loadMs = await agent.apply({ type: "config", config: document });
    report({
      ...figure,
      store: "atoll",
      what: "load",
      ms: rounded(loadMs, 0),
      resident_mb: residentMb(proxy.pid),
      before_mb: emptyMb,
    });
    for (const kind of ["changes", "config"] as const) {
      const times: number[] = [];
      for (let round = 0; round < warmUpRounds + rounds; round++) {
        const index = (round * 37) % services;
        const value = mustGet(servicesOf(round + 1)[index], "a service for each index");
        document.outbound = document.outbound.map((one, i) => (i === index ? value : one));
        const change = { type: "changes", entries: [{ side: "outbound", index, value }] };
        const ms = await agent.apply(kind === "changes" ? change : { type: "config", config: document });
        if (round >= warmUpRounds) times.push(ms);
      }
      const what = kind === "changes" ? "one endpoint changed" : "the same as a whole document";
      report({
        ...figure,
        store: "atoll",
        what,
        rounds,
        median_ms: rounded(median(times)),
        max_ms: rounded(Math.max(...times)),
      });
    }
  } finally {
    proxy.kill("SIGKILL");
    await proxy.exited;
    agent.close();
  }
}

const figure = { bench: "proxy-config", services, endpoints: services * endpointsEach };

/** `change` tells one state of the endpoints from another. */
function servicesOf(change: number): Service[] {
  return Array.from({ length: services }, (_, i) => ({
    service: `service-${i}`,
    listen: `127.0.0.1:${firstPort + i}`,
    protocol: "http",
    endpoints: Array.from({ length: endpointsEach }, (__, j) => ({
      address: `127.${1 + change}.${i >> 8}.${i & 255}:${21_000 + j}`,
    })),
  }));
}

async function benchHaproxy(workspace: Workspace): Promise<void> {
  const lines = servicesOf(0).flatMap(({ service, listen, endpoints }) => [
    `listen ${service}`,
    `  bind ${listen}`,
    ...endpoints.map(
      ({ address }, j) =>
        `  server s${j} ${address} ssl crt ${workspace.bundle} ca-file ${workspace.files.caFile} verify required`,
    ),
  ]);
  const config = join(workspace.directory, "haproxy.cfg");
  const defaults = ["defaults", "  mode http", "  timeout connect 5s", "  timeout client 60s", "  timeout server 60s"];
  writeFileSync(config, `${["global", "  nbthread 1", "  maxconn 1000", ...defaults, ...lines].join("\n")}\n`);
  const startMs = performance.now();
  const haproxy: Pinned = await startPinned({
    name: "haproxy",
    command: [mustFind("haproxy"), "-db", "-f", config],
    core: proxyCore,
    readyPort: firstPort + services - 1,
    cwd: workspace.directory,
  });
  const ms = performance.now() - startMs;
  report({
    ...figure,
    store: "haproxy",
    what: "load",
    ms: rounded(ms, 0),
    resident_mb: rounded(haproxy.residentMb(), 1),
  });
  await haproxy.stop();
}

function residentMb(pid: number): number {
  const { stdout } = Bun.spawnSync(["ps", "-o", "rss=", "-p", `${pid}`]);
  return rounded(Number(stdout.toString().trim()) / 1024, 1);
}

/** The agent's end of the socket, which measures from a message to its being in force. */
class FakeAgent {
  readonly path: string;
  readonly #server: Server;
  readonly #connected = Promise.withResolvers<Socket>();
  readonly #hello = Promise.withResolvers<void>();
  #onAnswer: (message: { readonly type: string; readonly version: number; readonly message?: string }) => void = () =>
    undefined;
  #version = 0;

  private constructor(path: string) {
    this.path = path;
    this.#server = createServer((socket) => {
      const reader = createLineReader({
        maxLineBytes: 1024 * 1024,
        onLine: (line) => this.#receive(JSON.parse(line)),
        onTooLong: () => socket.destroy(),
      });
      socket.on("data", (chunk) => reader.push(Buffer.from(chunk)));
      this.#connected.resolve(socket);
    });
  }

  static async listen(path: string): Promise<FakeAgent> {
    const agent = new FakeAgent(path);
    await new Promise<void>((resolve) => agent.#server.listen(path, resolve));
    return agent;
  }

  hello(): Promise<void> {
    return this.#hello.promise;
  }

  /** Milliseconds until the proxy says that it has applied it; rejects when it refuses. */
  async apply(message: object): Promise<number> {
    const socket = await this.#connected.promise;
    const base = this.#version++;
    const version = this.#version;
    const line = `${JSON.stringify({ ...message, version, base })}\n`;
    const answered = Promise.withResolvers<void>();
    const timer = setTimeout(() => answered.reject(new Error("the proxy did not answer")), answerTimeoutMs);
    this.#onAnswer = (answer) => {
      if (answer.type === "applied") answered.resolve();
      else answered.reject(new Error(answer.message));
    };
    const startMs = performance.now();
    socket.write(line);
    await answered.promise;
    clearTimeout(timer);
    return performance.now() - startMs;
  }

  close(): void {
    this.#server.close();
    void this.#connected.promise.then((socket) => socket.destroy());
  }

  #receive(message: { readonly type: string; readonly version: number; readonly message?: string }): void {
    if (message.type === "hello") this.#hello.resolve();
    else this.#onAnswer(message);
  }
}
