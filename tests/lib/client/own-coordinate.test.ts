import { beforeEach, expect, test } from "bun:test";
import { createOwnCoordinate, type OwnCoordinate } from "../../../lib/client/own-coordinate.ts";
import { defaultCoordinateSettings } from "../../../lib/contract/coordinate-settings.ts";
import { originCoordinate } from "../../../lib/contract/vivaldi.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock, type VirtualClock } from "../../fakes/virtual-clock.ts";

let clock: VirtualClock;
let own: OwnCoordinate;

const create = (isServer: boolean): OwnCoordinate =>
  createOwnCoordinate({ settings: defaultCoordinateSettings, isServer, runtime: createTestRuntime({ clock }) });
const measure = (seconds: number, nodes = 3): void =>
  own.measured({ peer: "server:8300", place: originCoordinate, seconds, nodes });

beforeEach(() => {
  clock = createVirtualClock(1_000);
  own = create(false);
});

test("an agent tells nothing until it has measured, then at once, and a server tells its origin from the beginning", () => {
  expect(own.news()).toBeUndefined();
  measure(11);
  expect(own.news()).toBeUndefined();
  measure(0.01);
  expect(own.news()).toEqual(own.coordinate());
  expect(create(true).news()).toEqual(originCoordinate);
});

test("one that moves all the time is told 15 to 30 seconds apart", async () => {
  let told = 0;
  for (let second = 0; second < 600; second++) {
    measure(second % 2 === 0 ? 0.01 : 0.05);
    if (own.news() !== undefined) told++;
    await clock.advance(1_000);
  }
  expect(told).toBeGreaterThanOrEqual(20);
  expect(told).toBeLessThanOrEqual(41);
});

test("of 6,400 nodes each tells no more than once in a hundred seconds", async () => {
  measure(0.01, 6_400);
  expect(own.news()).toBeDefined();
  await clock.advance(99_000);
  for (let n = 0; n < 20; n++) measure(0.1, 6_400);
  expect(own.news()).toBeUndefined();
  await clock.advance(101_000);
  expect(own.news()).toBeDefined();
});

test("one that stays where it is is told every ten minutes, and when nobody may know it any more", async () => {
  for (let n = 0; n < 200; n++) measure(0.01);
  expect(own.news()).toBeDefined();
  await clock.advance(60_000);
  measure(0.01);
  expect(own.news()).toBeUndefined();
  own.forgetTold();
  expect(own.news()).toBeDefined();
  await clock.advance(599_000);
  expect(own.news()).toBeUndefined();
  await clock.advance(1_000);
  expect(own.news()).toBeDefined();
});

test("every message is measured for twenty samples, then every fourth", () => {
  const asked = (count: number): number =>
    Array.from({ length: count }, () => own.wantsRoundTrip()).filter(Boolean).length;
  expect(asked(40)).toBe(40);
  for (let n = 0; n < 20; n++) measure(0.01);
  expect(asked(40)).toBe(10);
});
