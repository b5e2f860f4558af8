import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../fakes/certificates.ts";
import { metric, startProxy } from "./transport/bun-mesh.ts";

export interface BunPairOptions {
  readonly protocol?: "http" | "http2" | "grpc" | "tcp";
  readonly app: string;
  /** More settings of the listeners. */
  readonly inbound?: object;
  readonly outbound?: object;
}

/** web calls api through two proxies on real sockets, with mTLS between them. */
export class BunPair {
  /** Where web calls api. */
  readonly port: number;
  readonly #admin: { readonly caller: number; readonly callee: number };
  readonly #stops: (() => void)[] = [];

  constructor({ protocol = "http", app, inbound = {}, outbound = {} }: BunPairOptions) {
    const directory = mkdtempSync(join(tmpdir(), "atoll-pair-"));
    const authority = new TestAuthority();
    const files = (service: string) => writeLeaf(authority.leaf(service), mkdtempSync(join(directory, service)));
    const listen = "127.0.0.1:0";
    const admin = { listen };
    const intentions = { default: "allow" };
    const callee = startProxy({
      identity: files("api"),
      inbound: [{ service: "api", listen, app, protocol, intentions, ...inbound }],
      admin,
    });
    const endpoints = [{ address: `127.0.0.1:${callee.proxy.portOf(listen) ?? 0}` }];
    const caller = startProxy({
      identity: files("web"),
      outbound: [{ service: "api", listen, protocol, endpoints, ...outbound }],
      admin,
    });
    this.port = caller.proxy.portOf(listen) ?? 0;
    this.#admin = { caller: caller.proxy.adminPort, callee: callee.proxy.adminPort };
    this.#stops.push(caller.stop, callee.stop, () => rmSync(directory, { recursive: true }));
  }

  /** The first sample whose line matches. */
  metric(of: "caller" | "callee", pattern: RegExp): Promise<number> {
    return metric(this.#admin[of], pattern);
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }
}
