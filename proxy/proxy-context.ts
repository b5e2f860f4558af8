import type { Runtime } from "../lib/base/runtime.ts";
import type { TlsIdentity, Transport } from "./transport/transport.ts";

/** What every listener of one proxy shares. */
export interface ProxyContext extends Runtime {
  readonly transport: Transport;
  /** The identity that new handshakes use. */
  readonly identity: () => TlsIdentity;
}
