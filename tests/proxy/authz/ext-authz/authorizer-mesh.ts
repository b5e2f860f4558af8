import { mustGet } from "../../../../lib/base/assert.ts";
import { MemoryConnection } from "../../../../proxy/transport/memory.ts";
import type { Listener } from "../../../../proxy/transport/transport.ts";
import { settle } from "../../../fakes/virtual-clock.ts";
import { calleeConfig, MemoryMesh, type MemoryMeshOptions, Wire } from "../../memory-mesh.ts";

const port = 9191;
const address = `127.0.0.1:${port}`;

export interface AuthorizerMeshOptions extends MemoryMeshOptions {
  readonly extAuthz?: object;
  /** Of `extAuthz.http`. */
  readonly http?: object;
}

/** A mesh of memory whose callee asks an authorizer over HTTP, which a test plays itself. */
export class AuthorizerMesh extends MemoryMesh {
  /** Connections that the authorizer has got. */
  readonly authorizers: Wire[] = [];
  #listener: Listener | undefined;

  constructor({ extAuthz = {}, http = {}, inbound = {}, ...options }: AuthorizerMeshOptions = {}) {
    super({ ...options, inbound: { ...inbound, extAuthz: extAuthzOf(extAuthz, http) } });
    this.startAuthorizer();
  }

  startAuthorizer(): void {
    this.#listener = this.network.listen({
      host: "127.0.0.1",
      port,
      onRefused: () => undefined,
      onConnection: (connection) => {
        if (connection instanceof MemoryConnection) this.authorizers.push(new Wire(connection));
      },
    });
  }

  stopAuthorizer(): void {
    this.#listener?.close();
  }

  get authorizer(): Wire {
    return mustGet(this.authorizers.at(-1), "a check has reached the authorizer");
  }

  /** Lets everything happen that takes no time. */
  async flow(): Promise<void> {
    for (let i = 0; i < 4; i++) {
      this.settle();
      await settle();
    }
    this.settle();
  }

  /** Begins a request, and lets it come as far as it does. */
  async send(head = "GET / HTTP/1.1", fields = "", body = ""): Promise<Wire> {
    const client = this.client();
    client.send(`${head}\r\nHost: api\r\n${fields}\r\n${body}`);
    await this.flow();
    return client;
  }

  async answer(status: string, fields = "", body = ""): Promise<void> {
    const bytes = Buffer.from(body, "utf8").toString("latin1");
    this.authorizer.send(`HTTP/1.1 ${status}\r\n${fields}Content-Length: ${bytes.length}\r\n\r\n${bytes}`);
    await this.flow();
  }

  async respond(): Promise<void> {
    this.app().send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    await this.flow();
  }

  /** Other settings of the callee's listener. */
  async apply(action: "allow" | "deny", extAuthz: object | undefined, version: number): Promise<void> {
    const more = extAuthz === undefined ? {} : { extAuthz: extAuthzOf(extAuthz, {}) };
    this.callee.apply(calleeConfig(action, "http", more), version);
    await this.flow();
  }

  /** The value of the callee's metric whose line begins with `name` and has `label`. */
  count(name: string, label = ""): number {
    const lines = this.metricsOfCallee().split("\n");
    const line = lines.find((one) => one.startsWith(`${name}{`) && one.includes(label));
    return Number(mustGet(line, `a metric ${name} with ${label}`).split(" ").at(-1));
  }

  checks(result: string): number {
    return this.count("atoll_proxy_ext_authz_checks_total", `result="${result}"`);
  }
}

function extAuthzOf(extAuthz: object, http: object): object {
  return "grpc" in extAuthz ? extAuthz : { http: { address, ...http }, ...extAuthz };
}

export const statusOf = (client: Wire): string => /^HTTP\/1\.1 (\d+)/.exec(client.received)?.[1] ?? "none";
