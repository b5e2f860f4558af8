import { expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { decideFirstStart } from "../../../server/cluster/first-start.ts";
import { findFreePorts } from "../../../tools/free-ports.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { startWireServer } from "../raft/shell/wire-server.ts";

/** Takes connections and says its line only when it is told to, as a waiting server on a busy machine. */
async function slowBeacon(line: string): Promise<{ address: string; isPrompt: boolean; close(): void; seen: number }> {
  const sockets = new Set<Socket>();
  const beacon = { address: "", isPrompt: false, seen: 0, close: (): void => undefined };
  const server: Server = createServer((socket) => {
    beacon.seen++;
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    // What somebody says who takes it for a server that runs is answered like everything else.
    if (beacon.isPrompt) socket.end(line);
    else socket.once("data", () => socket.end(line));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  beacon.address = `127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}`;
  beacon.close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return beacon;
}

function selfAt(port: number) {
  const self = { nodeId: "n0", address: "127.0.0.1:1", bootstrapExpect: 2, datacenter: "dc1" };
  return { self, listen: { host: "127.0.0.1", port }, runtime: createTestRuntime() };
}

test("a server that waits and is slow to say so is not taken for one that runs", async () => {
  const other = { nodeId: "n1", address: "127.0.0.1:2", bootstrapExpect: 2, datacenter: "dc1" };
  const beacon = await slowBeacon(`atoll-waiting ${JSON.stringify(other)}\n`);
  const [port = 0] = await findFreePorts("127.0.0.1", 1);
  const options = selfAt(port);
  const { signal } = new AbortController();
  try {
    const decided = decideFirstStart({ ...options, join: [beacon.address], signal });
    // Each look is two connections: one that hears nothing, one that asks for a certificate.
    await eventually("two looks", () => beacon.seen >= 4);
    beacon.isPrompt = true;
    expect(await decided).toEqual({ kind: "seed" });
  } finally {
    beacon.close();
  }
});

test("a server that runs is joined", async () => {
  await using running = await startWireServer({ nodeId: "n2" });
  const [port = 0] = await findFreePorts("127.0.0.1", 1);
  const { signal } = new AbortController();
  const decided = decideFirstStart({ ...selfAt(port), join: [running.address], signal });
  expect(await decided).toEqual({ kind: "join", address: running.address });
});
