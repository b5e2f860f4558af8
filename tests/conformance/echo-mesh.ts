import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import type { MeshProxy } from "../../proxy/proxy.ts";
import { MemoryConnection, MemoryNetwork } from "../../proxy/transport/memory.ts";
import { createVirtualClock } from "../fakes/virtual-clock.ts";
import { Http2App, Http2Client } from "../proxy/http2-ends.ts";
import { identityOf, Wire } from "../proxy/memory-mesh.ts";
import { dialMemory, mustParse, startMemoryProxy } from "../proxy/memory-proxy.ts";

/** One of a message's two directions as a test reads it: names in lower case, several lines of a field joined by commas. */
export interface Message {
  readonly start: string;
  readonly fields: Readonly<Record<string, string>>;
}

export interface Answer extends Message {
  readonly status: number;
  /** What the application read, and which one it was; absent when the proxy answered itself. */
  readonly seen: (Message & { readonly backend: string; readonly path: string }) | undefined;
}

export interface CallOptions {
  readonly port?: number;
  readonly host?: string;
  readonly method?: string;
  readonly fields?: Readonly<Record<string, string>>;
}

export const backends = ["echo-v1", "echo-v2"] as const;
/** With one that is nobody's unless a route names it. */
const instances = [...backends, "echo-v3"] as const;
type Protocol = "http" | "grpc";

/**
 * The echo services of the Gateway API's mesh conformance in memory: `echo-v1` and `echo-v2` behind their sidecars, and one
 * caller whose sidecar has the outbound listeners of a test. `echo` stands for both, as a Service that selects both does.
 */
export class EchoMesh {
  readonly network = new MemoryNetwork();
  readonly #clock = createVirtualClock(0);
  readonly #apps = new Map<string, Http2App>();
  readonly #caller: MeshProxy;
  readonly #protocol: Protocol;
  readonly #clients = new Map<number, Http2Client>();
  readonly #heard = new Map<string, Message[]>(instances.map((name) => [name, []]));

  constructor(outbound: readonly object[], protocol: Protocol = "http") {
    this.#protocol = protocol;
    instances.forEach((service, i) => {
      this.#serveApp(service, 8080 + i);
      const inbound = [
        {
          service,
          listen: `127.0.0.1:${20000 + i}`,
          app: `127.0.0.1:${8080 + i}`,
          protocol,
          intentions: { default: "allow" },
        },
      ];
      this.#start(service, { inbound, admin: { listen: `127.0.0.1:${19000 + i}` } });
    });
    this.#caller = this.#start("client", this.#callerDocument(outbound));
  }

  /** Of the caller's proxy. */
  get config(): ProxyConfig {
    return this.#caller.config;
  }

  dial(port = 15000): MemoryConnection {
    return dialMemory(this.network, port);
  }

  settle(): void {
    this.network.settle();
  }

  /** A connection over which a test says what it likes. */
  client(port = 15000): Wire {
    return new Wire(this.dial(port));
  }

  /** Of the caller's proxy. */
  metrics(): string {
    const admin = this.client(19010);
    admin.send("GET /metrics HTTP/1.1\r\nHost: admin\r\n\r\n");
    this.settle();
    return admin.take();
  }

  /** Other routes, without a new proxy. */
  apply(outbound: readonly object[], version: number): void {
    this.#caller.apply(mustParse(this.#callerDocument(outbound)), version);
    this.settle();
  }

  /** The requests that an application has read since the last time. */
  heard(backend: (typeof instances)[number]): readonly Message[] {
    const lines = this.#apps.get(backend)?.take() ?? [];
    const calls = lines.flatMap((line) => {
      const [, list] = /^\d+ request (.*)$/.exec(line) ?? [];
      return list === undefined ? [] : [{ start: "", fields: fieldsOf(list.split("|")) }];
    });
    return [...(this.#heard.get(backend)?.splice(0) ?? []), ...calls];
  }

  /** One request over HTTP/1.1. */
  get(path: string, { port = 15000, host = "echo", method = "GET", fields = {} }: CallOptions = {}): Answer {
    const client = this.client(port);
    const lines = Object.entries({ Host: host, ...fields }).map(([name, value]) => `${name}: ${value}\r\n`);
    client.send(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
    this.settle();
    const [head = "", body = ""] = splitHead(client.take());
    const response = readMessage(head);
    const backend = response.fields["x-backend"];
    const status = Number(response.start.split(" ")[1]);
    if (backend === undefined) return { ...response, status, seen: undefined };
    const seen = readMessage(body);
    return { ...response, status, seen: { ...seen, backend, path: seen.start.split(" ")[1] ?? "" } };
  }

  /** One gRPC call; the status of an answer of the proxy itself is that of `grpc-status`. */
  call(path: string, { port = 15000, host = "echo", fields = {} }: CallOptions = {}): Answer {
    const client = this.#clients.get(port) ?? new Http2Client(this, port);
    this.#clients.set(port, client);
    const metadata = Object.entries(fields).flat();
    client.request(`POST ${path}`, ["content-type", "application/grpc", "te", "trailers", ...metadata], {
      authority: host,
    });
    for (const [backend, app] of this.#apps) {
      const [id = "", , list = ""] = (app.take().find((line) => line.includes(" request ")) ?? "").split(" ");
      if (id === "") continue;
      app.respond(this, Number(id), [":status", "200", "content-type", "application/grpc"]);
      app.trailers(this, Number(id), ["grpc-status", "0"]);
      const seen = { start: "", fields: fieldsOf(list.split("|")), backend, path };
      return { ...this.#grpcAnswer(client), seen: { ...seen, path: seen.fields[":path"] ?? "" } };
    }
    return { ...this.#grpcAnswer(client), seen: undefined };
  }

  #grpcAnswer(client: Http2Client): Message & { readonly status: number } {
    const texts = client.take().map((line) => line.replace(/^\d+ \w+ | end$/g, ""));
    const fields = fieldsOf(texts.flatMap((text) => text.split("|")));
    return { start: "", fields, status: Number(fields["grpc-status"]) };
  }

  #callerDocument(outbound: readonly object[]): object {
    const protocol = this.#protocol;
    const clusters = instances.map((name, i) => ({ name, endpoints: [{ address: `127.0.0.1:${20000 + i}` }] }));
    return {
      outbound: outbound.map((listener) => withClusters({ protocol, clusters }, listener)),
      admin: { listen: "127.0.0.1:19010" },
    };
  }

  #serveApp(service: string, port: number): void {
    const app = new Http2App();
    this.#apps.set(service, app);
    this.network.listen({
      host: "127.0.0.1",
      port,
      onRefused: () => undefined,
      onConnection: (connection) => {
        if (!(connection instanceof MemoryConnection)) return;
        if (this.#protocol === "grpc") app.accept(connection);
        else echo(connection, service, (text) => this.#heard.get(service)?.push(readMessage(text)));
      },
    });
  }

  #start(service: string, document: object): MeshProxy {
    const options = { network: this.network, clock: this.#clock, identity: identityOf(service) };
    return startMemoryProxy(mustParse(document), options);
  }
}

interface NamedCluster {
  readonly name: string;
  readonly endpoints: readonly object[];
}

/** A listener's own cluster is that of its service; that of `echo` has the instances of both. */
function withClusters(
  { protocol, clusters }: { readonly protocol: Protocol; readonly clusters: readonly NamedCluster[] },
  listener: { readonly service?: string },
): object {
  const { service = "echo" } = listener;
  const isBackend = (name: string): boolean => backends.some((backend) => backend === name);
  const own = clusters.filter(({ name }) => (service === "echo" ? isBackend(name) : name === service));
  return {
    service,
    listen: "127.0.0.1:15000",
    protocol,
    endpoints: own.flatMap(({ endpoints }) => endpoints),
    peerIdentity: "spiffe://*/ns/default/dc/*/svc/*",
    clusters: clusters.filter(({ name }) => name !== service),
    ...listener,
  };
}

/** Answers every request with the head that it read, and an upgrade in the new protocol. */
function echo(connection: MemoryConnection, service: string, onRequest: (text: string) => void): void {
  const wire = new Wire(connection);
  const { handler } = connection;
  connection.handler = {
    ...handler,
    onData: (chunk) => {
      handler.onData(chunk);
      if (!wire.received.includes("\r\n\r\n")) return;
      const body = wire.take();
      onRequest(body);
      if (body.includes("\r\nupgrade: ")) {
        wire.send(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${body}`);
        return;
      }
      wire.send(
        `HTTP/1.1 200 OK\r\nX-Backend: ${service}\r\nServer: echo\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    },
  };
}

function splitHead(text: string): readonly [string, string] {
  const at = text.indexOf("\r\n\r\n") + 2;
  return [text.slice(0, at), text.slice(at + 2)];
}

function readMessage(text: string): Message {
  const [start = "", ...lines] = text.split("\r\n");
  const pairs = lines.flatMap((line) => {
    const colon = line.indexOf(":");
    return colon < 0 ? [] : [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { start, fields: fieldsOf(pairs) };
}

function fieldsOf(pairs: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i] ?? "";
    const value = pairs[i + 1] ?? "";
    const before = fields[name];
    fields[name] = before === undefined ? value : `${before},${value}`;
  }
  return fields;
}
