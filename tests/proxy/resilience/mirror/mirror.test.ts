import { describe, expect, test } from "bun:test";
import { createSeededRandom } from "../../../../lib/base/random.ts";
import type { MirrorConfig } from "../../../../lib/contract/proxy-mirror.ts";
import { FieldBlock } from "../../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../../proxy/message/request-head.ts";
import { MirrorStage } from "../../../../proxy/resilience/mirror/mirror-stage.ts";
import { maxAnswerBytes, maxBehindBytes } from "../../../../proxy/resilience/mirror/shadow.ts";
import { shadowHead } from "../../../../proxy/resilience/mirror/shadow-head.ts";
import { FrameType } from "../../../../proxy/http2/frame-types.ts";
import { PooledUpstream } from "../../../../proxy/upstream/pooled-upstream.ts";
import { data, framesIn, headers, windowUpdate } from "../../http2/frames.ts";
import { retryConfig, UpstreamWorld, type UpstreamWorldOptions } from "../../upstream/upstream-world.ts";
import { StageWorld } from "../stage-world.ts";

const config: MirrorConfig = {
  cluster: "shadow",
  percent: 100,
  disableShadowHostSuffixAppend: false,
  timeoutMs: 15_000,
  maxConcurrent: 2,
};

/** SETTINGS_INITIAL_WINDOW_SIZE, and the same for the connection. */
const largeWindows = [4, 4 * 1024 * 1024];
const largeConnectionWindow = windowUpdate(0, 4 * 1024 * 1024);

interface Mirrored {
  readonly world: StageWorld;
  /** Where the copies go, with its own network: it stands still until it is told to go on. */
  readonly shadow: UpstreamWorld;
}

function mirrored(given: Partial<MirrorConfig> = {}, options: Partial<UpstreamWorldOptions> = {}): Mirrored {
  const shadow = new UpstreamWorld({ protocol: options.protocol ?? "http1" });
  const world = new StageWorld(
    { protocol: "http1", ...options },
    ({ stageContext }) => new MirrorStage({ ...config, ...given }, shadow.upstream, stageContext),
  );
  return { world, shadow };
}

function headOf(authority: string): RequestHead {
  const block = new FieldBlock([":method", "GET", ":scheme", "http", ":authority", authority, ":path", "/"]);
  const head = checkRequest(block);
  if (!(head instanceof RequestHead)) throw new Error(head);
  return head;
}

describe("a copy", () => {
  test("is the request as it was sent, for host-shadow, and its answer is dropped", async () => {
    const { world, shadow } = mirrored();
    const asked = world.ask("PUT", "/a?b", "the body", ["x-one", "1"]);
    const original = world.server().text();
    shadow.settle();
    expect(shadow.server().text()).toBe(original.replace("host: api\r\n", "host: api-shadow\r\n"));
    expect(original).toEndWith("the body");
    shadow.server().ok("of the copy");
    expect(asked.seen).toBe("");
    world.server().ok("of the request");
    expect(asked.seen).toBe("200 of the request");
    expect(world.stageContext.counters.mirrors.answered).toBe(1);
    expect(world.leftovers).toEqual([0, 0, 0]);
    // Its connection can be used again.
    world.ask();
    shadow.settle();
    expect(shadow.servers.length).toBe(1);
  });

  test("lives on without its request, and ends with its own time", async () => {
    const { world, shadow } = mirrored({ timeoutMs: 1_000 });
    const asked = world.ask();
    shadow.settle();
    world.server().ok("done");
    expect(asked.seen).toBe("200 done");
    expect(world.leftovers[0]).toBe(1);
    await world.wait(1_050);
    shadow.settle();
    expect(shadow.server().hasEnded).toBe(true);
    expect([world.stageContext.counters.mirrors.timeout, ...world.leftovers]).toEqual([1, 0, 0, 0]);
  });

  test("has its body as it comes, however slowly", () => {
    const { world, shadow } = mirrored();
    const asked = world.askOpen();
    for (const [piece, isEnd] of [
      ["one", false],
      ["two", false],
      ["three", true],
    ] as const) {
      asked.sendBody(piece, isEnd);
      world.settle();
      shadow.settle();
    }
    const original = world.server().text();
    expect(original).toEndWith("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n");
    expect(shadow.server().text()).toEndWith("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n");
  });

  test.each(["http1", "http2"] as const)("of a megabyte is whole when its server keeps up, in %s", (protocol) => {
    const world = new StageWorld(
      { protocol, endpoints: 2, serverSettings: largeWindows },
      ({ pools, stageContext }) => {
        const shadow = new PooledUpstream({
          picker: { pick: () => pools[1] },
          monotonicMs: () => 0,
          waitTimeoutMs: () => 5_000,
        });
        return new MirrorStage(config, shadow, stageContext);
      },
    );
    world.ask();
    const [main, shadow] = [world.server(0), world.server(1)];
    for (const server of [main, shadow]) {
      if (protocol === "http1") server.ok("warm");
      else server.say(largeConnectionWindow, headers(1, [":status", "200"], true));
      server.takeRaw();
    }
    const body = "0123456789abcdef".repeat(65_536);
    const asked = world.ask("POST", "/", body);
    for (const server of [main, shadow]) {
      const raw = server.takeRaw();
      const sent = protocol === "http1" ? raw.toString("latin1") : bodyIn(raw);
      expect(sent.endsWith(body)).toBe(true);
    }
    if (protocol === "http1") main.ok("x");
    else main.answer(3, "x");
    expect(asked.seen).toBe("200 x");
    expect(world.stageContext.counters.mirrors.behind).toBe(0);
  });

  test("that is too far behind is given up, and the request is not", () => {
    for (const [size, outcome] of [
      [maxBehindBytes, 0],
      [maxBehindBytes + 1, 1],
    ] as const) {
      // The copy's server is never reached, since its network stands still.
      const { world, shadow } = mirrored();
      const asked = world.ask("POST", "/", "x".repeat(size));
      expect(world.server().text().split("\r\n\r\n")[1]).toHaveLength(size);
      expect(world.stageContext.counters.mirrors.behind).toBe(outcome);
      world.server().ok("fine");
      expect(asked.seen).toBe("200 fine");
      shadow.settle();
      if (outcome === 1) expect(world.leftovers).toEqual([0, 0, 0]);
      else expect(shadow.server().text()).toEndWith("x".repeat(100));
    }
  });

  test("is not made while there are as many as there may be", () => {
    const { world, shadow } = mirrored({ maxConcurrent: 2 });
    for (let i = 0; i < 3; i++) world.ask("GET", `/${i}`);
    shadow.settle();
    expect(shadow.servers.map((server) => server.text().split(" ")[1])).toEqual(["/0", "/1"]);
    expect(world.stageContext.counters.mirrors.overflow).toBe(1);
    shadow.server(0).ok("free");
    world.ask("GET", "/3");
    shadow.settle();
    expect(shadow.server(0).text()).toStartWith("GET /3");
  });

  test("is made once for a request that is tried again, and not tried again itself", async () => {
    const { world, shadow } = mirrored({}, { policy: { retry: retryConfig({ attempts: 1 }) } });
    const asked = world.ask("PUT", "/", "the body");
    shadow.settle();
    shadow.server().say("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
    world.server().say("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
    await world.wait(100);
    shadow.settle();
    world.server().ok("fine");
    expect(asked.seen).toBe("200 fine");
    expect([shadow.servers.length, shadow.server().text().split("PUT / ").length]).toEqual([1, 2]);
    expect(world.stageContext.counters.mirrors.answered).toBe(1);
  });

  test("ends with its request when that is called off in the middle of its body", () => {
    const { world, shadow } = mirrored({}, { protocol: "http2" });
    const asked = world.askOpen("POST");
    asked.sendBody("first", false);
    world.settle();
    shadow.settle();
    expect(shadow.server().requests()).toEqual(["1 POST /", "1 first"]);
    asked.giveUp();
    world.settle();
    shadow.settle();
    expect(
      shadow
        .server()
        .frames()
        .map(({ type }) => type),
    ).toEqual([3]);
    expect([world.stageContext.counters.mirrors.cancelled, ...world.leftovers]).toEqual([1, 0, 0, 0]);
  });

  test("goes on when its request is answered after its body, and its trailers are there too", () => {
    const { world, shadow } = mirrored({}, { protocol: "http2" });
    const asked = world.askOpen("POST");
    asked.sendBody("first", false);
    asked.sendTrailers(["x-end", "1"]);
    world.settle();
    world.server().answer(1, "done");
    expect(asked.seen).toBe("200 done");
    shadow.settle();
    expect(shadow.server().requests().slice(0, 2)).toEqual(["1 POST /", "1 first"]);
    shadow.server().say(headers(1, [":status", "200"], false), data(1, "late", false), headers(1, ["x-t", "1"], true));
    expect([world.stageContext.counters.mirrors.answered, ...world.leftovers]).toEqual([1, 0, 0, 0]);
  });

  test("whose answer is endless is cut off", () => {
    const { world, shadow } = mirrored();
    world.ask();
    shadow.settle();
    shadow.server().say("HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n", "x".repeat(maxAnswerBytes));
    expect(shadow.server().hasEnded).toBe(false);
    shadow.server().say("x");
    expect([world.stageContext.counters.mirrors.too_long, shadow.server().hasEnded]).toEqual([1, true]);
  });

  test("that is lost, or cannot be sent, is nobody's business", () => {
    const { world, shadow } = mirrored();
    shadow.refusing.add(0);
    const first = world.ask();
    shadow.settle();
    shadow.refusing.clear();
    world.server().ok("one");
    const second = world.ask();
    shadow.settle();
    shadow.server().connection.destroy();
    shadow.settle();
    world.server().ok("two");
    expect([first.seen, second.seen]).toEqual(["200 one", "200 two"]);
    const { unreached, lost } = world.stageContext.counters.mirrors;
    expect([unreached, lost, ...world.leftovers]).toEqual([1, 1, 0, 0, 0]);
  });
});

test("tunnels are not copied", () => {
  const { world, shadow } = mirrored({}, { protocol: "http2", serverSettings: [8, 1] });
  world.ask();
  world.server().answer(1, "warm");
  shadow.settle();
  world.askOpen("CONNECT", [":protocol", "websocket"]);
  world.settle();
  shadow.settle();
  expect(shadow.servers.length).toBe(1);
  expect(shadow.server().requests()).toEqual(["1 GET /"]);
});

test.each([0, 0.5, 30, 100])("%p percent of 10,000 requests are copied", (percent) => {
  const random = createSeededRandom(11).float;
  const { stageContext, upstream } = new StageWorld({ protocol: "http1" }, () => ({ before: (to) => to }), random);
  const stage = new MirrorStage({ ...config, percent }, upstream, stageContext);
  const head = headOf("api");
  let copied = 0;
  for (let i = 0; i < 10_000; i++) if (stage.before(upstream, head) !== upstream) copied++;
  const share = percent / 100;
  expect(Math.abs(copied - 10_000 * share)).toBeLessThan(4 * Math.sqrt(10_000 * share * (1 - share)) + 1);
});

test.each([
  ["api", "api-shadow"],
  ["api.example:8080", "api.example-shadow:8080"],
  ["[::1]:8080", "[::1]:8080"],
])("a copy for %p says %p", (authority, said) => {
  expect(shadowHead(headOf(authority)).authority).toBe(said);
});

function bodyIn(raw: Buffer): string {
  return framesIn(raw)
    .flatMap(({ type, payload }) => (type === FrameType.data ? [payload.toString("latin1")] : []))
    .join("");
}
