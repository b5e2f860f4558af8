import { expect, test } from "bun:test";
import { createSeededRandom, type Random } from "../../../lib/base/random.ts";
import { type Coordinate, hasMoved, roundTripSeconds } from "../../../lib/contract/coordinates.ts";
import { createVivaldi, originCoordinate, type Vivaldi } from "../../../lib/contract/vivaldi.ts";

const seed = Number(process.env["ATOLL_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

interface Host {
  readonly x: number;
  readonly y: number;
  /** Seconds from the host to the network. */
  readonly access: number;
}

const between = (a: Host, b: Host): number => Math.hypot(a.x - b.x, a.y - b.y) + a.access + b.access;

/** Everybody measures somebody at random, so many times, with 5 % of noise; in the first half there are pauses. */
function converge(hosts: readonly Host[], rounds: number, random: Random): readonly Vivaldi[] {
  const nodes = hosts.map(() => createVivaldi(random));
  for (let round = 0; round < rounds; round++) {
    for (const [n, node] of nodes.entries()) {
      const peer = (n + 1 + Math.floor(random.float() * (hosts.length - 1))) % hosts.length;
      const [from, to, other] = [hosts[n], hosts[peer], nodes[peer]];
      if (from === undefined || to === undefined || other === undefined) continue;
      const pause = round < rounds / 2 && random.float() < 0.01 ? 0.5 : 0;
      node.measured(`${peer}`, other.coordinate(), between(from, to) * (0.975 + random.float() * 0.05) + pause);
    }
  }
  return nodes;
}

/** Of all pairs: how far the estimate is from the truth, as a share of the truth, in order. */
function misfits(hosts: readonly Host[], nodes: readonly Vivaldi[]): number[] {
  const found: number[] = [];
  for (const [n, a] of nodes.entries()) {
    for (const [m, b] of nodes.entries()) {
      const [from, to] = [hosts[n], hosts[m]];
      if (n >= m || from === undefined || to === undefined) continue;
      const truth = between(from, to);
      found.push(Math.abs(roundTripSeconds(a.coordinate(), b.coordinate()) - truth) / truth);
    }
  }
  return found.toSorted((a, b) => a - b);
}

const quantile = (sorted: readonly number[], share: number): number => sorted[Math.floor(sorted.length * share)] ?? 1;

test(`hosts in a plane find places from which their round trips follow (seed ${seed})`, () => {
  const random = createSeededRandom(seed);
  const hosts = Array.from({ length: 25 }, () => ({
    x: random.float() * 0.05,
    y: random.float() * 0.05,
    access: 0.0002 + random.float() * 0.001,
  }));
  const found = misfits(hosts, converge(hosts, 600, random));
  expect(quantile(found, 0.5)).toBeLessThan(0.1);
  expect(quantile(found, 0.9)).toBeLessThan(0.35);
});

test(`hosts of two zones are near each other and far from the other zone's (seed ${seed})`, () => {
  const random = createSeededRandom(seed);
  const hosts = Array.from({ length: 20 }, (_, n) => ({ x: n < 10 ? 0 : 0.02, y: 0, access: 0.0003 }));
  const nodes = converge(hosts, 400, random);
  const places = nodes.map((node) => node.coordinate());
  const seconds = (a: number, b: number): number =>
    roundTripSeconds(places[a] ?? originCoordinate, places[b] ?? originCoordinate);
  const others = Array.from({ length: 19 }, (_, n) => n + 1);
  const within = others.filter((n) => n < 10).map((n) => seconds(0, n));
  const across = others.filter((n) => n >= 10).map((n) => seconds(0, n));
  expect(Math.max(...within)).toBeLessThan(Math.min(...across));
  for (const estimate of across) {
    expect(estimate).toBeGreaterThan(0.015);
    expect(estimate).toBeLessThan(0.027);
  }
});

test("a node with one server to measure against comes to its round trip with that one", () => {
  const node = createVivaldi(createSeededRandom(7));
  for (let n = 0; n < 60; n++) expect(node.measured("server", originCoordinate, 0.03)).toBe(true);
  const estimate = roundTripSeconds(node.coordinate(), originCoordinate);
  expect(estimate).toBeGreaterThan(0.028);
  expect(estimate).toBeLessThan(0.032);
  expect(node.coordinate().Error).toBeLessThan(0.3);
});

test(`agents that measure their way to three servers only find out who is in their zone (seed ${seed})`, () => {
  const random = createSeededRandom(seed);
  const zones = [0, 1, 2];
  const way = (a: number, b: number): number => (a === b ? 0.0002 : 0.002) * (0.9 + random.float() * 0.2);
  const servers = zones.map((zone) => ({ zone, vivaldi: createVivaldi(random) }));
  const agents = Array.from({ length: 18 }, (_, n) => ({ zone: n % 3, vivaldi: createVivaldi(random) }));
  for (let round = 0; round < 150; round++) {
    for (const node of [...servers, ...agents]) {
      const server = servers[(node.zone + round) % 3];
      if (server === undefined || server === node) continue;
      node.vivaldi.measured(`${server.zone}`, server.vivaldi.coordinate(), way(node.zone, server.zone));
    }
  }
  let comparisons = 0;
  let wrong = 0;
  for (const own of agents) {
    const estimate = (other: (typeof agents)[number]): number =>
      roundTripSeconds(own.vivaldi.coordinate(), other.vivaldi.coordinate());
    for (const near of agents.filter((one) => one !== own && one.zone === own.zone)) {
      for (const far of agents.filter(({ zone }) => zone !== own.zone)) {
        comparisons++;
        if (estimate(near) >= estimate(far)) wrong++;
      }
    }
  }
  // By way of one server alone it would be half of them.
  expect(wrong / comparisons).toBeLessThan(0.05);
});

test("a round trip that is negative, no number or over ten seconds is refused, and so is a place that is none", () => {
  const node = createVivaldi(createSeededRandom(1));
  for (const seconds of [-0.001, Number.NaN, 10.001, Number.POSITIVE_INFINITY]) {
    expect(node.measured("a", originCoordinate, seconds)).toBe(false);
  }
  const wrong: Partial<Coordinate>[] = [
    { Vec: [1, 2] },
    { Vec: [0, 0, 0, 0, 0, 0, 0, Number.NaN] },
    { Error: Number.POSITIVE_INFINITY },
    { Height: Number.NaN },
    { Adjustment: Number.NaN },
  ];
  for (const fields of wrong) expect(node.measured("a", { ...originCoordinate, ...fields }, 0.01)).toBe(false);
  expect(node.coordinate()).toEqual(originCoordinate);
  expect(node.measured("a", originCoordinate, 0)).toBe(true);
  expect(node.measured("a", originCoordinate, 10)).toBe(true);
});

test("one slow answer among three does not move a node, and a place beyond all numbers brings it back to the origin", () => {
  const node = createVivaldi(createSeededRandom(2));
  for (let n = 0; n < 60; n++) node.measured("a", originCoordinate, 0.01);
  const before = node.coordinate();
  node.measured("a", originCoordinate, 9);
  expect(hasMoved(before, node.coordinate())).toBe(false);
  node.measured("a", { ...originCoordinate, Vec: new Array<number>(8).fill(1e300) }, 0.01);
  expect(node.coordinate()).toEqual(originCoordinate);
});

test("what is noise is not a move: under a tenth of a millisecond, or under a fiftieth of the way", () => {
  const at = (x: number, fields: Partial<Coordinate> = {}): Coordinate => ({
    ...originCoordinate,
    Vec: [x, 0, 0, 0, 0, 0, 0, 0],
    ...fields,
  });
  expect(hasMoved(at(0.001), at(0.00109))).toBe(false);
  expect(hasMoved(at(0.001), at(0.0011))).toBe(true);
  expect(hasMoved(at(0.1), at(0.1019))).toBe(false);
  expect(hasMoved(at(0.1), at(0.1021))).toBe(true);
  expect(hasMoved(at(0.001), at(0.001, { Height: 0.0002 }))).toBe(true);
  expect(hasMoved(at(0.001), at(0.001, { Error: 1.45 }))).toBe(false);
  expect(hasMoved(at(0.001), at(0.001, { Error: 1.39 }))).toBe(true);
});
