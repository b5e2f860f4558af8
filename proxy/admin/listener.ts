import { mustGet } from "../../lib/base/assert.ts";
import { parseHostPort } from "../../lib/contract/address.ts";
import { ConnectionSet } from "../connection-set.ts";
import type { LocalReply, RequestPolicy } from "../http1/exchange.ts";
import type { MessageHead } from "../http1/head.ts";
import { textReply } from "../http1/local-reply.ts";
import { ServerConnection } from "../http1/server-connection.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { ConnectionCounters } from "../telemetry/connection-counters.ts";
import { HttpCounters } from "../telemetry/http-counters.ts";
import type { Listener } from "../transport/transport.ts";

/** What the admin address can be asked. */
export interface AdminPages {
  metrics(): LocalReply;
  ready(): LocalReply;
  config(): LocalReply;
  drain(): LocalReply;
}

const maxConnections = 64;
const idleTimeoutMs = 60_000;

/** The admin address of a proxy, served by the same HTTP/1.1 code as everything else. */
export class AdminListener {
  readonly #context: ProxyContext;
  readonly #policy: RequestPolicy;
  readonly #members = new ConnectionSet<ServerConnection>();
  readonly #http: ConstructorParameters<typeof ServerConnection>[0]["context"];
  #listener: Listener | undefined;

  constructor(context: ProxyContext, pages: AdminPages) {
    this.#context = context;
    this.#policy = { decide: (head) => answer(head, pages) };
    this.#http = {
      counters: new HttpCounters(),
      connections: new ConnectionCounters(),
      monotonicMs: context.clock.monotonicMs,
      isDraining: () => false,
    };
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** Throws when the address cannot be bound. */
  listen(address: string): void {
    const { host, port } = mustGet(parseHostPort(address), "addresses are checked when parsed");
    this.#listener = this.#context.transport.listen({
      host,
      port,
      onRefused: () => undefined,
      onConnection: (connection) => {
        if (this.#members.size >= maxConnections) {
          connection.destroy();
          return;
        }
        const member: ServerConnection = new ServerConnection({
          connection,
          policy: this.#policy,
          context: this.#http,
          onClosed: () => this.#members.delete(member),
        });
        this.#members.add(member);
      },
    });
  }

  sweep(nowMs: number): void {
    this.#members.sweep({ nowMs, idleTimeoutMs });
  }

  close(): void {
    this.#listener?.close();
    this.#members.destroy();
  }
}

function answer(head: MessageHead, pages: AdminPages): LocalReply {
  const path = head.target.split("?")[0];
  const isRead = head.isMethod("GET") || head.isMethod("HEAD");
  const isWrite = head.isMethod("POST") || head.isMethod("PUT");
  if (path === "/drain") return isWrite ? pages.drain() : textReply(405, "use POST /drain");
  const page = { "/metrics": pages.metrics, "/ready": pages.ready, "/config": pages.config }[path ?? ""];
  if (page === undefined) return textReply(404, "known paths: /metrics /ready /config /drain");
  return isRead ? page() : textReply(405, `use GET ${path}`);
}
