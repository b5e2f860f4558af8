import { describe, expect, test } from "bun:test";
import { MemoryMesh } from "../memory-mesh.ts";
import { answer, deliver, get, ok, told } from "./talk.ts";

describe("an upgrade", () => {
  const upgrade = "GET /chat HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

  test("becomes a tunnel both ways, early bytes included, and half-closes", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const read = deliver(mesh, client, `${upgrade}early`);
    expect(read).toContain("upgrade: websocket\r\n");
    expect(read).toContain("connection: upgrade\r\n");
    // Bytes of the other protocol reach the app only after it has agreed to it.
    expect(read).not.toContain("early");
    expect(answer(mesh, client, `${switched}hello`)).toMatch(/^HTTP\/1\.1 101 .*hello$/s);
    expect(mesh.app().take()).toBe("early");
    expect(deliver(mesh, client, "ping")).toBe("ping");
    client.connection.end();
    mesh.settle();
    expect(mesh.app().hasEnded).toBe(true);
    expect(answer(mesh, client, "bye")).toBe("bye");
  });

  for (const early of ["all", ""]) {
    test(`whose client sends "${early}" and ends before the app agrees ends there for the app too, and hears it out`, () => {
      const mesh = new MemoryMesh();
      const client = mesh.client();
      const before = mesh.network.openEnds;
      client.send(`${upgrade}${early}`);
      client.connection.end();
      mesh.settle();
      expect(mesh.app().hasEnded).toBe(false);
      mesh.app().take();
      expect(answer(mesh, client, `${switched}hello`)).toMatch(/^HTTP\/1\.1 101 .*hello$/s);
      expect([mesh.app().take(), mesh.app().hasEnded]).toEqual([early, true]);
      mesh.app().send(" and bye");
      mesh.app().connection.end();
      mesh.settle();
      expect([client.take(), client.hasEnded]).toEqual([" and bye", true]);
      expect(mesh.network.openEnds).toBeLessThan(before + 2);
    });
  }

  test("that the app declines is an ordinary answer, and the connection's last one", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, upgrade);
    const declined = "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n";
    expect(answer(mesh, client, `${declined}\r\nno`)).toBe(`${declined}connection: close\r\n\r\nno`);
    expect(client.hasEnded).toBe(true);
  });

  test("that the app overlooks is no success for whoever thinks that it has a tunnel (CVE-2024-23326)", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, upgrade);
    expect(answer(mesh, client, ok("page"))).toStartWith("HTTP/1.1 502 ");
  });

  test("to HTTP/2 in the middle of a connection is overlooked by us: the request is served as it is", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    const read = deliver(mesh, client, `GET / HTTP/1.1\r\nHost: api\r\n${h2c}\r\n`);
    expect(read).toBe(`GET / HTTP/1.1\r\nhost: api\r\n${told}\r\n`);
    expect(answer(mesh, client, ok("x"))).toBe(ok("x"));
  });

  test("that the app declines leaves nothing of the early bytes to poison the next answer (CVE-2026-73548)", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, `${upgrade}GET /smuggled HTTP/1.1\r\nHost: api\r\n\r\n`);
    const app = mesh.app();
    answer(mesh, client, "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n");
    expect(mesh.apps.map((one) => one.received).join("")).not.toContain("smuggled");
    app.send(ok("poison"));
    mesh.settle();
    expect(deliver(mesh, mesh.client(), get)).toStartWith("GET / ");
    expect(client.received).toBe("");
  });

  test("CONNECT opens no tunnel, and early data behind it goes nowhere (CVE-2025-64763)", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    client.send(`CONNECT api:80 HTTP/1.1\r\nHost: api:80\r\n\r\n${get}`);
    mesh.settle();
    expect(client.take()).toMatch(/^HTTP\/1\.1 501 .*unsupported method\n$/s);
    expect(client.hasEnded).toBe(true);
    expect(mesh.apps).toEqual([]);
  });

  test("that nobody asked for is refused (CVE-2026-73548)", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    deliver(mesh, client, get);
    expect(answer(mesh, client, switched)).toStartWith("HTTP/1.1 502 ");
  });
});
