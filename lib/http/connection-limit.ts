import type { Socket } from "node:net";

/** How many connections each client address may have at a time, as Consul's limits.http_max_conns_per_client. */
export interface ConnectionLimit {
  /** Counts the socket until it closes; one above the limit is answered with 429 and closed, and false is returned. */
  admit(socket: Socket): boolean;
  /** For connections from now on; a number below 1 is no limit. */
  setMax(max: number): void;
}

const text = "Your IP is issuing too many concurrent connections, please rate limit your calls\n";
const refusal =
  "HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n" +
  `Content-Length: ${text.length}\r\n\r\n${text}`;

export function createConnectionLimit(options: {
  readonly max: number;
  readonly onRefused: () => void;
}): ConnectionLimit {
  let { max } = options;
  const counts = new Map<string, number>();
  return {
    admit(socket) {
      // Whoever may open a socket file is limited by its permissions.
      const client = socket.remoteAddress;
      if (client === undefined) return true;
      const count = counts.get(client) ?? 0;
      if (max > 0 && count >= max) {
        options.onRefused();
        socket.on("error", () => socket.destroy());
        socket.resume();
        socket.end(refusal, () => socket.destroy());
        return false;
      }
      counts.set(client, count + 1);
      socket.once("close", () => {
        const left = (counts.get(client) ?? 1) - 1;
        if (left <= 0) counts.delete(client);
        else counts.set(client, left);
      });
      return true;
    },
    setMax(next) {
      max = next;
    },
  };
}
