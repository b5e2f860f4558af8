import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../fakes/certificates.ts";
import { eventually } from "../fakes/eventually.ts";

const atoll = join(import.meta.dir, "..", "..", "bin", "atoll");
/** Long enough for every connection of the clients to end by itself. */
const drainTimeoutMs = 20_000;

/** Everything about a proxy that a change may change. */
export interface ProxyShape {
  readonly inbound: readonly { readonly listen: number; readonly app: number; readonly protocol: "http" | "tcp" }[];
  readonly outbound: readonly {
    readonly listen: number;
    readonly endpoints: readonly number[];
    readonly protocol: "http" | "tcp";
  }[];
  readonly admin: number;
  readonly workers: number;
}

/** A proxy as its user runs it, `atoll proxy -config FILE`, whose file and executable can be changed while it runs. */
export class RollingProxy {
  readonly #name: string;
  readonly #directory: string;
  readonly #authority: TestAuthority;
  readonly #program: string;
  #files: ReturnType<typeof writeLeaf>;
  #shape: ProxyShape;
  #process: Bun.Subprocess | undefined;
  #leaves = 0;
  /** In the configuration so that it can be seen which one is in force. */
  #mark = 0;

  constructor(
    name: string,
    options: { authority: TestAuthority; directory: string; program: string; shape: ProxyShape },
  ) {
    this.#name = name;
    this.#directory = options.directory;
    this.#authority = options.authority;
    this.#program = options.program;
    this.#shape = options.shape;
    this.#files = this.#newLeaf();
  }

  get shape(): ProxyShape {
    return this.#shape;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(): Promise<void> {
    this.#write();
    this.#process = this.#spawn([]);
    await this.#untilInForce();
  }

  /** Writes another configuration and returns when it is in force. */
  async change(shape: Partial<ProxyShape>): Promise<void> {
    this.#shape = { ...this.#shape, ...shape };
    this.#write();
    this.#process?.kill("SIGHUP");
    await this.#untilInForce();
  }

  async renewCertificate(): Promise<void> {
    this.#files = this.#newLeaf();
    await this.change({});
  }

  /** Starts a second process that takes over, and returns when the first one has ended. */
  async replace(): Promise<void> {
    const before = this.#process;
    const next = this.#spawn([`-replace=${this.pid}`]);
    this.#process = next;
    const how = await Promise.race([before?.exited, next.exited.then((code) => `the new process ended with ${code}`)]);
    if (how !== 0) throw new Error(`${this.#name}: the hand-over ended with ${how}`);
  }

  async stop(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
  }

  #spawn(flags: readonly string[]): Bun.Subprocess {
    const log = Bun.file(join(this.#directory, `${this.#name}-${crypto.randomUUID()}.log`));
    return Bun.spawn([this.#program, "proxy", `-config=${this.#path}`, ...flags], { stdout: log, stderr: "inherit" });
  }

  get #path(): string {
    return join(this.#directory, `${this.#name}.json`);
  }

  #newLeaf(): ReturnType<typeof writeLeaf> {
    const directory = mkdtempSync(join(this.#directory, `leaf-${this.#leaves++}-`));
    return writeLeaf(this.#authority.leaf("web"), directory);
  }

  #write(): void {
    const { inbound, outbound, admin, workers } = this.#shape;
    const rules = [{ source: "spiffe://*/ns/default/dc/*/svc/web", action: "allow" }];
    this.#mark++;
    const document = {
      identity: this.#files,
      inbound: inbound.map(({ listen, app, protocol }) => ({
        service: "web",
        listen: local(listen),
        app: local(app),
        protocol,
        intentions: { default: "deny", rules },
      })),
      outbound: outbound.map(({ listen, endpoints, protocol }) => ({
        service: "web",
        listen: local(listen),
        protocol,
        endpoints: endpoints.map((port) => ({ address: local(port) })),
      })),
      admin: { listen: local(admin) },
      drainTimeoutMs: drainTimeoutMs + this.#mark,
      workers,
    };
    writeFileSync(`${this.#path}.new`, JSON.stringify(document));
    renameSync(`${this.#path}.new`, this.#path);
  }

  async #untilInForce(): Promise<void> {
    const url = `http://127.0.0.1:${this.#shape.admin}/config`;
    await eventually(`${this.#name} to have its configuration`, async () => {
      const answer = await fetch(url, { keepalive: false }).catch(() => undefined);
      const text = (await answer?.text()) ?? "";
      return text.includes(`"drainTimeoutMs": ${drainTimeoutMs + this.#mark}`);
    });
  }
}

function local(port: number): string {
  return `127.0.0.1:${port}`;
}

/** A client's proxy, two of the called service, and the applications behind these. */
export interface RollingMesh {
  readonly caller: RollingProxy;
  readonly first: RollingProxy;
  readonly second: RollingProxy;
  readonly freePort: () => Promise<number>;
  stop(): Promise<void>;
}

export async function startRollingMesh(
  options: { readonly workers?: number; readonly program?: string } = {},
): Promise<RollingMesh> {
  const { workers = 1, program = atoll } = options;
  const directory = mkdtempSync(join(tmpdir(), "atoll-rolling-"));
  const authority = new TestAuthority();
  const http = createHttpServer((request, response) => {
    request.resume();
    request.on("end", () => response.end("ok"));
  });
  http.keepAliveTimeout = 60_000;
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.pipe(socket);
  });
  const apps = { http: await listen(http), tcp: await listen(echo) };
  const callee = async (name: string): Promise<RollingProxy> =>
    new RollingProxy(name, {
      authority,
      directory,
      program,
      shape: {
        inbound: [
          { listen: await freePort(), app: apps.http, protocol: "http" },
          { listen: await freePort(), app: apps.tcp, protocol: "tcp" },
        ],
        outbound: [],
        admin: await freePort(),
        workers,
      },
    });
  const first = await callee("first");
  const second = await callee("second");
  const endpoints = (at: number): number[] => [first, second].map(({ shape }) => shape.inbound[at]?.listen ?? 0);
  const caller = new RollingProxy("caller", {
    authority,
    directory,
    program,
    shape: {
      inbound: [],
      outbound: [
        { listen: await freePort(), endpoints: endpoints(0), protocol: "http" },
        { listen: await freePort(), endpoints: endpoints(1), protocol: "tcp" },
      ],
      admin: await freePort(),
      workers,
    },
  });
  const proxies = [first, second, caller];
  await Promise.all(proxies.map((proxy) => proxy.start()));
  return {
    caller,
    first,
    second,
    freePort,
    async stop() {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
      for (const server of [http, echo]) server.close();
      rmSync(directory, { recursive: true });
    },
  };
}

/** A free port, found by binding it. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(address === null || typeof address === "string" ? 0 : address.port);
    });
  });
}
