import { describe, expect, test } from "bun:test";
import { BalanceMesh, type BalanceMeshOptions, ok } from "./balance-mesh.ts";

const three = [{}, {}, {}];
const roundRobin = { policy: "round-robin" };
const unwell = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";

/** Endpoints that answer requests well, and checks as a test says. */
class CheckedMesh extends BalanceMesh {
  readonly unwell = new Set<number>();
  /** Heads of the checks that came, by endpoint. */
  readonly checks: string[][] = three.map(() => []);

  constructor(healthCheck: object, more: Partial<BalanceMeshOptions> = {}) {
    const check = { type: "http", path: "/health", intervalMs: 1_000, intervalJitterPercent: 0, ...healthCheck };
    const { outbound, ...others } = more;
    super({ balancer: roundRobin, endpoints: three, outbound: { healthCheck: check, ...outbound }, ...others });
    this.answer = (i, request) => {
      if (!request.startsWith("GET /health")) return ok;
      this.checks[i]?.push(request);
      return this.unwell.has(i) ? unwell : ok;
    };
  }

  /** What came of the checks, without what never did. */
  results(): Record<string, number> {
    const found = this.metrics("atoll_proxy_health_checks_total").map((line) => /="(\w+)"} (\d+)$/.exec(line) ?? []);
    return Object.fromEntries(
      found.map(([, result = "", count]) => [result, Number(count)]).filter(([, n]) => n !== 0),
    );
  }
}

describe("an endpoint that fails its checks", () => {
  test("is out after three, and back after one that it passes", async () => {
    const mesh = new CheckedMesh({});
    mesh.network.settle();
    mesh.unwell.add(1);
    await mesh.live(2_000);
    expect(mesh.count(30)).toEqual([10, 10, 10]);
    await mesh.live(2_000);
    expect(mesh.count(30)).toEqual([15, 0, 15]);
    expect(mesh.metrics("atoll_proxy_endpoint_out")).toEqual([
      'atoll_proxy_endpoint_out{endpoint="127.0.0.1:20001",state="failing_checks"} 1',
    ]);
    mesh.unwell.clear();
    await mesh.live(2_000);
    expect(mesh.count(30)).toEqual([10, 10, 10]);
    expect(mesh.metrics("atoll_proxy_health_changes_total")).toEqual([
      'atoll_proxy_health_changes_total{to="healthy"} 1',
      'atoll_proxy_health_changes_total{to="unhealthy"} 1',
    ]);
  });

  test("has one line in the log for each change", async () => {
    const mesh = new CheckedMesh({});
    mesh.unwell.add(1);
    await mesh.live(20_000);
    mesh.unwell.clear();
    await mesh.live(20_000);
    const endpoint = "cluster=api endpoint=127.0.0.1:20001";
    expect(mesh.log).toEqual([`endpoint unhealthy: ${endpoint} reason=status`, `endpoint healthy: ${endpoint}`]);
  });

  test("comes back with slow start", async () => {
    const mesh = new CheckedMesh({}, { balancer: { ...roundRobin, slowStartMs: 20_000 } });
    mesh.unwell.add(1);
    await mesh.live(5_000);
    expect(mesh.count(30)).toEqual([15, 0, 15]);
    mesh.unwell.clear();
    await mesh.live(2_000);
    const early = mesh.count(60)[1] ?? 0;
    expect(early).toBeGreaterThan(0);
    expect(early).toBeLessThan(10);
    await mesh.live(20_000);
    expect(mesh.count(30)).toEqual([10, 10, 10]);
  });

  test("is out when it cannot be reached, and its attempts are not those of requests", async () => {
    const mesh = new CheckedMesh({}, { endpoints: [{}, {}, { address: "127.0.0.1:29999" }] });
    await mesh.live(5_000);
    expect(mesh.count(30)).toEqual([15, 15, 0]);
    expect(mesh.metrics("atoll_proxy_connect_failures_total")).toEqual([]);
    expect(mesh.results()["connect"]).toBeGreaterThanOrEqual(3);
  });

  test("is out when it does not answer them in time", async () => {
    const mesh = new CheckedMesh({ timeoutMs: 500 });
    mesh.answer = (i, request) => (request.startsWith("GET /health") && i === 2 ? undefined : ok);
    await mesh.live(8_000);
    expect(mesh.count(30)).toEqual([15, 15, 0]);
  });

  test("is out when its proxy loses them", async () => {
    const mesh = new CheckedMesh({});
    mesh.answer = (i, request) => (request.startsWith("GET /health") && i === 2 ? "reset" : ok);
    await mesh.live(5_000);
    expect(mesh.count(30)).toEqual([15, 15, 0]);
  });
});

describe("a check", () => {
  test("is a request like others, over mTLS, and says what it is", async () => {
    const mesh = new CheckedMesh({ path: "/health?deep=1", host: "api.example" });
    await mesh.live(1_000);
    const [[check = ""] = []] = mesh.checks;
    expect(check.startsWith("GET /health?deep=1 HTTP/1.1\r\n")).toBe(true);
    expect(check.toLowerCase()).toContain("host: api.example\r\n");
    expect(check).toContain("Atoll/HC");
    // The other proxy has seen who asks.
    expect(check.toLowerCase()).toContain("x-forwarded-client-cert: by=spiffe://");
    expect(check).toContain("/svc/web");
  });

  test("uses one connection for all of them, which is not that of requests", async () => {
    const mesh = new CheckedMesh({}, { outbound: { maxConnections: 1 } });
    await mesh.live(10_000);
    expect(mesh.checks[0]?.length).toBeGreaterThan(5);
    const callers = mesh.metricsOfCallee("atoll_proxy_caller_connections_total");
    expect(callers.map((line) => line.split(" ").at(-1))).toEqual(["1", "1", "1"]);
    // The app of one holds the only connection that requests may use.
    mesh.count(3);
    expect(mesh.metricsOfCallee("atoll_proxy_caller_connections_total")[0]?.split(" ").at(-1)).toBe("2");
  });

  test("passes with the statuses that are expected", async () => {
    const mesh = new CheckedMesh({ expectedStatuses: ["204", "500-503"], unhealthyThreshold: 1 });
    mesh.unwell.add(0).add(1);
    await mesh.live(3_000);
    // Not 200.
    expect(mesh.count(30)).toEqual([15, 15, 0]);
  });

  test("reads an answer of some size, and its connection goes on", async () => {
    const mesh = new CheckedMesh({});
    const body = "x".repeat(50_000);
    mesh.answer = () => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    await mesh.live(5_000);
    expect(mesh.results()).toEqual({ passed: 9 });
  });

  test("does not read an answer without end, and goes by its head", async () => {
    const mesh = new CheckedMesh({});
    const body = "x".repeat(200_000);
    mesh.answer = (_i, request) =>
      request.startsWith("GET /health") ? `HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n${body}` : ok;
    await mesh.live(5_000);
    expect(mesh.results()).toEqual({ passed: 9 });
    expect(mesh.count(30)).toEqual([10, 10, 10]);
  });

  test("of TCP is a connection, whatever is spoken on it", async () => {
    for (const protocol of ["http", "tcp"] as const) {
      const endpoints = [{}, {}, { address: "127.0.0.1:29999" }];
      const mesh = new CheckedMesh({ type: "tcp" }, { protocol, endpoints });
      await mesh.live(5_000);
      expect(mesh.metrics("atoll_proxy_endpoint_out")).toEqual([
        'atoll_proxy_endpoint_out{endpoint="127.0.0.1:29999",state="failing_checks"} 1',
      ]);
      expect(mesh.results()).toEqual({ passed: 6, connect: expect.any(Number) });
      expect([mesh.ask().status, mesh.ask().status, mesh.ask().status]).toEqual([200, 200, 200]);
    }
  });
});

describe("before its first check an endpoint", () => {
  test("is used, unless it shall begin outside", async () => {
    const inside = new CheckedMesh({});
    expect(inside.count(30)).toEqual([10, 10, 10]);
    const outside = new CheckedMesh(
      { initialState: "unhealthy" },
      { balancer: { ...roundRobin, panicThresholdPercent: 0 } },
    );
    expect(outside.ask().status).toBe(503);
    outside.unwell.add(2);
    await outside.live(1_000);
    expect(outside.count(30)).toEqual([15, 15, 0]);
  });

  test("that joins later is as the others were", async () => {
    const mesh = new CheckedMesh({ initialState: "unhealthy" });
    mesh.update(2);
    await mesh.live(2_000);
    mesh.unwell.add(2);
    mesh.update(3);
    await mesh.live(3_000);
    expect(mesh.count(30)).toEqual([15, 15, 0]);
  });
});

describe("checks end", () => {
  const countChecks = (mesh: CheckedMesh): number => mesh.checks.flat().length;

  test("when they are not configured any more, and everybody is well", async () => {
    const mesh = new CheckedMesh({});
    mesh.unwell.add(1);
    await mesh.live(5_000);
    mesh.update(3, { healthCheck: undefined });
    const before = countChecks(mesh);
    await mesh.live(5_000);
    expect(countChecks(mesh)).toBe(before);
    expect(mesh.count(30)).toEqual([10, 10, 10]);
  });

  test("for an endpoint that leaves", async () => {
    const mesh = new CheckedMesh({});
    await mesh.live(2_000);
    mesh.update(2);
    const before = mesh.checks[2]?.length;
    await mesh.live(5_000);
    expect(mesh.checks[2]?.length).toBe(before);
  });

  test("with their cluster, though a request to it is still under way", async () => {
    const mesh = new CheckedMesh({});
    const cluster = {
      name: "other",
      service: "api",
      endpoints: [{ address: "127.0.0.1:20002" }],
      healthCheck: { type: "http", path: "/health", intervalMs: 1_000 },
    };
    const routes = [{ forward: { targets: [{ cluster: "other" }] } }];
    mesh.update(2, { healthCheck: undefined, clusters: [cluster], routes });
    await mesh.live(3_000);
    const { answer } = mesh;
    mesh.answer = (i, request) => (request.startsWith("GET /health") ? answer(i, request) : undefined);
    mesh.ask();
    expect(mesh.allWaiting).toEqual([2]);
    const before = mesh.checks[2]?.length ?? 0;
    expect(before).toBeGreaterThan(1);
    mesh.update(2, { healthCheck: undefined });
    await mesh.live(5_000);
    expect(mesh.checks[2]?.length).toBe(before);
  });

  test("with their proxy, to the last timer", async () => {
    const mesh = new CheckedMesh({});
    await mesh.live(2_000);
    const before = countChecks(mesh);
    mesh.stop();
    await mesh.live(5_000);
    expect(countChecks(mesh)).toBe(before);
    expect(mesh.clock.pendingTimers()).toBe(0);
  });

  test("and begin again with other settings, which do not make anybody well", async () => {
    const mesh = new CheckedMesh({});
    mesh.unwell.add(1);
    await mesh.live(5_000);
    mesh.update(3, { healthCheck: { type: "http", path: "/health", intervalMs: 60_000 } });
    expect(mesh.count(30)).toEqual([15, 0, 15]);
    await mesh.live(3_000);
    expect(mesh.count(30)).toEqual([15, 0, 15]);
  });
});

describe("beside outlier detection", () => {
  const failing = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";

  test("an endpoint is used when neither has anything against it", async () => {
    const mesh = new CheckedMesh({}, { outbound: { outlierDetection: { successfulHealthCheckUnejects: false } } });
    const { answer } = mesh;
    mesh.answer = (i, request) => (i === 1 && !request.startsWith("GET /health") ? failing : answer(i, request));
    await mesh.live(1_000);
    mesh.count(30);
    mesh.unwell.add(1);
    await mesh.live(5_000);
    expect(mesh.metrics("atoll_proxy_endpoint_out").map((line) => /state="(\w+)"/.exec(line)?.[1])).toEqual([
      "ejected",
      "failing_checks",
    ]);
    mesh.answer = answer;
    await mesh.live(26_000);
    // Its ejection is over, and its checks still fail.
    expect(mesh.count(30)[1]).toBe(0);
    mesh.unwell.clear();
    await mesh.live(2_000);
    expect(mesh.count(30)).toEqual([10, 10, 10]);
  });

  test("a check that is passed ends an ejection early", async () => {
    const mesh = new CheckedMesh({}, { outbound: { outlierDetection: {} } });
    const { answer } = mesh;
    mesh.answer = (i, request) => (i === 1 && !request.startsWith("GET /health") ? failing : answer(i, request));
    mesh.count(30);
    expect(mesh.count(30)[1]).toBe(0);
    await mesh.live(2_000);
    // One request, which fails.
    expect(mesh.count(30)[1]).toBe(1);
  });
});
