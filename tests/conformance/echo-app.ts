import type { Server } from "node:net";
import { listenTcp } from "../proxy/transport/bun-mesh.ts";

export interface SeenRequest {
  readonly method: string;
  readonly target: string;
  /** Names in lower case and values, in the order in which they came. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** An application that keeps every request as it was written, and answers 200. Requests have no bodies. */
export class EchoApp {
  readonly seen: SeenRequest[] = [];
  readonly port: number;
  readonly #server: Server;

  private constructor(listening: { readonly server: Server; readonly port: number }, seen: SeenRequest[]) {
    this.#server = listening.server;
    this.port = listening.port;
    this.seen = seen;
  }

  static async start(): Promise<EchoApp> {
    const seen: SeenRequest[] = [];
    const listening = await listenTcp((socket) => {
      let text = "";
      socket.on("error", () => undefined);
      socket.on("end", () => socket.end());
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
        for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
          seen.push(parseRequest(text.slice(0, end)));
          text = text.slice(end + 4);
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
      });
    });
    return new EchoApp(listening, seen);
  }

  stop(): void {
    this.#server.close();
  }
}

function parseRequest(head: string): SeenRequest {
  const [start = "", ...lines] = head.split("\r\n");
  const [method = "", target = ""] = start.split(" ");
  const fields = lines.map((line) => {
    const at = line.indexOf(":");
    return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()] as const;
  });
  return { method, target, fields };
}
