import { once } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { systemErrorCode } from "../../../lib/base/errors.ts";
import { TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { ProxyProcess } from "./proxy-process.ts";

/** The range of `freePorts`. */
const lowest = 10_000;
const beyond = 20_000;

/**
 * A calling and a called sidecar in processes of their own, and two applications behind the called one. Everything about them can be
 * exchanged while clients call; each exchange resolves when it is over, what it replaced included.
 */
export interface RollingMesh {
  readonly ports: { readonly http: number; readonly tcp: number };
  readonly caller: ProxyProcess;
  readonly called: ProxyProcess;
  /** The callers are sent to the other endpoints. */
  changeEndpoints(): Promise<void>;
  /** The called sidecar moves to other addresses: new ones first, then the callers, then the old ones go. */
  changeListeners(): Promise<void>;
  /** New keys and certificates of the same authority. */
  changeCertificates(): Promise<void>;
  /** New processes from the executable, one sidecar after the other. */
  changeExecutable(): Promise<void>;
  stop(): Promise<void>;
}

export async function startRollingMesh(options: { readonly workers?: number } = {}): Promise<RollingMesh> {
  const temp = createTempDir();
  const authority = new TestAuthority();
  const applications = startApplications();
  const echo = await startEcho();
  const [http = 0, tcp = 0, callerAdmin = 0, calledAdmin = 0, ...mesh] = await freePorts(12);
  const files = { ...writeLeaf(authority.leaf("web"), temp.path) };
  // Four pairs of addresses for HTTP and TCP, of which the called sidecar has two at a time.
  const places = [0, 1, 2, 3].map((i) => ({ http: mesh[i * 2] ?? 0, tcp: mesh[i * 2 + 1] ?? 0 }));
  let live = places.slice(0, 2);
  let chosen = 0;
  const common = (admin: number) => ({
    identity: files,
    admin: { listen: local(admin) },
    drainTimeoutMs: 10_000,
    workers: options.workers ?? 1,
  });
  const intentions = { default: "deny", rules: [{ source: "spiffe://*/ns/default/dc/*/svc/web", action: "allow" }] };
  const inbound = (listed: readonly Place[]): object => ({
    ...common(calledAdmin),
    inbound: listed.flatMap((place) => [
      { service: "web", protocol: "http", listen: local(place.http), app: local(applications.port ?? 0), intentions },
      { service: "web", protocol: "tcp", listen: local(place.tcp), app: local(echo.port), intentions },
    ]),
  });
  const outbound = (place: Place): object => ({
    ...common(callerAdmin),
    outbound: [
      { service: "web", protocol: "http", listen: local(http), endpoints: [{ address: local(place.http) }] },
      { service: "web", protocol: "tcp", listen: local(tcp), endpoints: [{ address: local(place.tcp) }] },
    ],
  });
  const called = new ProxyProcess(join(temp.path, "called"), calledAdmin);
  const caller = new ProxyProcess(join(temp.path, "caller"), callerAdmin);
  const current = (): Place => live[chosen] ?? { http: 0, tcp: 0 };
  await called.start(inbound(live));
  await caller.start(outbound(current()));
  return {
    ports: { http, tcp },
    caller,
    called,
    async changeEndpoints() {
      chosen = 1 - chosen;
      await caller.apply(outbound(current()));
    },
    async changeListeners() {
      const next = places.filter((place) => !live.includes(place));
      await called.apply(inbound([...live, ...next]));
      live = next;
      await caller.apply(outbound(current()));
      await called.apply(inbound(live));
    },
    async changeCertificates() {
      const leaf = authority.leaf("web");
      replaceFile(files.keyFile, leaf.keyPem);
      replaceFile(files.certFile, leaf.certPem);
      await called.apply(inbound(live));
      await caller.apply(outbound(current()));
    },
    async changeExecutable() {
      await called.replace();
      await caller.replace();
    },
    async stop() {
      await caller.stop();
      await called.stop();
      await applications.stop(true);
      echo.server.close();
      temp[Symbol.dispose]();
    },
  };
}

interface Place {
  readonly http: number;
  readonly tcp: number;
}

function local(port: number): string {
  return `127.0.0.1:${port}`;
}

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.next`, text, { mode: 0o600 });
  renameSync(`${path}.next`, path);
}

function startApplications() {
  return Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("ok") });
}

async function startEcho() {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  return { server, port: await listen(server) };
}

/**
 * Bound all at once, so that they differ. Below the ports that the kernel gives to connections (32,768 on): the clients here open
 * thousands, and one of them would hold a port that a sidecar leaves and comes back to.
 */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, bindLow));
  const ports = servers.map(portOf);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Another port when somebody has the one that was tried. */
async function bindLow(): Promise<Server> {
  for (;;) {
    const server = createServer();
    try {
      await listen(server, lowest + Math.floor(Math.random() * (beyond - lowest)));
      return server;
    } catch (error) {
      if (systemErrorCode(error) !== "EADDRINUSE") throw error;
    }
  }
}

async function listen(server: Server, port = 0): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return portOf(server);
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
