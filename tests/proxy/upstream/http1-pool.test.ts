import { describe, expect, test } from "bun:test";
import { maxReplayBytes } from "../../../proxy/exchange/body-pipe.ts";
import { Setting } from "../../../proxy/http2/frame-types.ts";
import { windowUpdate } from "../http2/frames.ts";
import { UpstreamWorld } from "./upstream-world.ts";

/** A connection that has carried one request and is idle. */
function warm(world: UpstreamWorld, ...fields: readonly string[]): void {
  const asked = world.ask();
  world.server().text();
  world.server().ok("warm", ...fields);
  expect(asked.seen).toBe("200 warm");
}

describe("an idle connection that its server closes", () => {
  test("is not used any more", () => {
    const world = new UpstreamWorld({ protocol: "http1" });
    warm(world);
    world.server().connection.end();
    world.settle();
    expect(world.pool.connectionCount).toBe(0);
    world.ask();
    expect(world.servers.length).toBe(2);
  });

  test("just when a request comes is no loss while nothing of that has left: it is sent again, POST too", () => {
    for (const method of ["GET", "POST"]) {
      const world = new UpstreamWorld({ protocol: "http1" });
      warm(world);
      const old = world.server();
      // The end is on its way when the request is given to the connection, and arrives before the turn ends.
      old.connection.end();
      const asked = world.ask(method, "/", "body");
      expect(old.text()).toBe("");
      expect(world.server().text()).toContain(`${method} / HTTP/1.1\r\n`);
      world.server().ok("ok");
      expect([asked.seen, world.servers.length]).toEqual(["200 ok", 2]);
    }
  });

  test("behind a request has that sent once more when it is idempotent, with its body", () => {
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]) {
      const world = new UpstreamWorld({ protocol: "http1" });
      warm(world);
      world.ask(method, "/", method === "PUT" ? "body" : undefined);
      world.server().connection.end();
      world.settle();
      expect(world.servers.length).toBe(2);
      const text = world.server().text();
      expect(text).toStartWith(`${method} / `);
      expect(text.endsWith("body")).toBe(method === "PUT");
    }
  });

  test("behind a request that is not idempotent is 503: the server may have acted (RFC 9110 section 9.2.2)", () => {
    for (const method of ["POST", "PATCH", "LOCK"]) {
      const world = new UpstreamWorld({ protocol: "http1" });
      warm(world);
      const asked = world.ask(method, "/", "body");
      world.server().connection.end();
      world.settle();
      expect([asked.seen, world.servers.length]).toEqual(["503", 1]);
    }
  });

  test("behind a body too long to keep is 503", () => {
    const world = new UpstreamWorld({ protocol: "http1" });
    warm(world);
    const asked = world.ask("PUT", "/", Buffer.alloc(maxReplayBytes + 1));
    world.server().connection.end();
    world.settle();
    expect(asked.seen).toBe("503");
  });

  test("once more, on the fresh connection, is 503", () => {
    const world = new UpstreamWorld({ protocol: "http1" });
    warm(world);
    const asked = world.ask();
    world.server().connection.end();
    world.settle();
    world.server().connection.end();
    world.settle();
    expect([asked.seen, world.servers.length]).toEqual(["503", 2]);
  });

  test("after half an answer is 502 and nothing is sent again", () => {
    const world = new UpstreamWorld({ protocol: "http1" });
    warm(world);
    const asked = world.ask();
    world.server().send("HTTP/1.1 200");
    world.server().connection.end();
    world.settle();
    expect([asked.seen, world.servers.length]).toEqual(["502", 1]);
  });

  test("as its Keep-Alive field had announced is not used in its last second", () => {
    const world = new UpstreamWorld({ protocol: "http1" });
    warm(world, "keep-alive: timeout=5, max=100");
    world.pass(3_000);
    world.ask("POST", "/", "body");
    expect(world.servers.length).toBe(1);
    world.server().ok("ok", "keep-alive: timeout=5");
    world.network.nowMs += 4_500;
    world.ask("POST", "/", "body");
    expect(world.servers.length).toBe(2);
    expect(world.server(0).hasEnded).toBe(true);
  });
});

describe("an idle connection", () => {
  test("is taken last in, first out, so that surplus ones grow old and are closed", () => {
    const world = new UpstreamWorld({ protocol: "http1" });
    const both = [world.ask(), world.ask()];
    world.server(0).ok("a");
    world.server(1).ok("b");
    expect(both.map(({ seen }) => seen)).toEqual(["200 a", "200 b"]);
    for (let second = 0; second < 60; second++) {
      world.ask();
      world.server(1).ok("ok");
      world.pass(1_000);
    }
    expect([world.server(0).hasEnded, world.server(1).hasEnded]).toEqual([true, false]);
  });

  test("is kept beside as many others as the limit says; one more has the one closed that is idle longest", () => {
    const world = new UpstreamWorld({ protocol: "http1", limits: { maxPoolIdle: 3 } });
    for (let i = 0; i < 4; i++) world.ask();
    const ended = () => world.servers.map(({ hasEnded }) => hasEnded);
    for (const index of [2, 0, 3]) world.server(index).ok("ok");
    expect([ended(), world.pool.connectionCount]).toEqual([[false, false, false, false], 4]);
    world.server(1).ok("ok");
    expect([ended(), world.pool.connectionCount]).toEqual([[false, false, true, false], 3]);
  });

  test("that sends something by itself is closed, also when a request is just being given to it", () => {
    const world = new UpstreamWorld({ protocol: "http1" });
    warm(world);
    world.server().send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
    const asked = world.ask("POST", "/", "body");
    expect(world.servers.length).toBe(2);
    world.server().ok("clean");
    expect(asked.seen).toBe("200 clean");
  });
});

describe("a limit of connections", () => {
  test("has requests wait, first come, first served", () => {
    const world = new UpstreamWorld({ protocol: "http1", maxConnections: 2 });
    const asked = Array.from({ length: 6 }, (_, i) => world.ask("GET", `/${i}`));
    expect([world.servers.length, world.upstream.waitingCount]).toEqual([2, 4]);
    world.server(0).text();
    world.server(1).text();
    for (const [server, next] of [
      [1, 2],
      [0, 3],
      [0, 4],
      [1, 5],
    ] as const) {
      world.server(server).ok("ok");
      expect(world.server(server).text()).toStartWith(`GET /${next} `);
    }
    world.server(0).ok("ok");
    world.server(1).ok("ok");
    expect(asked.every(({ seen }) => seen === "200 ok")).toBe(true);
    expect(world.servers.length).toBe(2);
    expect(world.pool.activeCount).toBe(0);
  });

  test("forgets who gives up while waiting", () => {
    const world = new UpstreamWorld({ protocol: "http1", maxConnections: 1 });
    world.ask();
    const [second, third] = [world.ask("GET", "/second"), world.ask("GET", "/third")];
    second.giveUp();
    world.server().text();
    world.server().ok("ok");
    expect(world.server().text()).toStartWith("GET /third ");
    world.server().ok("ok");
    expect([second.seen, third.seen]).toEqual(["", "200 ok"]);
  });

  test("serves who waits by a new connection when one breaks", () => {
    const world = new UpstreamWorld({ protocol: "http1", maxConnections: 1 });
    const [first, second] = [world.ask(), world.ask()];
    world.server().connection.destroy();
    world.settle();
    expect([first.seen, world.servers.length]).toEqual(["503", 2]);
    world.server().ok("ok");
    expect(second.seen).toBe("200 ok");
  });

  test("turns away who has waited for the time to connect", () => {
    const world = new UpstreamWorld({ protocol: "http1", maxConnections: 1 });
    world.ask();
    const early = world.ask();
    world.pass(3_000);
    const late = world.ask();
    world.pass(2_000);
    expect([early.seen, late.seen]).toEqual(["503", ""]);
    expect(world.counters.refusals.overflow).toBe(1);
  });

  test("turns away more than may wait, at once", () => {
    const world = new UpstreamWorld({ protocol: "http1", maxConnections: 1 });
    for (let i = 0; i < 1_025; i++) world.ask();
    expect(world.upstream.waitingCount).toBe(1_024);
    expect(world.ask().seen).toBe("503");
  });

  test("turns away more than are allowed to wait, and counts them", () => {
    for (const maxWaiting of [0, 2]) {
      const world = new UpstreamWorld({ protocol: "http1", maxConnections: 1, maxWaiting });
      const seen = Array.from({ length: 5 }, () => world.ask()).map((asked) => asked.seen);
      expect(seen).toEqual(seen.map((_, i) => (i <= maxWaiting ? "" : "503")));
      expect(world.upstream.overflows).toBe(4 - maxWaiting);
    }
  });

  test("at one endpoint has the next one serve", () => {
    const world = new UpstreamWorld({ protocol: "http1", maxConnections: 1, endpoints: 2 });
    world.ask();
    world.ask();
    expect(world.servers.map(({ endpoint }) => endpoint)).toEqual([0, 1]);
    const third = world.ask("GET", "/third");
    world.server(1).text();
    world.server(1).ok("ok");
    // Whichever has room first.
    expect(world.server(1).text()).toStartWith("GET /third ");
    world.server(1).ok("third");
    expect(third.seen).toBe("200 third");
  });

  test("counts a connection that was opened for somebody who left: it is the next one's", () => {
    const world = new UpstreamWorld({ protocol: "http1", maxConnections: 1 });
    const first = world.ask();
    world.server().ok("ok");
    world.server().connection.destroy();
    world.settle();
    expect(first.seen).toBe("200 ok");
    const leaver = world.ask();
    leaver.giveUp();
    world.settle();
    const next = world.ask();
    expect(world.servers.length).toBeLessThanOrEqual(3);
    world.server().ok("next");
    expect(next.seen).toBe("200 next");
  });
});

describe("an endpoint that cannot be reached", () => {
  test("has the request tried elsewhere, whatever its method, since nothing was sent", () => {
    const world = new UpstreamWorld({ protocol: "http1", endpoints: 3 });
    world.refusing.add(0);
    world.refusing.add(1);
    const asked = world.ask("POST", "/", "body");
    expect(world.attempts).toEqual([0, 1, 2]);
    world.server().ok("ok");
    expect(asked.seen).toBe("200 ok");
  });

  test("is not the last of three: then it is 503", () => {
    const world = new UpstreamWorld({ protocol: "http1", endpoints: 5 });
    for (let i = 0; i < 5; i++) world.refusing.add(i);
    expect(world.ask().seen).toBe("503");
    expect(world.attempts).toEqual([0, 1, 2]);
    expect(world.counters.refusals.connect_failure).toBe(1);
  });

  test("is tried again for those who wait, once a second", () => {
    const world = new UpstreamWorld({ protocol: "http1", endpoints: 2, maxConnections: 1 });
    world.ask();
    world.refusing.add(1);
    const asked = world.ask();
    world.pass(2_000);
    expect(world.attempts).toEqual([0, 1, 1, 1]);
    world.refusing.clear();
    world.pass(2_000);
    world.server(1).ok("back");
    expect(asked.seen).toBe("200 back");
  });

  test("does not have anybody wait longer than the time to connect, however often it is tried again", () => {
    const world = new UpstreamWorld({ protocol: "http1", endpoints: 2, maxConnections: 1 });
    world.ask();
    world.refusing.add(1);
    const asked = world.ask();
    world.pass(5_000);
    expect(asked.seen).toBe("503");
  });

  test("fails everybody who waited for the attempt, and each finds the next endpoint", () => {
    const world = new UpstreamWorld({ protocol: "http2", endpoints: 2 });
    world.refusing.add(0);
    const asked = [world.ask(), world.ask(), world.ask()];
    for (const id of [1, 3, 5]) world.server().answer(id, "ok");
    expect(asked.map(({ seen }) => seen)).toEqual(["200 ok", "200 ok", "200 ok"]);
    expect(world.servers.length).toBe(1);
  });

  test("any more has the request wait for a connection that stands", () => {
    const world = new UpstreamWorld({ protocol: "http1" });
    const running = world.ask();
    world.refusing.add(0);
    const next = world.ask("POST", "/next", "body");
    expect([next.seen, world.upstream.waitingCount]).toEqual(["", 1]);
    world.server().ok("running");
    world.server().ok("next");
    expect([running.seen, next.seen]).toEqual(["200 running", "200 next"]);
  });

  test("is not dialled again at every byte of a connection that stands", () => {
    const world = new UpstreamWorld({ protocol: "http2", serverSettings: [Setting.maxConcurrentStreams, 1] });
    world.ask();
    world.refusing.add(0);
    world.ask();
    expect(world.attempts.length).toBe(2);
    for (let i = 0; i < 100; i++) world.server().say(windowUpdate(0, 1));
    expect(world.attempts.length).toBe(2);
    world.pass(1_000);
    expect(world.attempts.length).toBe(3);
  });

  test("with others that have no room has the request wait for those", () => {
    const world = new UpstreamWorld({ protocol: "http1", endpoints: 2, maxConnections: 1 });
    world.ask();
    world.refusing.add(1);
    const asked = world.ask();
    expect([asked.seen, world.upstream.waitingCount]).toEqual(["", 1]);
    expect(world.attempts).toEqual([0, 1]);
    world.server(0).ok("first");
    world.server(0).ok("second");
    expect(asked.seen).toBe("200 second");
  });
});

describe("an endpoint that is removed", () => {
  test("finishes what it has and takes nothing new; what waited goes elsewhere", () => {
    for (const protocol of ["http1", "http2"] as const) {
      const world = new UpstreamWorld({ protocol, endpoints: 2, maxConnections: 1 });
      const [old, other] = world.pools;
      if (old === undefined || other === undefined) throw new Error("two endpoints");
      world.choice = [old];
      const running = world.ask();
      const waiting = protocol === "http1" ? world.ask("GET", "/waiting") : undefined;
      old.close();
      world.choice = [other];
      world.upstream.refresh();
      world.settle();
      const next = world.ask("GET", "/next");
      const answer = (server: number, id: number, text: string): void => {
        if (protocol === "http1") world.server(server).ok(text);
        else world.server(server).answer(id, text);
      };
      answer(0, 1, "old");
      expect(running.seen).toBe("200 old");
      if (waiting !== undefined) {
        answer(1, 1, "moved");
        expect(waiting.seen).toBe("200 moved");
      }
      answer(1, 1, "new");
      expect(next.seen).toBe("200 new");
      world.pass(2_000);
      expect([world.server(0).hasEnded, old.isEmpty]).toEqual([true, true]);
    }
  });

  test("as the last one leaves those who wait without any", () => {
    const world = new UpstreamWorld({ protocol: "http1", maxConnections: 1 });
    world.ask();
    const waiting = world.ask();
    world.choice = [];
    world.upstream.refresh();
    expect(waiting.seen).toBe("503");
    expect(world.counters.refusals.no_healthy_upstream).toBe(1);
  });

  test("while it is being dialled has the request served elsewhere over HTTP/2, and there over HTTP/1.1", () => {
    const world = new UpstreamWorld({ protocol: "http2", endpoints: 2 });
    const [old, other] = world.pools;
    if (old === undefined || other === undefined) throw new Error("two endpoints");
    world.choice = [old];
    world.network.schedule(() => {
      old.close();
      world.choice = [other];
    });
    const asked = world.ask();
    world.server().answer(1, "ok");
    expect(asked.seen).toBe("200 ok");
    expect(world.server().endpoint).toBe(1);
    world.pass(2_000);
    expect(old.isEmpty).toBe(true);
  });
});
