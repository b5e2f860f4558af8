import { once } from "node:events";
import { createServer } from "node:net";
import { beforeEach, expect, test } from "bun:test";
import { systemClock } from "../../../lib/base/clock.ts";
import { measureConnect } from "../../../lib/client/connect-time.ts";
import { createOwnCoordinate, type OwnCoordinate } from "../../../lib/client/own-coordinate.ts";
import { defaultCoordinateSettings } from "../../../lib/contract/coordinate-settings.ts";
import { originCoordinate } from "../../../lib/contract/vivaldi.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock, settle, type VirtualClock } from "../../fakes/virtual-clock.ts";

let clock: VirtualClock;
let own: OwnCoordinate;
/** What the next measurements find; undefined when the server cannot be reached. */
let way: number | undefined;

const create = (isServer: boolean): OwnCoordinate =>
  createOwnCoordinate({
    settings: defaultCoordinateSettings,
    isServer,
    runtime: createTestRuntime({ clock }),
    roundTrip: async () => way,
  });
const measure = async (seconds: number | undefined, nodes = 3): Promise<void> => {
  way = seconds;
  own.measure({ address: "server:8300", coordinate: originCoordinate }, nodes);
  await settle();
};

beforeEach(() => {
  clock = createVirtualClock(1_000);
  own = create(false);
});

test("an agent tells nothing until it has measured, then at once, and a server tells its origin from the beginning", async () => {
  expect(own.news()).toBeUndefined();
  await measure(undefined);
  await measure(11);
  expect(own.news()).toBeUndefined();
  await measure(0.01);
  expect(own.news()).toEqual(own.coordinate());
  own = create(true);
  expect([own.news(), own.news()]).toEqual([originCoordinate, undefined]);
  await measure(0.01);
  expect(own.news()).toEqual(own.coordinate());
});

test("one that moves all the time is told 15 to 30 seconds apart", async () => {
  let told = 0;
  for (let second = 0; second < 600; second++) {
    await measure(second % 2 === 0 ? 0.01 : 0.05);
    if (own.news() !== undefined) told++;
    await clock.advance(1_000);
  }
  expect(told).toBeGreaterThanOrEqual(20);
  expect(told).toBeLessThanOrEqual(41);
});

test("of 6,400 nodes each tells no more than once in a hundred seconds", async () => {
  await measure(0.01, 6_400);
  expect(own.news()).toBeDefined();
  await clock.advance(99_000);
  for (let n = 0; n < 20; n++) await measure(0.1, 6_400);
  expect(own.news()).toBeUndefined();
  await clock.advance(101_000);
  expect(own.news()).toBeDefined();
});

test("one that stays where it is is told every ten minutes, and when nobody may know it any more", async () => {
  for (let n = 0; n < 200; n++) await measure(0.01);
  expect(own.news()).toBeDefined();
  await clock.advance(60_000);
  await measure(0.01);
  expect(own.news()).toBeUndefined();
  own.forgetTold();
  expect(own.news()).toBeDefined();
  await clock.advance(599_000);
  expect(own.news()).toBeUndefined();
  await clock.advance(1_000);
  expect(own.news()).toBeDefined();
});

test("one is measured at every renewal for twenty samples, then twice in the time between two words", async () => {
  for (let n = 0; n < 20; n++) {
    expect(own.wantsReference()).toBe(true);
    await measure(0.01, 6_400);
  }
  expect(own.wantsReference()).toBe(false);
  await clock.advance(49_000);
  expect(own.wantsReference()).toBe(false);
  await clock.advance(1_000);
  expect(own.wantsReference()).toBe(true);
});

test("one way is measured at a time, and none when it is closed", async () => {
  const found = Promise.withResolvers<number>();
  const asked: string[] = [];
  own = createOwnCoordinate({
    settings: defaultCoordinateSettings,
    isServer: false,
    runtime: createTestRuntime({ clock }),
    roundTrip(address) {
      asked.push(address);
      return found.promise;
    },
  });
  own.measure({ address: "a:1", coordinate: originCoordinate }, 3);
  expect(own.wantsReference()).toBe(false);
  own.measure({ address: "b:1", coordinate: originCoordinate }, 3);
  found.resolve(0.01);
  await settle();
  expect([asked, own.wantsReference()]).toEqual([["a:1"], true]);
  own.close();
  own.measure({ address: "c:1", coordinate: originCoordinate }, 3);
  expect([asked, own.wantsReference()]).toEqual([["a:1"], false]);
});

test("the way to a server is a connection's, and there is none where nobody listens or the time is over", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  const address = `127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}`;
  const { signal } = new AbortController();
  const seconds = await measureConnect(address, systemClock, signal);
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThan(2);
  expect(await measureConnect(address, systemClock, AbortSignal.abort())).toBeUndefined();
  server.close();
  await once(server, "close");
  expect(await measureConnect(address, systemClock, signal)).toBeUndefined();
  expect(await measureConnect("nowhere", systemClock, signal)).toBeUndefined();
});
