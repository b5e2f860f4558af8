import type { WriteTurn } from "../../../proxy/transport/outbox.ts";
import type { Connection } from "../../../proxy/transport/transport.ts";

/** One request on its way, for whichever framing: how much of the body may be sent, and what comes back. */
export interface HopClient {
  /** Sends a request without a body; `onDone` when the response has come completely. */
  request(path: string, onDone: () => void): void;
}

export interface HopOptions {
  readonly connection: Connection;
  readonly turn: WriteTurn;
  /** The body for a path. */
  readonly bodyOf: (path: string) => Buffer;
}

/** What a browser's call looks like behind a proxy. */
export function requestFields(path: string): string[] {
  return [
    ...[":method", "GET", ":scheme", "http", ":authority", "api.example.internal:8080", ":path", path],
    ...["user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "accept", "application/json"],
    ...["accept-encoding", "gzip, deflate, br", "x-request-id", "6ff5d2b2-04a8-4f4a-8b0c-3b1f7b9d5d11"],
  ];
}

export function responseFields(bodyBytes: number): string[] {
  return [":status", "200", "content-type", "application/json", "content-length", `${bodyBytes}`, "server", "app"];
}
