import { expect, test } from "bun:test";
import { LimitedResponse } from "../../../../proxy/resilience/fault/limited-response.ts";
import { data, headers } from "../../http2/frames.ts";
import { retryConfig, type UpstreamWorldOptions } from "../../upstream/upstream-world.ts";
import { StageWorld } from "../stage-world.ts";

/** 10 KiB in a second. */
function limited(options: Partial<UpstreamWorldOptions> = {}): { world: StageWorld; active: { active: number } } {
  const active = { active: 0 };
  const world = new StageWorld({ protocol: "http2", ...options }, ({ stageContext }) => ({
    before: LimitedResponse.stage(10, active, stageContext),
  }));
  return { world, active };
}

test("trailers come behind the last byte", async () => {
  const { world, active } = limited();
  const asked = world.ask();
  world.server().say(headers(1, [":status", "200"], false), data(1, "x".repeat(2_000), false));
  world.server().say(headers(1, ["x-end", "1"], true));
  expect([asked.seen, active.active]).toEqual(["", 1]);
  await world.wait(130);
  expect(asked.seen).toBe("");
  await world.wait(100);
  expect([asked.seen, asked.trailersSeen, active.active]).toEqual([`200 ${"x".repeat(2_000)}`, ["x-end", "1"], 0]);
  expect(world.leftovers).toEqual([0, 0, 0]);
});

test("a response without a body has nothing to wait for", () => {
  const { world, active } = limited();
  const asked = world.ask();
  world.server().say(headers(1, [":status", "204"], true));
  expect([asked.seen, active.active]).toEqual(["204", 0]);
});

test("an end that comes by itself is the end", async () => {
  const { world } = limited();
  const asked = world.ask();
  world.server().say(headers(1, [":status", "200"], false), data(1, "all", false));
  await world.wait(500);
  expect(world.leftovers).toEqual([0, 0, 0]);
  world.server().say(data(1, "", true));
  expect(asked.seen).toBe("200 all");
});

test("a server that is lost cuts the response off, whatever waits", () => {
  const { world, active } = limited();
  const asked = world.ask();
  world.server().say(headers(1, [":status", "200"], false), data(1, "x".repeat(5_000), false));
  world.server().connection.destroy();
  world.settle();
  expect([asked.seen, active.active, ...world.leftovers]).toEqual(["cut", 0, 0, 0, 0]);
});

test("an answer that is tried again is left alone", async () => {
  const { world, active } = limited({ protocol: "http1", policy: { retry: retryConfig({ attempts: 1 }) } });
  const asked = world.ask();
  world.server().say("HTTP/1.1 503 No\r\ncontent-length: 2000\r\n\r\n", "x".repeat(2_000));
  await world.wait(100);
  world.server().ok("fine");
  expect(asked.seen).toBe("200 fine");
  await world.wait(2_000);
  expect([active.active, ...world.leftovers]).toEqual([0, 0, 0, 0]);
});

test("a rate is kept over pauses of the server, which it may make up for by a second's worth at most", async () => {
  const { world } = limited();
  const asked = world.ask();
  world.server().say(headers(1, [":status", "200"], false));
  await world.wait(60_000);
  world.server().say(data(1, "x".repeat(16_000), false), data(1, "x".repeat(8_000), true));
  await world.wait(1_250);
  expect(asked.seen).toBe("");
  await world.wait(200);
  expect(asked.seen).toHaveLength(24_004);
});
