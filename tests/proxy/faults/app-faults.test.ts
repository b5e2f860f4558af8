import { describe, expect, test } from "bun:test";
import { MemoryMesh, type Wire } from "../memory-mesh.ts";
import { type AppSocket, type Fault, faults, good } from "./faulty-app.ts";
import { type FaultClient, Http1Client, Http2Client } from "./http-clients.ts";

/** As long as an exchange may stand still, and some more; the mesh's own idle connections are gone by then. */
const slowMs = 310_000;
const idleMs = 120_000;

const clients = {
  "HTTP/1.1": (send: (bytes: Buffer) => void) => new Http1Client(send),
  "HTTP/2": (send: (bytes: Buffer) => void) => new Http2Client(send),
} as const;

/** A client of the mesh that dials again when its connection has ended. */
class Caller {
  readonly #mesh: MemoryMesh;
  readonly #create: (send: (bytes: Buffer) => void) => FaultClient;
  #wire: Wire | undefined;
  client: FaultClient | undefined;

  constructor(mesh: MemoryMesh, create: (send: (bytes: Buffer) => void) => FaultClient) {
    this.#mesh = mesh;
    this.#create = create;
  }

  ask(kind: "get" | "post" | "post-unfinished"): void {
    if (this.client?.isOpen !== true) this.#dial();
    this.client?.ask(kind);
    this.#mesh.settle();
  }

  seen(): string {
    return this.client?.seen() ?? "";
  }

  leave(): void {
    this.#wire?.connection.destroy();
    this.#mesh.settle();
  }

  #dial(): void {
    this.leave();
    const wire = this.#mesh.client();
    const client = this.#create((bytes) => wire.connection.write(bytes));
    wire.connection.handler = {
      onData: (chunk) => client.receive(chunk),
      onDrain: () => undefined,
      onEnd: () => client.close(),
      onClose: () => client.close(),
    };
    this.#wire = wire;
    this.client = client;
  }
}

/** The app plays the fault while `isFaulty`, else answers well. */
class App {
  isFaulty = true;
  turns = 0;

  constructor(mesh: MemoryMesh, fault: Fault) {
    mesh.onApp = (wire) => {
      const socket = socketOf(wire);
      wire.connection.handler = {
        onData: (chunk) => {
          if (!chunk.includes("\r\n\r\n")) return;
          if (this.isFaulty) fault.play?.(socket, ++this.turns);
          else socket.write(good);
        },
        onDrain: () => undefined,
        onEnd: () => undefined,
        onClose: () => undefined,
      };
    };
  }
}

function socketOf(wire: Wire): AppSocket {
  return {
    write: (text) => wire.send(text),
    end: () => wire.connection.end(),
    reset: () => wire.connection.destroy(),
  };
}

for (const [protocol, create] of Object.entries(clients)) {
  describe(`an app that`, () => {
    for (const fault of faults) {
      const sees = protocol === "HTTP/2" ? (fault.seesHttp2 ?? fault.sees) : fault.sees;
      test(`${fault.name} is a ${sees} over ${protocol}, spoils nothing else and leaves nothing behind`, async () => {
        const mesh = new MemoryMesh();
        const before = mesh.network.openEnds;
        const app = new App(mesh, fault);
        if (fault.play === undefined) mesh.stopApp();
        const caller = new Caller(mesh, create);
        caller.ask(fault.request ?? "get");
        if (fault.isSlow === true) {
          expect(caller.seen()).toBe("nothing yet");
          await mesh.pass(slowMs);
        }
        expect(caller.seen()).toBe(sees);

        app.isFaulty = false;
        if (fault.play === undefined) mesh.startApp();
        for (let round = 0; round < 3; round++) {
          await mesh.pass(2_000);
          caller.ask("get");
          expect(caller.seen()).toBe("200 good");
        }

        caller.leave();
        await mesh.pass(idleMs);
        expect(mesh.network.openEnds).toBe(before);
      });
    }
  });
}
