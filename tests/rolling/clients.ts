import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { ClientSocket } from "./line-socket.ts";
import { counted, type Tally } from "./tally.ts";

/** Ports of the proxy that the clients call. */
export interface ClientPorts {
  readonly http: number;
  readonly tcp: number;
}

/** One client that sends until told to stop, one request after the other, and counts into whatever tally is current. */
export interface ClientRun {
  readonly ports: () => ClientPorts;
  readonly tally: () => Tally;
  readonly isStopped: () => boolean;
}

export type ClientKind = keyof typeof clients;

export const clients = {
  "http1-short": shortHttp1,
  "http1-kept": keptHttp1,
  http2: http2Streams,
  "tcp-short": shortTcp,
  "tcp-held": heldTcp,
} as const;

const body = "x".repeat(100);
/** Not one that a client or proxy may repeat: a lost one is lost. */
const post = (connection: string): string =>
  `POST /rolling HTTP/1.1\r\nHost: web\r\nContent-Length: ${body.length}\r\nConnection: ${connection}\r\n\r\n${body}`;

function isWholeAnswer(text: string): boolean {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, headEnd))?.[1];
  return length !== undefined && text.length >= headEnd + 4 + Number(length);
}

function mustSucceed(answer: string): void {
  if (!answer.startsWith("HTTP/1.1 200 ")) throw new Error(answer.slice(0, 200));
}

/** A connection for each request. */
async function shortHttp1({ ports, tally, isStopped }: ClientRun): Promise<void> {
  while (!isStopped()) {
    await counted(tally(), async () => {
      const socket = await ClientSocket.open(ports().http);
      try {
        socket.send(post("close"));
        mustSucceed(await socket.receive(isWholeAnswer));
      } finally {
        socket.destroy();
      }
    });
  }
}

/** One connection for as long as the server wants: it says so in its last answer, or closes while nothing is asked. */
async function keptHttp1({ ports, tally, isStopped }: ClientRun): Promise<void> {
  let socket: ClientSocket | undefined;
  while (!isStopped()) {
    await counted(tally(), async () => {
      if (socket?.isOver !== false) {
        socket?.destroy();
        socket = await ClientSocket.open(ports().http);
      }
      try {
        socket.send(post("keep-alive"));
        const answer = await socket.receive(isWholeAnswer);
        mustSucceed(answer);
        if (/\r\nconnection: close\r\n/i.test(answer)) throw lastAnswer;
      } catch (thrown) {
        socket.destroy();
        socket = undefined;
        if (thrown !== lastAnswer) throw thrown;
      }
    });
  }
  socket?.destroy();
}

const lastAnswer = new Error("the server has said that it was the last");

/** Eight streams at a time on one connection, until the server sends GOAWAY. */
async function http2Streams({ ports, tally, isStopped }: ClientRun): Promise<void> {
  let session: ClientHttp2Session | undefined;
  const current = (): ClientHttp2Session => {
    if (session !== undefined && !session.closed && !session.destroyed) return session;
    const opened = connectHttp2(`http://127.0.0.1:${ports().http}`);
    opened.on("error", () => undefined);
    // What is under way goes on there; what comes next goes elsewhere.
    opened.on("goaway", () => {
      if (session === opened) session = undefined;
    });
    session = opened;
    return opened;
  };
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const stream = current().request({ ":method": "POST", ":path": "/rolling", ":authority": "web" });
      let status = 0;
      stream.on("response", (headers) => {
        status = Number(headers[":status"]);
      });
      stream.on("error", reject);
      stream.on("data", () => undefined);
      stream.on("close", () => {
        if (status === 200 && stream.rstCode === 0) resolve();
        else reject(new Error(`status ${status}, reset code ${stream.rstCode}`));
      });
      stream.end(body);
    });
  while (!isStopped()) {
    await Promise.all(Array.from({ length: 8 }, () => counted(tally(), one)));
  }
  session?.close();
}

const line = `${"y".repeat(200)}\n`;

async function echo(socket: ClientSocket): Promise<void> {
  socket.send(line);
  const answer = await socket.receive((text) => text.length >= line.length);
  if (answer !== line) throw new Error(`not what was sent: ${answer.length} bytes`);
}

/** A connection for one line there and back. */
async function shortTcp({ ports, tally, isStopped }: ClientRun): Promise<void> {
  while (!isStopped()) {
    await counted(tally(), async () => {
      const socket = await ClientSocket.open(ports().tcp);
      try {
        await echo(socket);
        await socket.finish();
      } finally {
        socket.destroy();
      }
    });
  }
}

/** Connections of many lines: what a relay carries has no moment to end it, so it must outlive every change. */
async function heldTcp({ ports, tally, isStopped }: ClientRun): Promise<void> {
  const linesPerConnection = 500;
  while (!isStopped()) {
    let socket: ClientSocket | undefined;
    for (let i = 0; i < linesPerConnection && !isStopped(); i++) {
      await counted(tally(), async () => {
        socket ??= await ClientSocket.open(ports().tcp);
        await echo(socket);
      });
      if (socket?.isOver === true) break;
    }
    socket?.destroy();
  }
}
