import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type AppSocket, type Fault, faults, good } from "../proxy/faults/faulty-app.ts";
import { type FaultClient, Http1Client, Http2Client } from "../proxy/faults/http-clients.ts";
import { haproxyPair } from "./haproxy-pair.ts";
import { atollPair, createWorkspace, type Pair, type PairPorts } from "./pairs.ts";
import { report } from "./process.ts";

const basePort = 28_400;
/** How long an exchange may stand still in either pair, so that one can wait for it. */
const idleTimeoutMs = 1_500;
/** A client that has seen nothing by then hangs. */
const patienceMs = 15_000;

const clients = {
  "HTTP/1.1": (send: (bytes: Buffer) => void): FaultClient => new Http1Client(send),
  "HTTP/2": (send: (bytes: Buffer) => void): FaultClient => new Http2Client(send),
} as const;
type Protocol = keyof typeof clients;

interface Outcome {
  readonly sees: string;
  readonly ms: number;
  /** What a client sees of the application next, once it works again. */
  readonly afterwards: string;
}

/**
 * The faults of the tests, played by a real application behind both pairs: what clients see of them, one line per fault and
 * client protocol. It measures no speed; the times tell who makes clients wait.
 */
export async function benchProxyFaults(): Promise<void> {
  const workspace = createWorkspace();
  const pairs = [
    atollPair("http", { settings: { streamIdleTimeoutMs: idleTimeoutMs } }),
    haproxyPair("http-over-h2", { idleTimeoutMs }),
  ];
  try {
    const outcomes = new Map<string, Outcome>();
    for (const [i, pair] of pairs.entries()) {
      const at = basePort + i * 10;
      const ports = { listen: at, mesh: at + 1, admin: at + 2, backend: at + 3 };
      await playAll(pair, workspace, ports, outcomes);
    }
    for (const [fault, protocol] of rounds()) reportLine(fault, protocol, pairs, outcomes);
  } finally {
    rmSync(workspace.directory, { recursive: true });
  }
}

function* rounds(): Generator<[Fault, Protocol]> {
  for (const fault of faults) {
    yield [fault, "HTTP/1.1"];
    yield [fault, "HTTP/2"];
  }
}

async function playAll(
  pair: Pair,
  workspace: ReturnType<typeof createWorkspace>,
  ports: PairPorts,
  outcomes: Map<string, Outcome>,
): Promise<void> {
  const pinned = await pair.start(workspace, ports);
  try {
    for (const [fault, protocol] of rounds()) {
      outcomes.set(keyOf(pair, fault, protocol), await playOne(fault, protocol, ports));
    }
  } finally {
    await pinned.stop();
  }
}

/** A request while the fault lasts, and another one when it is over. */
async function playOne(fault: Fault, protocol: Protocol, ports: PairPorts): Promise<Outcome> {
  const app = new App(ports.backend);
  if (fault.play !== undefined) {
    app.play = fault.play;
    await app.listen();
  }
  const startedMs = performance.now();
  const sees = await ask(ports.listen, protocol, fault.request ?? "get");
  const ms = Math.round(performance.now() - startedMs);
  app.play = (socket) => socket.write(good);
  if (fault.play === undefined) await app.listen();
  const afterwards = await ask(ports.listen, protocol, "get");
  await app.stop();
  return { sees, ms, afterwards };
}

/** One request on a connection of its own; resolves with what the client saw in the end. */
function ask(port: number, protocol: Protocol, kind: "get" | "post" | "post-unfinished"): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const client = clients[protocol]((bytes) => socket.write(bytes));
    const finish = (seen: string): void => {
      clearTimeout(patience);
      socket.destroy();
      resolve(seen);
    };
    const patience = setTimeout(() => finish(`${client.seen()} for ${patienceMs} ms`), patienceMs);
    const look = (): void => {
      const seen = client.seen();
      if (seen !== "nothing yet") finish(seen);
    };
    socket.on("connect", () => client.ask(kind));
    socket.on("data", (chunk: Buffer) => {
      client.receive(chunk);
      look();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      client.close();
      look();
    });
  });
}

/** The application on a real port. */
class App {
  play: (socket: AppSocket, turn: number) => void = () => undefined;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #turns = 0;

  constructor(port: number) {
    this.#port = port;
  }

  listen(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket));
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.on("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
  }

  stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server?.close(() => resolve()) ?? resolve());
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => undefined);
    const app: AppSocket = {
      write: (text) => socket.write(Buffer.from(text, "latin1")),
      end: () => socket.end(),
      reset: () => socket.resetAndDestroy(),
    };
    socket.on("data", (chunk) => {
      if (chunk.includes("\r\n\r\n")) this.play(app, ++this.#turns);
    });
  }
}

function keyOf(pair: Pair, fault: Fault, protocol: Protocol): string {
  return `${pair.name} ${protocol} ${fault.name}`;
}

function reportLine(
  fault: Fault,
  protocol: Protocol,
  pairs: readonly Pair[],
  outcomes: ReadonlyMap<string, Outcome>,
): void {
  const seen = pairs.map((pair) => [pair.name, outcomes.get(keyOf(pair, fault, protocol))] as const);
  const [own, peer] = seen.map(([, outcome]) => outcome);
  report({ bench: "faults", fault: fault.name, protocol, ...Object.fromEntries(seen), same: own?.sees === peer?.sees });
}
