import { type HandshakeRefusal, handshakeRefusals } from "../transport/transport.ts";
import { zeroes } from "./zeroes.ts";

export type ConnectionRefusal = HandshakeRefusal | "denied" | "overflow" | "no_healthy_upstream" | "connect_failure";

/** Connections and bytes of one listener, whatever its protocol. `read` and `write` are seen from the client's side. */
export class ConnectionCounters {
  opened = 0;
  closed = 0;
  readBytes = 0;
  writeBytes = 0;
  readonly refusals: Record<ConnectionRefusal, number> = {
    ...zeroes(handshakeRefusals),
    denied: 0,
    overflow: 0,
    no_healthy_upstream: 0,
    connect_failure: 0,
  };
}
