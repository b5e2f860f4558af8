import { describe, expect, test } from "bun:test";
import { OutlierWorld } from "./outlier-world.ts";

describe("failures in a row", () => {
  test("of 5xx eject after five, and not after four with a success between them", () => {
    const world = new OutlierWorld(4);
    world.answer(0, 500, 4);
    world.answer(0, 404);
    world.answer(0, 500, 4);
    expect(world.states()).toBe("in in in in");
    world.answer(0, 501);
    expect(world.takeTold()).toEqual(["0 ejected consecutive_5xx 30000"]);
    expect(world.counts.detected.consecutive_5xx).toBe(1);
    expect(world.counts.ejections.consecutive_5xx).toBe(1);
  });

  test("of 502 to 504 are counted apart from other 5xx, and eject where that is enforced", () => {
    const world = new OutlierWorld(4, { consecutive5xx: 0, enforcingConsecutiveGatewayFailure: 100 });
    world.answer(0, 503, 4);
    world.answer(0, 500);
    world.answer(0, 502, 4);
    expect(world.takeTold()).toEqual([]);
    world.answer(0, 504);
    expect(world.takeTold()).toEqual(["0 ejected consecutive_gateway_failure 30000"]);
  });

  test("of 502 to 504 are only counted as Envoy has it, unless they are 5xx enough", () => {
    const world = new OutlierWorld(4, { consecutive5xx: 8 });
    world.answer(0, 503, 7);
    expect(world.counts.detected.consecutive_gateway_failure).toBe(1);
    expect(world.takeTold()).toEqual([]);
    world.answer(0, 503);
    expect(world.takeTold()).toEqual(["0 ejected consecutive_5xx 30000"]);
  });

  test("of connections and time count as 503 and 504, unless they are told apart", () => {
    const joined = new OutlierWorld(4);
    for (let i = 0; i < 2; i++) {
      joined.host().onConnectionFailed();
      joined.host().onTimeout();
    }
    joined.answer(0, 500);
    expect(joined.takeTold()).toEqual(["0 ejected consecutive_5xx 30000"]);
    const split = new OutlierWorld(4, { splitExternalLocalOriginErrors: true });
    for (let i = 0; i < 2; i++) {
      split.host().onConnectionFailed();
      split.host().onTimeout();
    }
    // An answer, whatever it is, shows that connections are well.
    split.answer(0, 500, 4);
    for (let i = 0; i < 4; i++) split.host().onTimeout();
    expect(split.takeTold()).toEqual([]);
    split.host().onConnectionFailed();
    expect(split.takeTold()).toEqual(["0 ejected consecutive_local_origin_failure 30000"]);
  });

  test("of TCP are ended by a connection that stands", () => {
    for (const splitExternalLocalOriginErrors of [false, true]) {
      const world = new OutlierWorld(4, { splitExternalLocalOriginErrors });
      for (let i = 0; i < 4; i++) world.host().onConnectionFailed();
      world.host().onConnected();
      for (let i = 0; i < 4; i++) world.host().onConnectionFailed();
      expect(world.states()).toBe("in in in in");
      world.host().onConnectionFailed();
      expect(world.states()).toBe("ejected in in in");
      world.pass(30_000);
      world.host().onConnected();
      expect(world.states()).toBe("in in in in");
    }
  });

  test("eject nobody where nothing is enforced, again and again", () => {
    const world = new OutlierWorld(4, { enforcingConsecutive5xx: 0 });
    world.answer(0, 500, 15);
    expect(world.takeTold()).toEqual([]);
    expect(world.counts.detected.consecutive_5xx).toBe(3);
  });

  test("eject about as often as is enforced", () => {
    const world = new OutlierWorld(1_000, { enforcingConsecutive5xx: 30, maxEjectionPercent: 100 });
    for (let i = 0; i < 1_000; i++) world.answer(i, 500, 5);
    expect(world.detector.ejectedCount).toBeGreaterThan(250);
    expect(world.detector.ejectedCount).toBeLessThan(350);
  });
});

describe("an ejection", () => {
  test("lasts its time, then one success brings the endpoint back", () => {
    const world = new OutlierWorld(4);
    world.answer(0, 500, 5);
    world.pass(29_999);
    expect(world.states()).toBe("ejected in in in");
    world.answer(0, 200, 10);
    expect(world.states()).toBe("ejected in in in");
    world.pass(1);
    expect(world.states()).toBe("probation in in in");
    world.answer(0, 200);
    expect(world.takeTold()).toEqual(["0 ejected consecutive_5xx 30000", "0 probation", "0 in"]);
  });

  test("forgets the failures before it, those of other kinds with them", () => {
    const world = new OutlierWorld(4, { consecutiveGatewayFailure: 3, enforcingConsecutiveGatewayFailure: 100 });
    world.answer(0, 502, 3);
    world.pass(30_000);
    world.answer(0, 200);
    world.answer(1, 502, 3);
    world.pass(30_000);
    world.host(1).onConnected();
    world.takeTold();
    for (const i of [0, 1]) world.answer(i, 500, 4);
    expect(world.takeTold()).toEqual([]);
  });

  test("follows another one at the first failure, for longer each time, up to the longest", () => {
    const world = new OutlierWorld(4, { baseEjectionTimeMs: 10_000, maxEjectionTimeMs: 35_000 });
    world.answer(0, 500, 5);
    const failures = [
      () => world.answer(0, 500),
      () => world.host().onConnectionFailed(),
      () => world.host().onTimeout(),
      () => world.answer(0, 503),
    ];
    for (const [k, fail] of failures.entries()) {
      world.pass(Math.min(35_000, (k + 1) * 10_000));
      expect(world.states()).toBe("probation in in in");
      fail();
    }
    expect(world.takeTold().filter((line) => line.includes("ejected"))).toEqual([
      "0 ejected consecutive_5xx 10000",
      "0 ejected probation 20000",
      "0 ejected probation 30000",
      "0 ejected probation 35000",
      "0 ejected probation 35000",
    ]);
    expect(world.counts.ejections.probation).toBe(4);
  });

  test("is forgotten little by little by who does well, and not while probation waits for a request", () => {
    const world = new OutlierWorld(4, { baseEjectionTimeMs: 10_000 });
    world.answer(0, 500, 5);
    world.pass(10_000);
    world.answer(0, 500);
    world.pass(20_000);
    // Nobody calls for a long time.
    world.pass(100_000);
    expect(world.host().backoff).toBe(2);
    world.answer(0, 200);
    world.pass(10_000);
    expect(world.host().backoff).toBe(1);
    world.answer(0, 500, 5);
    expect(world.takeTold().at(-1)).toBe("0 ejected consecutive_5xx 20000");
  });

  test("ends at once, as with Envoy, where there is no probation", () => {
    const world = new OutlierWorld(4, { probation: false });
    world.answer(0, 500, 5);
    world.pass(30_000);
    expect(world.takeTold()).toEqual(["0 ejected consecutive_5xx 30000", "0 in"]);
    world.answer(0, 500, 4);
    expect(world.states()).toBe("in in in in");
  });

  test("is longer by chance where that is asked for, so that not all come back together", () => {
    const world = new OutlierWorld(50, { maxEjectionPercent: 100, maxEjectionTimeJitterMs: 10_000 });
    for (let i = 0; i < 50; i++) world.answer(i, 500, 5);
    const times = world.takeTold().map((line) => Number(line.split(" ")[3]));
    expect(Math.min(...times)).toBeGreaterThanOrEqual(30_000);
    expect(Math.max(...times)).toBeLessThan(40_000);
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(8_000);
  });

  test("of the base time is not cut short by a longest time that is less", () => {
    const world = new OutlierWorld(4, { baseEjectionTimeMs: 60_000, maxEjectionTimeMs: 1_000 });
    world.answer(0, 500, 5);
    expect(world.takeTold()).toEqual(["0 ejected consecutive_5xx 60000"]);
  });

  test("ends early when a health check is passed, unless that is off", () => {
    for (const successfulHealthCheckUnejects of [true, false]) {
      const world = new OutlierWorld(4, { successfulHealthCheckUnejects });
      world.answer(0, 500, 5);
      world.detector.onHealthCheckPassed(world.host());
      expect(world.host().state).toBe(successfulHealthCheckUnejects ? "probation" : "ejected");
    }
  });
});

describe("no more are out at a time", () => {
  test("than the share, rounded down", () => {
    const world = new OutlierWorld(10, { maxEjectionPercent: 25 });
    for (let i = 0; i < 4; i++) world.answer(i, 500, 5);
    expect(world.detector.ejectedCount).toBe(2);
    expect(world.counts.overflow).toBe(2);
  });

  test("though those on probation do not count: one that nobody calls keeps nobody in", () => {
    const world = new OutlierWorld(10, { maxEjectionPercent: 20 });
    for (let i = 0; i < 2; i++) world.answer(i, 500, 5);
    world.pass(600_000);
    expect(world.detector.probationCount).toBe(2);
    for (let i = 2; i < 4; i++) world.answer(i, 500, 5);
    expect(world.states()).toBe("probation probation ejected ejected in in in in in in");
    // With no place left, one on probation stays so, and is not forgotten.
    world.answer(0, 500, 3);
    expect(world.states()).toBe("probation probation ejected ejected in in in in in in");
    expect(world.counts.overflow).toBe(3);
    world.pass(30_000);
    world.answer(0, 500);
    expect(world.takeTold().at(-1)).toBe("0 ejected probation 60000");
  });

  test("than one where the share is less than one, and than none where it is 0", () => {
    const small = new OutlierWorld(3, { maxEjectionPercent: 1 });
    for (let i = 0; i < 3; i++) small.answer(i, 500, 5);
    expect(small.states()).toBe("ejected in in");
    const none = new OutlierWorld(3, { maxEjectionPercent: 0 });
    none.answer(0, 500, 5);
    expect(none.states()).toBe("in in in");
    expect(none.counts.overflow).toBe(1);
  });

  test("than all, also of a single endpoint", () => {
    const world = new OutlierWorld(1, { maxEjectionPercent: 100 });
    world.answer(0, 500, 5);
    expect(world.states()).toBe("ejected");
  });
});

describe("an endpoint that leaves", () => {
  test("leaves its place, and is not heard of again", () => {
    const world = new OutlierWorld(4);
    world.answer(0, 500, 5);
    world.detector.remove(world.host(0));
    world.answer(1, 500, 5);
    expect(world.host(1).state).toBe("ejected");
    world.takeTold();
    world.pass(60_000);
    expect(world.takeTold()).toEqual(["1 probation"]);
    const late = world.host(2);
    world.detector.remove(late);
    world.answer(2, 500, 20);
    expect(world.takeTold()).toEqual([]);
  });
});
