import { expect, test } from "bun:test";
import { BufferedMemory } from "../../../proxy/buffered-memory.ts";
import { TcpSession } from "../../../proxy/relay/tcp-session.ts";
import { ConnectionCounters } from "../../../proxy/telemetry/connection-counters.ts";
import { MemoryNetwork } from "../../../proxy/transport/memory.ts";
import { free } from "../../../lib/base/received-memory.ts";
import type { Connection } from "../../../proxy/transport/transport.ts";

test("what a client says before there is a server waits for it", () => {
  const network = new MemoryNetwork();
  const [, client] = network.pair();
  const [server, app] = network.pair();
  const memory = new BufferedMemory({ waiting: network, lent: { lentBytes: 0 }, maxBytes: () => 1_000_000 });
  const counters = new ConnectionCounters();
  const heard: string[] = [];
  app.handler = {
    onData: (chunk) => heard.push(chunk.toString("latin1")),
    onDrain: () => undefined,
    onEnd: () => undefined,
    onClose: () => undefined,
  };
  let answer: (server: Connection) => void = () => undefined;
  new TcpSession({
    client,
    counters,
    memory,
    stalledReadMs: () => 1_000,
    dial: (onResult) => (answer = onResult),
    cluster: "db",
    observer: undefined,
    monotonicMs: () => 0,
    onClosed: () => undefined,
  });

  // A read that was under way when the session paused its client, and the end of that turn.
  const chunk = Buffer.allocUnsafeSlow(5);
  chunk.write("hello", "latin1");
  client.handler.onData(chunk);
  free(chunk);
  expect(memory.heldBytes).toBe(5);

  answer(server);
  network.settle();
  expect(heard).toEqual(["hello"]);
  expect(memory.heldBytes).toBe(0);
  expect(counters.readBytes).toBe(5);
});
