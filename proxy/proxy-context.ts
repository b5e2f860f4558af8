import type { Runtime } from "../lib/base/runtime.ts";
import type { ProxyLimits } from "../lib/contract/proxy-limits.ts";
import type { FetchText } from "./authz/jwt/key-source.ts";
import type { BufferedMemory } from "./buffered-memory.ts";
import type { BufferPool } from "./http2/output-buffer.ts";
import type { ProxyTelemetry } from "./telemetry/proxy-telemetry.ts";
import type { WriteTurn } from "./transport/outbox.ts";
import type { PortSharing, TlsIdentity, Transport } from "./transport/transport.ts";

/** What every listener of one proxy shares. */
export interface ProxyContext extends Runtime {
  readonly transport: Transport;
  /** The identity that new handshakes use. */
  readonly identity: () => TlsIdentity;
  /** Who else may listen where a listener of ours opens now. */
  readonly sharing: () => PortSharing;
  /** Processes that share our listeners, this one included. */
  readonly processes: number;
  /** The port for an address with port 0, when another process of this proxy has chosen it. */
  readonly chosenPort: (listen: string) => number | undefined;
  /** Gathers what one turn of the event loop writes. */
  readonly turn: WriteTurn;
  /** Memory that HTTP/2 connections borrow while they write. */
  readonly buffers: BufferPool;
  /** As they are now; connections keep those that they began with. */
  readonly limits: () => ProxyLimits;
  readonly memory: BufferedMemory;
  readonly telemetry: ProxyTelemetry;
  /** Gets the keys of issuers of tokens. */
  readonly fetchText: FetchText;
}
