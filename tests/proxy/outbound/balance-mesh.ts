import { createLogger, type Logger } from "../../../lib/base/logger.ts";
import type { MeshProxy } from "../../../proxy/proxy.ts";
import { MemoryConnection, MemoryNetwork } from "../../../proxy/transport/memory.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { identityOf, Wire } from "../memory-mesh.ts";
import { dialMemory, mustParse, startMemoryProxy } from "../memory-proxy.ts";

export interface BalanceMeshOptions {
  readonly protocol?: "http" | "tcp";
  readonly balancer?: object;
  /** More fields of the caller's listener. */
  readonly outbound?: object;
  /** Of both proxies. */
  readonly limits?: object;
  /** More fields of each endpoint. */
  readonly endpoints: readonly object[];
}

/** web calls api, which has several instances: their apps answer with their number, as `answer` says. */
export class BalanceMesh {
  readonly network = new MemoryNetwork();
  readonly clock = createVirtualClock(1_000_000);
  /** What the app of instance `i` answers; undefined for nothing, until `answerNow`; `reset` ends the connection. */
  answer: (i: number, request: string) => string | undefined = () => ok;
  /** Requests without an answer: whose they are. */
  readonly #open: { readonly i: number; readonly connection: MemoryConnection }[] = [];
  /** What the caller's proxy has logged of its endpoints, as `message fields`. */
  readonly log: string[] = [];
  readonly #caller: MeshProxy;
  readonly #callee: MeshProxy;
  readonly #options: BalanceMeshOptions;

  constructor(options: BalanceMeshOptions) {
    this.#options = options;
    const { protocol = "http", endpoints, limits = {} } = options;
    for (const i of endpoints.keys()) this.#listenApp(i);
    this.#callee = this.#start("api", {
      inbound: endpoints.map((_, i) => ({
        service: "api",
        listen: `127.0.0.1:${20_000 + i}`,
        app: `127.0.0.1:${8_080 + i}`,
        protocol,
        intentions: { default: "allow" },
      })),
      admin: { listen: "127.0.0.1:19000" },
      limits,
    });
    this.#caller = this.#start("web", this.callerDocument(endpoints.length));
  }

  /** With the first `count` endpoints. */
  callerDocument(count: number, more: object = {}): object {
    const { protocol = "http", balancer = {}, endpoints, outbound = {}, limits = {} } = this.#options;
    return {
      outbound: [
        {
          service: "api",
          listen: "127.0.0.1:15001",
          protocol,
          balancer,
          endpoints: endpoints.slice(0, count).map((one, i) => ({ address: `127.0.0.1:${20_000 + i}`, ...one })),
          ...outbound,
          ...more,
        },
      ],
      admin: { listen: "127.0.0.1:19001" },
      limits,
    };
  }

  update(count: number, more: object = {}): void {
    this.#caller.apply(mustParse(this.callerDocument(count, more)), 2);
    this.network.settle();
  }

  client(port = 15_001): Wire {
    return new Wire(dialMemory(this.network, port));
  }

  /** Which instance answers a request, and with what status. */
  ask(client = this.client(), head = "GET / HTTP/1.1\r\nHost: api\r\n\r\n"): { instance: number; status: number } {
    client.send(head);
    this.network.settle();
    const text = client.take();
    return { instance: Number(/instance: (\d+)/i.exec(text)?.[1] ?? -1), status: Number(text.slice(9, 12)) };
  }

  /** How often each instance answers. */
  count(requests: number): number[] {
    const counts = this.#options.endpoints.map(() => 0);
    const client = this.client();
    for (let k = 0; k < requests; k++) {
      const { instance } = this.ask(client);
      counts[instance] = (counts[instance] ?? 0) + 1;
    }
    return counts;
  }

  /** The instance that has been asked first and has not answered; -1 for none. */
  get waiting(): number {
    return this.#open[0]?.i ?? -1;
  }

  /** Answers what was left open, or the requests of one instance; whose it was. */
  answerNow(instance?: number): number[] {
    const open = this.#open.splice(0);
    const isAnswered = ({ i }: { readonly i: number }): boolean => instance === undefined || i === instance;
    this.#open.push(...open.filter((one) => !isAnswered(one)));
    const answered = open.filter(isAnswered);
    for (const { i, connection } of answered) connection.write(Buffer.from(withInstance(ok, i), "latin1"));
    this.network.settle();
    return answered.map(({ i }) => i);
  }

  /** Those who have been asked and have not answered. */
  get allWaiting(): readonly number[] {
    return this.#open.map(({ i }) => i);
  }

  async pass(ms: number): Promise<void> {
    this.network.nowMs += ms;
    await this.clock.advance(ms);
    this.network.settle();
  }

  /** The same in steps of a second, each with what happens in it. */
  async live(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) await this.pass(Math.min(left, 1_000));
  }

  /** Lines of the caller's metrics page that begin with `name`, without the labels of its listener. */
  metrics(name: string): string[] {
    const labels = /direction="outbound",service="api",listener="127.0.0.1:15001",cluster="api",?/;
    const bare = this.#metrics(19_001, "atoll_").map((line) => line.replace(labels, ""));
    return bare.filter((line) => line.startsWith(name));
  }

  metricsOfCallee(name: string): string[] {
    return this.#metrics(19_000, name);
  }

  /** Ends both proxies. */
  stop(): void {
    this.#caller.stop();
    this.#callee.stop();
  }

  #metrics(port: number, name: string): string[] {
    const admin = this.client(port);
    admin.send("GET /metrics HTTP/1.1\r\nHost: admin\r\n\r\n");
    this.network.settle();
    const lines = admin.take().split("\n");
    return lines.filter((line) => line.startsWith(name));
  }

  #logger(): Logger {
    return createLogger({
      component: "proxy",
      level: "info",
      format: "text",
      nowMs: () => this.clock.nowMs(),
      write: (line) => this.log.push(line.replace(/^.*? proxy: /, "")),
    });
  }

  #listenApp(i: number): void {
    this.network.listen({
      host: "127.0.0.1",
      port: 8_080 + i,
      onRefused: () => undefined,
      onConnection: (connection) => {
        if (!(connection instanceof MemoryConnection)) return;
        connection.handler = {
          onData: (chunk) => {
            const text = this.answer(i, chunk.toString("latin1"));
            if (text === "reset") connection.destroy();
            else if (text === undefined) this.#open.push({ i, connection });
            else connection.write(Buffer.from(withInstance(text, i), "latin1"));
          },
          onDrain: () => undefined,
          onEnd: () => connection.end(),
          onClose: () => undefined,
        };
      },
    });
  }

  #start(service: string, document: object): MeshProxy {
    const options = { network: this.network, clock: this.clock, identity: identityOf(service) };
    const logger = service === "web" ? { logger: this.#logger() } : {};
    return startMemoryProxy(mustParse(document), { ...options, ...logger });
  }
}

export const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

export function refusal(status: number, retryAfter: string): string {
  return `HTTP/1.1 ${status} No\r\nRetry-After: ${retryAfter}\r\nContent-Length: 0\r\n\r\n`;
}

function withInstance(text: string, i: number): string {
  return text.replace("\r\n", `\r\nInstance: ${i}\r\n`);
}
