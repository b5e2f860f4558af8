import { createServer, type IncomingHttpHeaders } from "node:http";
import { connect, createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Socket } from "node:net";

export type Protocol = "http" | "http2";

/** What an application got: `isCut` once nobody wants the answer any more. */
export interface Received {
  readonly path: string;
  readonly host: string;
  body: string;
  hasEnded: boolean;
  isCut: boolean;
  /** Answers with the head, and as much of a body; `isEnd` when that is all. */
  answer(status: number, body: string, isEnd?: boolean): void;
  /** Ends the connection at once; in HTTP/2 all of them. */
  cut(): void;
}

/** An application on a real port. What it does with a request is a test's to say. */
export class StagedApp {
  readonly received: Received[] = [];
  onRequest: (received: Received) => void = (received) => received.answer(200, received.body);
  port = 0;
  #stop: () => void = () => undefined;

  async start(protocol: Protocol): Promise<void> {
    const server = protocol === "http" ? this.#http1() : this.#http2();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address: AddressInfo | string | null = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.port = address.port;
    this.#stop = () => server.close();
  }

  stop(): void {
    this.#stop();
  }

  #http1(): ReturnType<typeof createServer> {
    return createServer((incoming, response) => {
      const received: Received = {
        path: incoming.url ?? "",
        host: incoming.headers.host ?? "",
        body: "",
        hasEnded: false,
        isCut: false,
        answer: (status, body, isEnd = true) => {
          if (!response.headersSent) response.writeHead(status, isEnd ? { "content-length": body.length } : {});
          if (isEnd) response.end(body);
          else response.write(body);
        },
        cut: () => incoming.socket.destroy(),
      };
      response.on("close", () => {
        received.isCut ||= !response.writableFinished;
      });
      this.#receive(received, incoming);
    });
  }

  #http2(): ReturnType<typeof createHttp2Server> {
    const server = createHttp2Server();
    // Bun's `close` and `destroy` of a stream or session end it well.
    const sockets = new Set<Socket>();
    server.on("connection", (socket: Socket) => sockets.add(socket));
    server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      const received: Received = {
        path: `${headers[":path"]}`,
        host: `${headers[":authority"]}`,
        body: "",
        hasEnded: false,
        isCut: false,
        answer: (status, body, isEnd = true) => {
          if (!stream.headersSent) stream.respond({ ":status": status });
          if (isEnd) stream.end(body);
          else stream.write(body);
        },
        cut: () => {
          for (const socket of sockets) socket.destroy();
        },
      };
      stream.on("error", () => undefined);
      stream.on("close", () => {
        received.isCut ||= stream.rstCode !== 0;
      });
      this.#receive(received, stream);
    });
    return server;
  }

  #receive(
    received: Received,
    from: {
      on(event: "data", listener: (chunk: Buffer) => void): unknown;
      on(event: "end" | "error", listener: () => void): unknown;
    },
  ): void {
    this.received.push(received);
    from.on("error", () => undefined);
    from.on("data", (chunk) => {
      received.body += chunk.toString("latin1");
    });
    from.on("end", () => {
      received.hasEnded = true;
      this.onRequest(received);
    });
  }
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** The answer came to its end. */
  readonly isWhole: boolean;
}

export interface Asking {
  readonly answer: Promise<Answer>;
  giveUp(): void;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** One request of a client on a connection of its own. */
export function ask(
  protocol: Protocol,
  address: Address,
  { method = "GET", path = "/", body }: { method?: string; path?: string; body?: string } = {},
): Asking {
  return protocol === "http" ? askHttp1(address, method, path, body) : askHttp2(address, method, path, body);
}

function askHttp1({ host, port }: Address, method: string, path: string, body: string | undefined): Asking {
  const stopping = new AbortController();
  const options = { method, headers: { host: "api" }, signal: stopping.signal, keepalive: false };
  const sent = fetch(`http://${host}:${port}${path}`, body === undefined ? options : { ...options, body });
  const answer = sent.then(
    async (response) => {
      const { status } = response;
      try {
        return { status, body: await response.text(), isWhole: true };
      } catch {
        return { status, body: "", isWhole: false };
      }
    },
    () => ({ status: 0, body: "", isWhole: false }),
  );
  return { answer, giveUp: () => stopping.abort() };
}

function askHttp2({ host, port }: Address, method: string, path: string, body: string | undefined): Asking {
  const session = connect(`http://${host}:${port}`);
  session.on("error", () => undefined);
  const stream = session.request(
    { ":method": method, ":path": path, ":authority": "api" },
    { endStream: body === undefined },
  );
  const answer = new Promise<Answer>((resolve) => {
    let status = 0;
    let text = "";
    let hasEnded = false;
    stream.on("response", (headers) => {
      status = Number(headers[":status"]);
    });
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    stream.on("end", () => {
      hasEnded = true;
    });
    stream.on("error", () => undefined);
    stream.on("close", () => {
      session.close();
      resolve({ status, body: text, isWhole: hasEnded && stream.rstCode === 0 });
    });
  });
  if (body !== undefined) stream.end(body);
  return { answer, giveUp: () => stream.close(8) };
}
