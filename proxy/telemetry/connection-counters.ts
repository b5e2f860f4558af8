import { handshakeRefusals } from "../transport/transport.ts";
import { zeroes } from "./zeroes.ts";

export const connectionRefusals = [
  ...handshakeRefusals,
  "denied",
  "overflow",
  /** More have come than may in a second. */
  "rate_limited",
  /** One source has as many as it may. */
  "source_limit",
  /** The proxy holds as many bytes as it may. */
  "overload",
  "no_healthy_upstream",
  "connect_failure",
] as const;
export type ConnectionRefusal = (typeof connectionRefusals)[number];

/** Why a connection was ended that had done nothing wrong otherwise. */
export const connectionClosures = ["idle", "stalled_reader", "max_requests"] as const;
export type ConnectionClosure = (typeof connectionClosures)[number];

/** Connections and bytes of one listener, whatever its protocol. `read` and `write` are seen from the client's side. */
export class ConnectionCounters {
  opened = 0;
  closed = 0;
  readBytes = 0;
  writeBytes = 0;
  /** As of `HttpCounters`, where requests are not read. */
  dryRunDenials = 0;
  readonly refusals: Record<ConnectionRefusal, number> = zeroes(connectionRefusals);
  readonly closures: Record<ConnectionClosure, number> = zeroes(connectionClosures);
}
