import { afterAll, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { createBunTransport } from "../../../proxy/transport/bun.ts";
import { TestAuthority } from "../../fakes/certificates.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";

const leaf = new TestAuthority().leaf("api");
const identity = { ...leaf, spiffeUri: leaf.uri, notAfterMs: 0 };
const closers: (() => void)[] = [];

afterAll(() => {
  for (const close of closers) close();
});

function listen(bounds: { maxUnderWay: number; timeoutMs: number }) {
  const clock = createVirtualClock(0);
  const transport = createBunTransport(clock);
  const refused: string[] = [];
  const listener = transport.listen({
    host: "127.0.0.1",
    port: 0,
    identity,
    handshakes: () => bounds,
    onConnection: () => refused.push("none: connected"),
    onRefused: (reason) => refused.push(reason),
  });
  closers.push(() => listener.close(), transport.stop);
  return { clock, refused, port: listener.port };
}

/** A client that connects and says nothing. */
async function silent(port: number): Promise<Socket & { isGone?: boolean }> {
  const socket: Socket & { isGone?: boolean } = connect(port, "127.0.0.1");
  closers.push(() => socket.destroy());
  socket.on("error", () => undefined);
  socket.on("close", () => {
    socket.isGone = true;
  });
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return socket;
}

describe("a TLS handshake", () => {
  test("that never ends is closed after its time and counted", async () => {
    const { clock, refused, port } = listen({ maxUnderWay: 1, timeoutMs: 2_000 });
    const first = await silent(port);
    // One too many is the proof that the first has been accepted.
    await silent(port);
    await eventually("the second to be refused", () => refused.length === 1 || undefined);
    await clock.advance(1_999);
    expect(refused).toEqual(["too_many_handshakes"]);
    await clock.advance(1);
    expect(refused).toEqual(["too_many_handshakes", "handshake_timeout"]);
    await eventually("the first to be closed", () => first.isGone);
  });

  test("is not timed out for the time in which the proxy itself stood still", async () => {
    const { clock, refused, port } = listen({ maxUnderWay: 2, timeoutMs: 2_000 });
    await silent(port);
    await silent(port);
    await silent(port);
    await eventually("the third to be refused", () => refused.length === 1 || undefined);
    await clock.advance(1_000);
    clock.stall(30_000);
    await clock.advance(499);
    expect(refused).toEqual(["too_many_handshakes"]);
    await clock.advance(1);
    expect(refused).toEqual(["too_many_handshakes", "handshake_timeout", "handshake_timeout"]);
  });

  test("that has come while the proxy stood still has its time, but for a tick", async () => {
    const { clock, refused, port } = listen({ maxUnderWay: 1, timeoutMs: 2_000 });
    clock.stall(30_000);
    await silent(port);
    await silent(port);
    await eventually("the second to be refused", () => refused.length === 1 || undefined);
    await clock.advance(1_499);
    expect(refused).toEqual(["too_many_handshakes"]);
    await clock.advance(1);
    expect(refused).toEqual(["too_many_handshakes", "handshake_timeout"]);
  });

  test("is one too many only while the others are under way", async () => {
    const { refused, port } = listen({ maxUnderWay: 2, timeoutMs: 60_000 });
    const held = [await silent(port), await silent(port)];
    const third = await silent(port);
    await eventually("the third to be closed", () => third.isGone);
    expect(refused).toEqual(["too_many_handshakes"]);
    held[0]?.destroy();
    await eventually("the first to be gone", () => refused.includes("closed_early") || undefined);
    const fourth = await silent(port);
    const fifth = await silent(port);
    await eventually("the fifth to be closed", () => fifth.isGone);
    expect(refused).toEqual(["too_many_handshakes", "closed_early", "too_many_handshakes"]);
    expect(fourth.isGone).toBeUndefined();
  });
});
