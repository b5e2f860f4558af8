import type { Socket } from "bun";
import { eventually } from "../../fakes/eventually.ts";
import { type AppSocket, type Fault, good } from "./faulty-app.ts";
import { type FaultClient, Http1Client, Http2Client, type RequestKind } from "./http-clients.ts";

/** The application on a real port: plays a fault, or answers well without one. */
export class TcpApp {
  fault: Fault | undefined;
  readonly port: number;
  readonly #sockets = new Set<Socket<unknown>>();
  #listener: Bun.TCPSocketListener | undefined;
  #turns = 0;

  constructor(port = 0) {
    this.port = this.#listen(port);
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  /** From here on it plays `fault`; connections of before are gone. */
  play(fault: Fault | undefined): void {
    this.fault = fault;
    this.#turns = 0;
    this.stop();
    if (fault === undefined || fault.play !== undefined) this.#listen(this.port);
  }

  stop(): void {
    this.#listener?.stop(true);
    this.#listener = undefined;
    for (const socket of this.#sockets) socket.terminate();
  }

  #listen(port: number): number {
    this.#listener = Bun.listen({
      hostname: "127.0.0.1",
      port,
      allowHalfOpen: true,
      socket: {
        open: (socket) => {
          this.#sockets.add(socket);
        },
        data: (socket, chunk) => {
          if (!chunk.includes("\r\n\r\n")) return;
          if (this.fault === undefined) socket.write(good);
          else this.fault.play?.(socketOf(socket), ++this.#turns);
        },
        end: (socket) => {
          socket.end();
        },
        close: (socket) => {
          this.#sockets.delete(socket);
        },
        error: () => undefined,
      },
    });
    return this.#listener.port;
  }
}

function socketOf(socket: Socket<unknown>): AppSocket {
  return {
    write: (text) => {
      socket.write(Buffer.from(text, "latin1"));
    },
    end: () => {
      socket.end();
    },
    reset: () => socket.terminate(),
  };
}

/** A client on a real connection; it dials again when that has ended. */
export class TcpClient {
  readonly #port: number;
  readonly #protocol: "HTTP/1.1" | "HTTP/2";
  #socket: Socket<unknown> | undefined;
  #client: FaultClient | undefined;

  constructor(port: number, protocol: "HTTP/1.1" | "HTTP/2") {
    this.#port = port;
    this.#protocol = protocol;
  }

  /** What it saw of a request, or `nothing` when there was no end of it in time. */
  async ask(kind: RequestKind, timeoutMs: number): Promise<string> {
    if (this.#client?.isOpen !== true) await this.#dial();
    const client = this.#client;
    client?.ask(kind);
    const seen = (): string | undefined => {
      const text = client?.seen();
      return text === "nothing yet" ? undefined : text;
    };
    return await eventually("the end of a request", seen, timeoutMs).catch(() => "nothing");
  }

  close(): void {
    this.#socket?.terminate();
    this.#client = undefined;
  }

  async #dial(): Promise<void> {
    this.close();
    let client: FaultClient | undefined;
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: this.#port,
      allowHalfOpen: true,
      socket: {
        data: (_socket, chunk) => client?.receive(chunk),
        end: () => client?.close(),
        close: () => client?.close(),
        error: () => undefined,
      },
    });
    const send = (bytes: Buffer): void => {
      socket.write(bytes);
    };
    client = this.#protocol === "HTTP/1.1" ? new Http1Client(send) : new Http2Client(send);
    this.#socket = socket;
    this.#client = client;
  }
}
