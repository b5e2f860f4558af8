import { describe, expect, test } from "bun:test";
import { BalanceMesh, type BalanceMeshOptions, ok } from "./balance-mesh.ts";

const three = [{}, {}, {}];
const roundRobin = { policy: "round-robin" };
const failed = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";

function meshWith(outlierDetection: object, more: Partial<BalanceMeshOptions> = {}): BalanceMesh {
  return new BalanceMesh({ balancer: roundRobin, endpoints: three, outbound: { outlierDetection }, ...more });
}

/** Fails until it is ejected. */
function failUntilOut(mesh: BalanceMesh, out: readonly number[], answer = failed): void {
  mesh.answer = (i) => (out.includes(i) ? answer : ok);
  for (let k = 0; k < 100; k++) mesh.ask();
}

describe("an endpoint that answers 5xx", () => {
  test("five times in a row gets nothing until its ejection is over", async () => {
    const mesh = meshWith({});
    mesh.answer = (i) => (i === 1 ? failed : ok);
    const statuses = Array.from({ length: 30 }, () => mesh.ask().status);
    expect(statuses.filter((status) => status === 500)).toHaveLength(5);
    expect(mesh.count(10)).toEqual([5, 0, 5]);
    await mesh.live(29_000);
    expect(mesh.count(10)).toEqual([5, 0, 5]);
  });

  test("keeps its share where outlier detection is off", () => {
    const mesh = new BalanceMesh({ balancer: roundRobin, endpoints: three });
    mesh.answer = (i) => (i === 1 ? failed : ok);
    expect(mesh.count(60)).toEqual([20, 20, 20]);
    expect(mesh.metrics("atoll_proxy_outlier")).toEqual([]);
  });

  test("gets one request afterwards, and its share again when that went well", async () => {
    const mesh = meshWith({});
    failUntilOut(mesh, [1]);
    await mesh.live(31_000);
    mesh.answer = (i) => (i === 1 ? undefined : ok);
    const clients = Array.from({ length: 30 }, () => mesh.client());
    for (const client of clients) mesh.ask(client);
    // The others went on without waiting for what comes of it.
    expect(mesh.allWaiting).toEqual([1]);
    mesh.answer = () => ok;
    mesh.answerNow();
    expect(mesh.count(30)).toEqual([10, 10, 10]);
  });

  test("is out again after one failure, and for longer", async () => {
    const mesh = meshWith({});
    failUntilOut(mesh, [1]);
    await mesh.live(31_000);
    expect(mesh.count(30)[1]).toBe(1);
    await mesh.live(58_000);
    expect(mesh.count(30)[1]).toBe(0);
    await mesh.live(3_000);
    mesh.answer = () => ok;
    expect(mesh.count(30)).toEqual([10, 10, 10]);
    expect(mesh.metrics("atoll_proxy_outlier_ejections_total").filter((line) => !line.endsWith(" 0"))).toEqual([
      'atoll_proxy_outlier_ejections_total{reason="consecutive_5xx"} 1',
      'atoll_proxy_outlier_ejections_total{reason="probation"} 1',
    ]);
  });

  test("waits for another request when the client of the first one goes away", async () => {
    const mesh = meshWith({});
    failUntilOut(mesh, [1]);
    await mesh.live(31_000);
    mesh.answer = (i) => (i === 1 ? undefined : ok);
    const impatient = Array.from({ length: 3 }, () => mesh.client());
    for (const client of impatient) mesh.ask(client);
    expect(mesh.allWaiting).toEqual([1]);
    for (const client of impatient) client.connection.destroy();
    mesh.network.settle();
    for (let k = 0; k < 3; k++) mesh.ask();
    expect(mesh.allWaiting).toEqual([1, 1]);
  });

  test("is judged by a new request, whatever is left of those from before", async () => {
    const mesh = meshWith({});
    mesh.answer = (i) => (i === 1 ? undefined : ok);
    for (let k = 0; k < 3; k++) mesh.ask();
    expect(mesh.allWaiting).toEqual([1]);
    failUntilOut(mesh, [1]);
    await mesh.live(31_000);
    mesh.answer = (i) => (i === 1 ? undefined : ok);
    for (let k = 0; k < 30; k++) mesh.ask();
    expect(mesh.allWaiting).toEqual([1, 1]);
  });

  test("gets none of those that wait for room elsewhere", async () => {
    const mesh = meshWith(
      { consecutive5xx: 1 },
      {
        endpoints: [{}, {}],
        limits: { http2: { maxConcurrentStreams: 1 }, connections: { maxPoolSessions: 1 } },
      },
    );
    failUntilOut(mesh, [1]);
    mesh.answer = () => undefined;
    const clients = [mesh.client(), mesh.client()];
    for (const client of clients) mesh.ask(client);
    // The second one waits, and the other endpoint has room.
    await mesh.live(3_000);
    expect(mesh.allWaiting).toEqual([0]);
    expect(mesh.answerNow()).toEqual([0]);
    expect(mesh.answerNow()).toEqual([0]);
    expect(clients.map((client) => client.take().slice(9, 12))).toEqual(["200", "200"]);
  });

  test("comes back with slow start", async () => {
    const mesh = meshWith({}, { balancer: { ...roundRobin, slowStartMs: 20_000 } });
    failUntilOut(mesh, [1]);
    await mesh.live(31_000);
    mesh.answer = () => ok;
    // The request of its probation among them.
    const early = mesh.count(60)[1] ?? 0;
    await mesh.live(10_000);
    const half = mesh.count(60)[1] ?? 0;
    await mesh.live(10_000);
    expect(early).toBeLessThan(8);
    expect(half).toBeGreaterThan(early);
    expect(half).toBeLessThan(18);
    expect(mesh.count(60)).toEqual([20, 20, 20]);
  });

  test("has one line in the log for each change", async () => {
    const mesh = meshWith({});
    failUntilOut(mesh, [1]);
    await mesh.live(40_000);
    mesh.count(30);
    await mesh.live(70_000);
    mesh.answer = () => ok;
    mesh.count(30);
    await mesh.live(70_000);
    const endpoint = "cluster=api endpoint=127.0.0.1:20001";
    expect(mesh.log).toEqual([
      `endpoint ejected: ${endpoint} reason=consecutive_5xx forMs=30000`,
      `endpoint on probation: ${endpoint}`,
      `endpoint ejected: ${endpoint} reason=probation forMs=60000`,
      `endpoint on probation: ${endpoint}`,
      `endpoint back in: ${endpoint}`,
    ]);
  });

  test("is told of on the metrics page while it is out", async () => {
    const mesh = meshWith({});
    failUntilOut(mesh, [1]);
    expect(mesh.metrics("atoll_proxy_endpoint_out")).toEqual([
      'atoll_proxy_endpoint_out{endpoint="127.0.0.1:20001",state="ejected"} 1',
    ]);
    expect(mesh.metrics("atoll_proxy_endpoints_ejected")).toEqual(["atoll_proxy_endpoints_ejected{} 1"]);
    await mesh.live(31_000);
    expect(mesh.metrics("atoll_proxy_endpoint_out")).toEqual([
      'atoll_proxy_endpoint_out{endpoint="127.0.0.1:20001",state="probation"} 1',
    ]);
    mesh.answer = () => ok;
    mesh.count(9);
    expect(mesh.metrics("atoll_proxy_endpoint_out")).toEqual([]);
    expect(mesh.metrics("atoll_proxy_endpoints_ejected")).toEqual(["atoll_proxy_endpoints_ejected{} 0"]);
  });

  test("is back when outlier detection is switched off, and as new when it is on again", () => {
    const mesh = meshWith({});
    failUntilOut(mesh, [1]);
    mesh.update(3, { outlierDetection: undefined });
    mesh.answer = () => ok;
    expect(mesh.count(30)).toEqual([10, 10, 10]);
    mesh.update(3);
    mesh.answer = (i) => (i === 1 ? failed : ok);
    expect(mesh.count(30)[1]).toBe(5);
  });

  test("leaves its place to others when it leaves the configuration", () => {
    const mesh = meshWith({});
    failUntilOut(mesh, [2]);
    mesh.update(2);
    mesh.answer = (i) => (i === 1 ? failed : ok);
    expect(mesh.count(60)[1]).toBe(5);
  });
});

describe("an endpoint is ejected that", () => {
  test("cannot be reached", async () => {
    const mesh = meshWith({}, { endpoints: [{}, {}, { address: "127.0.0.1:29999" }] });
    for (let second = 0; second < 10; second++) {
      // None of it is seen by clients: the next endpoint serves them.
      expect(Array.from({ length: 6 }, () => mesh.ask().status)).toEqual([200, 200, 200, 200, 200, 200]);
      await mesh.live(1_000);
    }
    expect(mesh.metrics("atoll_proxy_endpoint_out")).toEqual([
      'atoll_proxy_endpoint_out{endpoint="127.0.0.1:29999",state="ejected"} 1',
    ]);
    const attempts = mesh.metrics("atoll_proxy_connect_failures_total");
    await mesh.live(20_000);
    mesh.count(30);
    expect(mesh.metrics("atoll_proxy_connect_failures_total")).toEqual(attempts);
  });

  test("loses requests", () => {
    const mesh = meshWith({});
    failUntilOut(mesh, [1], "reset");
    expect(mesh.metrics("atoll_proxy_endpoints_ejected")).toEqual(["atoll_proxy_endpoints_ejected{} 1"]);
  });

  test("is silent, by the time that each try has", async () => {
    const mesh = meshWith(
      {},
      {
        outbound: { outlierDetection: {}, retry: { attempts: 2, on: ["reset"], perTryTimeoutMs: 100 } },
      },
    );
    mesh.answer = (i) => (i === 1 ? undefined : ok);
    for (let k = 0; k < 30; k++) {
      const client = mesh.client();
      mesh.ask(client);
      for (let wait = 0; wait < 8; wait++) await mesh.pass(50);
    }
    expect(mesh.metrics("atoll_proxy_endpoints_ejected")).toEqual(["atoll_proxy_endpoints_ejected{} 1"]);
    expect(mesh.allWaiting.length).toBe(5);
  });

  test("is silent, by the time that the whole request has", async () => {
    const mesh = meshWith({}, { outbound: { outlierDetection: {}, timeoutMs: 100 } });
    mesh.answer = (i) => (i === 1 ? undefined : ok);
    for (let k = 0; k < 30; k++) {
      mesh.ask();
      await mesh.pass(120);
    }
    expect(mesh.allWaiting.length).toBe(5);
  });

  test("takes no connections of TCP", async () => {
    const endpoints = [{}, {}, { address: "127.0.0.1:29999" }];
    const mesh = meshWith({}, { protocol: "tcp", endpoints });
    for (let second = 0; second < 10; second++) {
      for (let k = 0; k < 3; k++) expect(mesh.ask().status).toBe(200);
      await mesh.live(1_000);
    }
    expect(mesh.metrics("atoll_proxy_endpoint_out")).toEqual([
      'atoll_proxy_endpoint_out{endpoint="127.0.0.1:29999",state="ejected"} 1',
    ]);
  });
});

test("nobody is ejected for what clients have given up, or have done wrong", async () => {
  const mesh = meshWith({ consecutive5xx: 1 });
  mesh.answer = (i) => (i === 1 ? undefined : "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
  for (let k = 0; k < 12; k++) {
    const client = mesh.client();
    mesh.ask(client);
    client.connection.destroy();
    mesh.network.settle();
  }
  expect(mesh.metrics("atoll_proxy_endpoints_ejected")).toEqual(["atoll_proxy_endpoints_ejected{} 0"]);
});

describe("when more fail than may be out", () => {
  test("the second failover group serves, once the first is out", () => {
    const mesh = meshWith({ maxEjectionPercent: 100 }, { endpoints: [{}, {}, { priority: 1 }, { priority: 1 }] });
    failUntilOut(mesh, [0, 1]);
    const [first, second, third = 0, fourth = 0] = mesh.count(40);
    expect([first, second, third + fourth]).toEqual([0, 0, 40]);
  });

  test("everybody serves in panic, those that are out with them", async () => {
    const mesh = meshWith({ maxEjectionPercent: 100 }, { endpoints: [{}, {}, {}, {}] });
    failUntilOut(mesh, [0, 1, 2]);
    mesh.answer = () => ok;
    expect(mesh.count(40)).toEqual([10, 10, 10, 10]);
    expect(mesh.metrics("atoll_proxy_endpoints_ejected")).toEqual(["atoll_proxy_endpoints_ejected{} 3"]);
    await mesh.live(1_000);
    expect(mesh.metrics("atoll_proxy_cluster_panic")).toEqual(["atoll_proxy_cluster_panic{} 1"]);
    await mesh.live(31_000);
    expect(mesh.metrics("atoll_proxy_cluster_panic")).toEqual(["atoll_proxy_cluster_panic{} 0"]);
  });

  test("a single endpoint is used all the same, and is back after one success", async () => {
    const mesh = meshWith({}, { endpoints: [{}] });
    failUntilOut(mesh, [0]);
    expect(mesh.ask().status).toBe(500);
    await mesh.live(31_000);
    mesh.answer = () => undefined;
    const clients = Array.from({ length: 5 }, () => mesh.client());
    for (const client of clients) mesh.ask(client);
    // Nobody is refused for the sake of a probation.
    expect(mesh.allWaiting).toEqual([0, 0, 0, 0, 0]);
    mesh.answerNow();
    expect(mesh.metrics("atoll_proxy_endpoint_out")).toEqual([]);
  });
});
