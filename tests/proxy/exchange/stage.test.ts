import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Upstream } from "../../../proxy/exchange/ends.ts";
import type { Stage } from "../../../proxy/exchange/policy.ts";
import { PassThrough } from "../../../proxy/exchange/stage.ts";
import { retryConfig, UpstreamWorld } from "../upstream/upstream-world.ts";

const root = join(import.meta.dir, "../../..");

describe("a stage that changes nothing", () => {
  test("leaves everything as the tests of exchanges say it is", () => {
    const files = ["tests/proxy/exchange", "tests/proxy/upstream", "tests/proxy/grpc-web"].flatMap((folder) =>
      readdirSync(join(root, folder))
        .filter((name) => name.endsWith(".test.ts") && name !== "stage.test.ts")
        .map((name) => `./${folder}/${name}`),
    );
    const preload = "./tests/proxy/exchange/identity-stage.ts";
    const args = ["test", "--timeout=30000", "--preload", preload, ...files];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
    expect(stderr).toMatch(/\n [1-9]\d\d pass\n 0 fail\n/);
    expect(status).toBe(0);
  }, 300_000);
});

/** Writes down what passes through it. */
class Spy extends PassThrough {
  static seen: string[] = [];

  override onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    Spy.seen.push(bytes.toString("latin1", start, end));
    super.onResponseData(bytes, start, end, isEnd);
  }

  override abort(): void {
    Spy.seen.push("abort");
    super.abort();
  }
}

const spy: Stage = { before: (upstream: Upstream) => new Spy(upstream) };

describe("a stage whose request is tried again", () => {
  test("is not told any more of the try of before, which is read to its end all the same", async () => {
    Spy.seen = [];
    const world = new UpstreamWorld({
      protocol: "http1",
      policy: { retry: retryConfig({ attempts: 1 }) },
      stages: [spy],
    });
    const asked = world.ask();
    const first = world.server();
    first.say("HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\n");
    await world.wait(100);
    const second = world.server();
    expect(world.servers.length).toBe(2);
    first.say("late");
    second.ok("fine");
    expect([asked.seen, Spy.seen]).toEqual(["200 fine", ["fine"]]);
    // Both connections can be used again, which they could not when an end had gone to the wrong one.
    expect([first.hasEnded, second.hasEnded]).toEqual([false, false]);
    const next = [world.ask(), world.ask()];
    second.ok("b");
    first.ok("a");
    expect(next.map(({ seen }) => seen).toSorted()).toEqual(["200 a", "200 b"]);
  });

  test("keeps the new try when the old one's answer takes too long", async () => {
    Spy.seen = [];
    const world = new UpstreamWorld({
      protocol: "http1",
      policy: { retry: retryConfig({ attempts: 1 }) },
      stages: [spy],
    });
    const asked = world.ask();
    const first = world.server();
    first.say("HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\n");
    await world.wait(1_200);
    expect([first.connection.isClosed || first.hasEnded, world.servers.length]).toEqual([true, 2]);
    world.server().ok("fine");
    expect([asked.seen, Spy.seen]).toEqual(["200 fine", ["fine"]]);
  });

  test("is called off with its client, before and after it has a connection", () => {
    Spy.seen = [];
    const world = new UpstreamWorld({ protocol: "http1", stages: [spy] });
    world.ask().giveUp();
    world.settle();
    expect([Spy.seen, world.server().connection.isClosed || world.server().hasEnded]).toEqual([["abort"], true]);
    const early = new UpstreamWorld({ protocol: "http1", stages: [spy] });
    early.silent.add(0);
    const asked = early.ask();
    expect(early.upstream.isIdle).toBe(false);
    asked.giveUp();
    expect([early.upstream.isIdle, Spy.seen]).toEqual([true, ["abort"]]);
  });
});
