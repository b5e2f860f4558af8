import { afterAll, describe, expect, test } from "bun:test";
import { dlopen, FFIType, ptr } from "bun:ffi";
import { speedUpLoopback } from "../../../proxy/transport/loopback.ts";

const isLinux = process.platform === "linux";
const note = isLinux ? "" : " (skipped: sockets of Linux)";

describe.skipIf(!isLinux)(`a socket of a loopback address${note}`, () => {
  const events = { data: () => undefined };
  const opened: { stop(isActive: boolean): void }[] = [];
  afterAll(() => {
    for (const listener of opened) listener.stop(true);
  });

  function listen(hostname: string, accepted: (fd: number) => void = () => undefined) {
    const listener = Bun.listen({
      hostname,
      port: 0,
      socket: { ...events, open: (socket) => accepted(descriptorOf(socket)) },
    });
    opened.push(listener);
    return { fd: descriptorOf(listener), port: listener.port };
  }

  test("leaves a congestion control that paces, and so does what it accepts", async () => {
    const accepted = Promise.withResolvers<number>();
    const { fd, port } = listen("127.0.0.1", accepted.resolve);
    speedUpLoopback(fd, "127.0.0.1", "bbr\n");
    expect(controlOf(fd)).toBe("reno");
    const client = await Bun.connect({ hostname: "127.0.0.1", port, socket: events });
    expect(controlOf(await accepted.promise)).toBe("reno");
    speedUpLoopback(descriptorOf(client), "127.0.0.1", "bbr\n");
    expect(controlOf(descriptorOf(client))).toBe("reno");
    client.end();
  });

  test("keeps every other one, as sockets of other addresses do", () => {
    const before = controlOf(listen("127.0.0.1").fd);
    for (const [host, control] of [
      ["127.0.0.1", "cubic\n"],
      ["127.0.0.1", ""],
      ["0.0.0.0", "bbr\n"],
    ] as const) {
      const { fd } = listen(host);
      speedUpLoopback(fd, host, control);
      expect(controlOf(fd)).toBe(before);
    }
  });
});

/** Bun's types leave it out. */
function descriptorOf(socket: object): number {
  if (!("fd" in socket) || typeof socket.fd !== "number") throw new Error("the socket has no descriptor");
  return socket.fd;
}

function controlOf(fd: number): string {
  const { symbols } = dlopen("libc.so.6", {
    getsockopt: { args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  });
  const value = Buffer.alloc(16);
  const size = Buffer.from(Uint32Array.of(value.length).buffer);
  if (symbols.getsockopt(fd, 6, 13, ptr(value), ptr(size)) !== 0) throw new Error("getsockopt failed");
  return value.toString("latin1").replace(/\0.*$/s, "");
}
