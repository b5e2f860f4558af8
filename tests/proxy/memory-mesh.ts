import { createSeededRandom } from "../../lib/base/random.ts";
import { silentLogger } from "../../lib/base/logger.ts";
import { type ProxyConfig, parseProxyConfig } from "../../lib/contract/proxy-config.ts";
import { MeshProxy } from "../../proxy/proxy.ts";
import { MemoryConnection, MemoryNetwork } from "../../proxy/transport/memory.ts";
import type { TlsIdentity } from "../../proxy/transport/transport.ts";
import { createVirtualClock } from "../fakes/virtual-clock.ts";

export const trustDomain = "11111111-2222-3333-4444-555555555555.consul";

export function identityOf(service: string): TlsIdentity {
  const spiffeUri = `spiffe://${trustDomain}/ns/default/dc/dc1/svc/${service}`;
  return { certPem: service, keyPem: service, caPem: "ca", spiffeUri, notAfterMs: Number.POSITIVE_INFINITY };
}

/** One end of a connection as a test holds it: everything that came, as text. */
export class Wire {
  received = "";
  hasEnded = false;
  readonly connection: MemoryConnection;

  constructor(connection: MemoryConnection) {
    this.connection = connection;
    connection.handler = {
      onData: (chunk) => {
        this.received += chunk.toString("latin1");
      },
      onDrain: () => undefined,
      onEnd: () => {
        this.hasEnded = true;
      },
      onClose: () => undefined,
    };
  }

  send(text: string): void {
    this.connection.write(Buffer.from(text, "latin1"));
  }

  /** What came since the last call. */
  take(): string {
    const text = this.received;
    this.received = "";
    return text;
  }
}

/** web calls api (HTTP) and db (TCP) through two proxies on a memory network; `apps` are the connections the apps got. */
export class MemoryMesh {
  readonly network = new MemoryNetwork();
  readonly clock = createVirtualClock(0);
  readonly apps: Wire[] = [];
  readonly caller: MeshProxy;
  readonly callee: MeshProxy;

  constructor() {
    this.network.listen({
      host: "127.0.0.1",
      port: 8080,
      onRefused: () => undefined,
      onConnection: (connection) => {
        if (connection instanceof MemoryConnection) this.apps.push(new Wire(connection));
      },
    });
    this.callee = this.#start("api", calleeConfig("allow"));
    this.caller = this.#start("web", callerConfig(["127.0.0.1:20000"]));
  }

  client(port = 15001): Wire {
    let wire: Wire | undefined;
    this.network.connect({
      host: "127.0.0.1",
      port,
      timeoutMs: 1_000,
      onResult: (result) => {
        if (result.ok && result.connection instanceof MemoryConnection) wire = new Wire(result.connection);
      },
    });
    this.network.settle();
    if (wire === undefined) throw new Error(`nothing listens on ${port}`);
    return wire;
  }

  /** The newest connection an app got. */
  app(): Wire {
    const app = this.apps.at(-1);
    if (app === undefined) throw new Error("no connection has reached the app");
    return app;
  }

  settle(): void {
    this.network.settle();
  }

  /** The metrics page of the caller's proxy. */
  metrics(): string {
    return this.#metricsAt(19001);
  }

  metricsOfCallee(): string {
    return this.#metricsAt(19000);
  }

  #metricsAt(port: number): string {
    const admin = this.client(port);
    admin.send("GET /metrics HTTP/1.1\r\nHost: admin\r\n\r\n");
    this.settle();
    return admin.take();
  }

  #start(service: string, config: ProxyConfig): MeshProxy {
    return new MeshProxy(
      {
        runtime: { clock: this.clock, random: createSeededRandom(1), logger: silentLogger },
        transport: this.network,
        loadIdentity: () => identityOf(service),
        residentBytes: () => 0,
        onDrainRequested: () => undefined,
        onRestartRequested: () => undefined,
        sharing: "claim",
        processes: 1,
      },
      config,
    );
  }
}

const identity = { certFile: "leaf.crt", keyFile: "leaf.key", caFile: "roots.crt" };

export function calleeConfig(action: "allow" | "deny"): ProxyConfig {
  const intentions = {
    default: "deny",
    rules: [{ source: "spiffe://*/ns/default/dc/*/svc/web", action }],
  };
  return mustParse({
    identity,
    inbound: [
      { service: "api", listen: "127.0.0.1:20000", app: "127.0.0.1:8080", protocol: "http", intentions },
      { service: "api", listen: "127.0.0.1:20001", app: "127.0.0.1:8080", protocol: "tcp", intentions },
    ],
    admin: { listen: "127.0.0.1:19000" },
  });
}

export function callerConfig(endpoints: readonly string[]): ProxyConfig {
  return mustParse({
    identity,
    outbound: [
      {
        service: "api",
        listen: "127.0.0.1:15001",
        protocol: "http",
        endpoints: endpoints.map((address) => ({ address })),
      },
      { service: "api", listen: "127.0.0.1:15002", protocol: "tcp", endpoints: [{ address: "127.0.0.1:20001" }] },
    ],
    admin: { listen: "127.0.0.1:19001" },
  });
}

function mustParse(document: unknown): ProxyConfig {
  const parsed = parseProxyConfig(document);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.config;
}
