import { describe, expect, test } from "bun:test";
import { BalanceMesh, ok, refusal } from "./balance-mesh.ts";

const three = [{}, {}, {}];

describe("a listener's cluster", () => {
  test("takes turns, by weight, when its balancer is round-robin", () => {
    const mesh = new BalanceMesh({ balancer: { policy: "round-robin" }, endpoints: [{ weight: 3 }, {}, {}] });
    expect(mesh.count(50)).toEqual([30, 10, 10]);
  });

  test("uses a second failover group when nobody is left in the first", () => {
    const mesh = new BalanceMesh({ endpoints: [{}, {}, { priority: 1 }] });
    const [first = 0, second = 0, spare] = mesh.count(40);
    expect([first + second, spare]).toEqual([40, 0]);
    mesh.answer = (i) => (i < 2 ? refusal(503, "30") : ok);
    mesh.ask();
    mesh.ask();
    expect(mesh.count(20)).toEqual([0, 0, 20]);
  });

  test("keeps to its own zone", () => {
    const endpoints = [{ zone: "a" }, { zone: "b" }, { zone: "a" }, { zone: "b" }];
    const mesh = new BalanceMesh({ balancer: { localZone: "b", minZoneEndpoints: 1 }, endpoints });
    const [a1, b1 = 0, a2, b2 = 0] = mesh.count(40);
    expect([a1, a2]).toEqual([0, 0]);
    expect(Math.min(b1, b2)).toBeGreaterThan(5);
  });

  test("gives an endpoint that joins later its share little by little", async () => {
    const mesh = new BalanceMesh({
      balancer: { policy: "round-robin", slowStartMs: 10_000 },
      endpoints: three,
    });
    mesh.update(2);
    expect(mesh.count(30)).toEqual([15, 15, 0]);
    mesh.update(3);
    const early = mesh.count(60)[2] ?? 0;
    await mesh.pass(5_000);
    const half = mesh.count(60)[2] ?? 0;
    await mesh.pass(5_000);
    const late = mesh.count(60)[2] ?? 0;
    expect(early).toBeLessThan(8);
    expect(half).toBeGreaterThan(early);
    expect(half).toBeLessThan(18);
    expect(late).toBe(20);
  });
});

describe("an endpoint that answers Retry-After", () => {
  for (const status of [429, 503]) {
    test(`with ${status} gets nothing until then, while others remain`, async () => {
      const mesh = new BalanceMesh({ balancer: { policy: "round-robin" }, endpoints: three });
      mesh.answer = (i) => (i === 1 ? refusal(status, "20") : ok);
      const client = mesh.client();
      // The refusal itself is the client's.
      expect(
        [mesh.ask(client), mesh.ask(client), mesh.ask(client)].filter((one) => one.status === status),
      ).toHaveLength(1);
      expect(mesh.count(10)[1]).toBe(0);
      await mesh.pass(19_999);
      expect(mesh.count(10)[1]).toBe(0);
      mesh.answer = () => ok;
      await mesh.pass(1);
      expect(mesh.count(30)).toEqual([10, 10, 10]);
    });
  }

  test("gets everything when it is the only one", () => {
    const mesh = new BalanceMesh({ endpoints: [{}] });
    mesh.answer = () => refusal(503, "60");
    expect([mesh.ask().status, mesh.ask().status]).toEqual([503, 503]);
  });

  test("is left alone for 60 s at most, and not at all where that is off or the answer is another", async () => {
    const mesh = new BalanceMesh({ balancer: { policy: "round-robin" }, endpoints: [{}, {}] });
    mesh.answer = (i) => (i === 1 ? refusal(503, "86400") : ok);
    mesh.count(2);
    await mesh.pass(59_999);
    expect(mesh.count(4)).toEqual([4, 0]);
    await mesh.pass(1);
    mesh.answer = (i) => (i === 1 ? refusal(500, "60") : ok);
    expect(mesh.count(20)).toEqual([10, 10]);
    const off = new BalanceMesh({ balancer: { policy: "round-robin", maxRetryAfterMs: 0 }, endpoints: [{}, {}] });
    off.answer = () => refusal(429, "60");
    expect(off.count(20)).toEqual([10, 10]);
  });
});

test("peak-ewma goes by real response times: the slow endpoint gets little, and is tried again later", async () => {
  const mesh = new BalanceMesh({ balancer: { policy: "peak-ewma" }, endpoints: three });
  mesh.answer = () => undefined;
  const counts = async (requests: number, pauseMs: number): Promise<number[]> => {
    const asked = [0, 0, 0];
    for (let k = 0; k < requests; k++) {
      mesh.client().send("GET / HTTP/1.1\r\nHost: api\r\n\r\n");
      mesh.network.settle();
      await mesh.pass(mesh.waiting === 2 ? 400 : 5);
      const [instance = -1] = mesh.answerNow();
      asked[instance] = (asked[instance] ?? 0) + 1;
      await mesh.pass(pauseMs);
    }
    return asked;
  };
  const [first = 0, second = 0, slow = 0] = await counts(60, 1);
  expect(slow).toBeGreaterThan(0);
  expect(slow).toBeLessThanOrEqual(2);
  expect(Math.min(first, second)).toBeGreaterThan(10);
  const [, , again = 0] = await counts(60, 1_000);
  expect(again).toBeGreaterThan(0);
  expect(again).toBeLessThan(10);
});

describe("a hedge", () => {
  const hedge = { delayMs: 100 };

  test("tells peak-ewma of the endpoint that was outrun, which would look fast if nobody waited for it", async () => {
    const mesh = new BalanceMesh({ balancer: { policy: "peak-ewma" }, endpoints: three, outbound: { hedge } });
    mesh.answer = (i) => (i === 2 ? undefined : ok);
    let hedged = 0;
    for (let k = 0; k < 60; k++) {
      const client = mesh.client();
      client.send("GET / HTTP/1.1\r\nHost: api\r\n\r\n");
      mesh.network.settle();
      if (client.received === "") {
        hedged++;
        await mesh.pass(110);
      }
      expect(client.take()).toStartWith("HTTP/1.1 200");
      await mesh.pass(1);
    }
    expect(hedged).toBeGreaterThan(0);
    expect(hedged).toBeLessThanOrEqual(3);
  });

  test("leaves the endpoint of its hash when that does not answer", async () => {
    const hashPolicies = [{ on: "source-ip" }];
    const mesh = new BalanceMesh({
      balancer: { policy: "ring-hash", hashPolicies },
      endpoints: three,
      outbound: { hedge },
    });
    const { instance: home } = mesh.ask();
    expect(mesh.ask().instance).toBe(home);
    mesh.answer = (i) => (i === home ? undefined : ok);
    const client = mesh.client();
    client.send("GET / HTTP/1.1\r\nHost: api\r\n\r\n");
    mesh.network.settle();
    await mesh.pass(110);
    const answered = client.take();
    expect(answered).toStartWith("HTTP/1.1 200");
    expect(answered).not.toContain(`instance: ${home}\r\n`);
  });
});

describe("a key", () => {
  const get = (path: string, fields = "") => `GET ${path} HTTP/1.1\r\nHost: api\r\n${fields}\r\n`;
  const keys = Array.from({ length: 40 }, (_, i) => `user-${i}`);
  const places: Readonly<Record<string, readonly [policy: object, head: (key: string) => string]>> = {
    "in a header": [{ on: "header", name: "X-User" }, (key) => get("/", `x-user: ${key}\r\n`)],
    "in a cookie": [{ on: "cookie", name: "user" }, (key) => get("/", `Cookie: a=b; user=${key}; c=d\r\n`)],
    "in the query": [{ on: "query", name: "user" }, (key) => get(`/x?a=b&user=${key}`)],
  };
  for (const policy of ["ring-hash", "maglev"] as const) {
    for (const [where, [hashPolicy, head]] of Object.entries(places)) {
      test(`${where} is always served by one endpoint with ${policy}, by whatever connection it comes`, () => {
        const mesh = new BalanceMesh({ balancer: { policy, hashPolicies: [hashPolicy] }, endpoints: three });
        const first = keys.map((key) => mesh.ask(mesh.client(), head(key)).instance);
        expect(new Set(first).size).toBe(3);
        expect(keys.map((key) => mesh.ask(mesh.client(), head(key)).instance)).toEqual(first);
      });
    }
  }

  test("moves only when its endpoint leaves", () => {
    const balancer = { policy: "maglev", hashPolicies: [{ on: "header", name: "x-user" }] };
    const mesh = new BalanceMesh({ balancer, endpoints: three });
    const ask = () => keys.map((key) => mesh.ask(mesh.client(), get("/", `x-user: ${key}\r\n`)).instance);
    const before = ask();
    mesh.update(2);
    const after = ask();
    expect(after).not.toContain(2);
    expect(before.filter((instance, i) => instance !== 2 && after[i] !== instance).length).toBeLessThan(5);
    mesh.update(3);
    expect(ask()).toEqual(before);
  });

  test("that is a client's address is one for all of its connections, for TCP as well", () => {
    for (const protocol of ["http", "tcp"] as const) {
      const balancer = { policy: "ring-hash", hashPolicies: [{ on: "source-ip" }] };
      const mesh = new BalanceMesh({ protocol, balancer, endpoints: three });
      const answers = Array.from({ length: 20 }, () => mesh.ask().instance);
      expect(answers[0]).toBeGreaterThanOrEqual(0);
      expect(new Set(answers).size).toBe(1);
    }
  });
});
