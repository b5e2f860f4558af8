import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Consul's `http_max_conns_per_client`: connections of one address at a time. One more is told so and closed, so that one
 * host with a bug does not take all that there are.
 */
export interface ConnectionLimit {
  /** Answers a request of a connection that is too many; false for any other. */
  refuse(socket: Socket, response: ServerResponse): boolean;
}

export const defaultMaxConnectionsPerClient = 200;

/** What Consul says, with the name of the limit after it. */
const refusal =
  "Your IP is issuing too many concurrent connections, please rate limit your calls (limits.http_max_conns_per_client)\n";

/** 0 is no limit. Connections without an address, of unix sockets, are not counted. */
export function limitConnections(server: Server, maxPerClient: number): ConnectionLimit {
  const counts = new Map<string, number>();
  const refused = new WeakSet<Socket>();
  if (maxPerClient > 0) {
    server.on("connection", (socket) => {
      const { remoteAddress: client } = socket;
      if (client === undefined || client === "") return;
      const count = counts.get(client) ?? 0;
      if (count >= maxPerClient) {
        refused.add(socket);
        return;
      }
      counts.set(client, count + 1);
      socket.once("close", () => {
        const left = (counts.get(client) ?? 1) - 1;
        if (left > 0) counts.set(client, left);
        else counts.delete(client);
      });
    });
  }
  return {
    refuse(socket, response) {
      if (maxPerClient <= 0 || !refused.has(socket)) return false;
      response.writeHead(429, [
        ...["Content-Type", "text/plain; charset=utf-8", "Connection", "close"],
        ...["Content-Length", String(refusal.length)],
      ]);
      response.end(refusal);
      return true;
    },
  };
}
