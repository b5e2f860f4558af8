import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import type { MeshProxy } from "../../proxy/proxy.ts";
import { MemoryConnection, MemoryNetwork } from "../../proxy/transport/memory.ts";
import type { ClientTls, Listener, TlsIdentity } from "../../proxy/transport/transport.ts";
import { MemoryOutputs } from "../fakes/memory-outputs.ts";
import { createVirtualClock } from "../fakes/virtual-clock.ts";
import { dialMemory, mustParse, startMemoryProxy } from "./memory-proxy.ts";

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

export interface MemoryMeshOptions {
  readonly protocol?: "http" | "http2" | "grpc";
  /** More settings of the HTTP listeners. */
  readonly inbound?: Readonly<Record<string, unknown>>;
  readonly outbound?: Readonly<Record<string, unknown>>;
  /** Of both proxies. */
  readonly limits?: object;
  readonly telemetry?: object;
  /** Takes the connections that reach the app, instead of `apps`. */
  readonly onApp?: (connection: MemoryConnection) => void;
}

/** web calls api (HTTP) and db (TCP) through two proxies on a memory network; `apps` are the connections the apps got. */
export class MemoryMesh {
  readonly network = new MemoryNetwork();
  readonly clock = createVirtualClock(0);
  /** Where logs and spans of both proxies go. */
  readonly outputs = new MemoryOutputs();
  readonly apps: Wire[] = [];
  /** Called with each connection that an app gets. */
  onApp: (app: Wire) => void = () => undefined;
  #appListener: Listener;
  readonly caller: MeshProxy;
  readonly callee: MeshProxy;
  readonly #onAppConnection: ((connection: MemoryConnection) => void) | undefined;

  constructor({
    protocol = "http",
    inbound = {},
    outbound = {},
    limits = {},
    telemetry = {},
    onApp,
  }: MemoryMeshOptions = {}) {
    this.#onAppConnection = onApp;
    this.#appListener = this.listenApp();
    this.callee = this.#start("api", calleeConfig("allow", protocol, inbound, limits, telemetry));
    this.caller = this.#start("web", callerConfig(["127.0.0.1:20000"], protocol, outbound, limits, telemetry));
  }

  listenApp(port = 8080): Listener {
    return this.network.listen({
      host: "127.0.0.1",
      port,
      onRefused: () => undefined,
      onConnection: (connection) => {
        if (!(connection instanceof MemoryConnection)) return;
        if (this.#onAppConnection !== undefined) {
          this.#onAppConnection(connection);
          return;
        }
        const app = new Wire(connection);
        this.apps.push(app);
        this.onApp(app);
      },
    });
  }

  /** The app takes no more connections. */
  stopApp(): void {
    this.#appListener.close();
  }

  startApp(): void {
    this.#appListener = this.listenApp();
  }

  client(port = 15001): Wire {
    return new Wire(this.dial(port));
  }

  /** A connection to one of the caller's listeners, for a client of another kind. */
  dial(port = 15001, tls?: ClientTls): MemoryConnection {
    return dialMemory(this.network, port, tls);
  }

  /** A caller with a leaf of the mesh and without a proxy of ours: it may write whatever it likes. */
  bareCaller(service: string): Wire {
    const identity = identityOf(service);
    return new Wire(this.dial(20000, { identity, serverName: "api", isExpectedPeer: () => true }));
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

  /** Lets time go by, at most a second at a time, with everything that happens in it. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) {
      const step = Math.min(1_000, left);
      this.network.nowMs += step;
      await this.clock.advance(step);
      this.settle();
    }
  }

  /** The metrics page of the caller's proxy. */
  metrics(): string {
    return this.page("/metrics");
  }

  metricsOfCallee(): string {
    return this.page("/metrics", 19000);
  }

  /** A page of a proxy's admin address; by default of the caller's. */
  page(path: string, port = 19001): string {
    const admin = this.client(port);
    admin.send(`GET ${path} HTTP/1.1\r\nHost: admin\r\n\r\n`);
    this.settle();
    return admin.take();
  }

  #start(service: string, config: ProxyConfig): MeshProxy {
    const { network, clock, outputs } = this;
    return startMemoryProxy(config, { network, clock, outputs, identity: identityOf(service) });
  }
}

export function calleeConfig(
  action: "allow" | "deny",
  protocol = "http",
  more: object = {},
  limits: object = {},
  telemetry: object = {},
): ProxyConfig {
  const intentions = {
    default: "deny",
    rules: [{ source: "spiffe://*/ns/default/dc/*/svc/web", action }],
  };
  return mustParse({
    inbound: [
      { service: "api", listen: "127.0.0.1:20000", app: "127.0.0.1:8080", protocol, intentions, ...more },
      { service: "api", listen: "127.0.0.1:20001", app: "127.0.0.1:8080", protocol: "tcp", intentions },
    ],
    admin: { listen: "127.0.0.1:19000" },
    limits,
    telemetry,
  });
}

export function callerConfig(
  endpoints: readonly string[],
  protocol = "http",
  more: object = {},
  limits: object = {},
  telemetry: object = {},
): ProxyConfig {
  return mustParse({
    outbound: [
      {
        service: "api",
        listen: "127.0.0.1:15001",
        protocol,
        endpoints: endpoints.map((address) => ({ address })),
        ...more,
      },
      { service: "api", listen: "127.0.0.1:15002", protocol: "tcp", endpoints: [{ address: "127.0.0.1:20001" }] },
    ],
    admin: { listen: "127.0.0.1:19001" },
    limits,
    telemetry,
  });
}
