import { describe, expect, test } from "bun:test";
import { MemoryNetwork } from "../../../proxy/transport/memory.ts";
import { Outbox, WriteTurn } from "../../../proxy/transport/outbox.ts";

function setUp() {
  const network = new MemoryNetwork();
  const [near, far] = network.pair();
  const chunks: string[] = [];
  let hasEnded = false;
  far.handler = {
    onData: (chunk) => chunks.push(chunk.toString("latin1")),
    onDrain: () => undefined,
    onEnd: () => {
      hasEnded = true;
    },
    onClose: () => undefined,
  };
  const turn = new WriteTurn(network);
  const outbox = new Outbox(near, turn);
  return { network, near, far, chunks, turn, outbox, hasEnded: () => hasEnded };
}

describe("an outbox", () => {
  test("lets what one turn writes leave at its end, in one piece", () => {
    const { network, chunks, outbox } = setUp();
    outbox.write(Buffer.from("a"));
    outbox.write(Buffer.from("b"));
    expect([chunks, outbox.flushes]).toEqual([[], 0]);
    network.settle();
    expect([chunks, outbox.flushes]).toEqual([["ab"], 1]);
  });

  test("keeps the order of several outboxes, and of what is written while they leave", () => {
    const { network, near, chunks, turn, outbox } = setUp();
    const second = new Outbox(near, turn);
    outbox.write(Buffer.from("1"));
    second.write(Buffer.from("2"));
    turn.add({ flush: () => outbox.write(Buffer.from("3")) });
    network.settle();
    expect(chunks.join("")).toBe("123");
  });

  test("does not hold a big part back", () => {
    const { network, chunks, outbox } = setUp();
    outbox.write(Buffer.from("head"));
    outbox.write(Buffer.alloc(40_000, "x"));
    expect(outbox.flushes).toBe(1);
    network.settle();
    expect(chunks.join("").length).toBe(40_004);
  });

  test("ends the connection behind what was written, not before", () => {
    const { network, chunks, outbox, hasEnded } = setUp();
    outbox.end();
    outbox.write(Buffer.from("last"));
    network.settle();
    expect([chunks, hasEnded()]).toEqual([["last"], true]);
  });

  test("says when the peer does not keep up", () => {
    const { network, far, outbox } = setUp();
    far.pause();
    for (let i = 0; i < 10; i++) outbox.write(Buffer.alloc(32 * 1024));
    network.settle();
    expect(outbox.isBlocked).toBe(true);
    far.resume();
    network.settle();
    expect(outbox.isBlocked).toBe(false);
  });

  test("drops what is written to a connection that is gone", () => {
    const { network, near, chunks, outbox } = setUp();
    near.destroy();
    outbox.write(Buffer.from("late"));
    outbox.end();
    network.settle();
    expect(chunks).toEqual([]);
  });
});

describe("a turn's writes", () => {
  /** Which end each flush waited for. */
  function observe() {
    const waits: string[] = [];
    let run: () => void = () => undefined;
    const wait = (name: string) => (callback: () => void) => {
      waits.push(name);
      run = callback;
    };
    const turn = new WriteTurn({ atEndOfTurn: wait("turn"), atEndOfEvent: wait("event") });
    const writers = (count: number): void => {
      for (let i = 0; i < count; i++) turn.add({ flush: () => undefined });
      run();
    };
    return { waits, writers };
  }

  test("stop waiting for the turn's end when it never brings a second writer", () => {
    const { waits, writers } = observe();
    for (let i = 0; i < 32; i++) writers(1);
    expect(waits).toEqual(Array(32).fill("turn"));
    for (let i = 0; i < 256; i++) writers(1);
    expect(waits.slice(32)).toEqual(Array(256).fill("event"));
  });

  test("are looked at again now and then, and gathered again when there is something to gather", () => {
    const { waits, writers } = observe();
    for (let i = 0; i < 32 + 256; i++) writers(1);
    writers(1);
    expect(waits.at(-1)).toBe("turn");
    for (let i = 0; i < 256; i++) writers(1);
    writers(2);
    expect(waits.at(-1)).toBe("turn");
    for (let i = 0; i < 31; i++) writers(1);
    expect(waits.slice(-31)).toEqual(Array(31).fill("turn"));
  });

  test("of several connections in every turn always wait for its end", () => {
    const { waits, writers } = observe();
    for (let i = 0; i < 1_000; i++) writers(1 + (i % 2));
    expect(new Set(waits)).toEqual(new Set(["turn"]));
  });
});
