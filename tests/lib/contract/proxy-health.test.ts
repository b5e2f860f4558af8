import { describe, expect, test } from "bun:test";
import { type OutboundConfig, parseProxyConfig } from "../../../lib/contract/proxy-config.ts";

const smallest = { identity: { certFile: "a", keyFile: "b", caFile: "c" }, admin: { listen: "127.0.0.1:19000" } };

function parse(outbound: object): OutboundConfig | readonly string[] {
  const given = { service: "web", listen: "127.0.0.1:15001", protocol: "http", ...outbound };
  const parsed = parseProxyConfig({ ...smallest, outbound: [given] });
  if (!parsed.ok) return parsed.issues.map(({ path, message }) => `${path}: ${message}`);
  const [only] = parsed.config.outbound;
  if (only === undefined) throw new Error("there is one");
  return only;
}

test("outlier detection and health checks are absent until they are asked for", () => {
  const config = parse({});
  expect(config).not.toHaveProperty("outlierDetection");
  expect(config).not.toHaveProperty("healthCheck");
  expect(config).toMatchObject({ maxRequests: 0, maxPendingRequests: 1_024 });
});

test("outlier detection has Envoy's defaults, in a listener and in each of its clusters", () => {
  const expected = {
    consecutive5xx: 5,
    consecutiveGatewayFailure: 5,
    consecutiveLocalOriginFailure: 5,
    splitExternalLocalOriginErrors: false,
    intervalMs: 10_000,
    baseEjectionTimeMs: 30_000,
    maxEjectionTimeMs: 300_000,
    maxEjectionTimeJitterMs: 0,
    maxEjectionPercent: 10,
    probation: true,
    enforcingConsecutive5xx: 100,
    enforcingConsecutiveGatewayFailure: 0,
    enforcingConsecutiveLocalOriginFailure: 100,
    enforcingSuccessRate: 100,
    enforcingLocalOriginSuccessRate: 100,
    successRateMinimumHosts: 5,
    successRateRequestVolume: 100,
    successRateStdevFactor: 1.9,
    enforcingFailurePercentage: 0,
    enforcingFailurePercentageLocalOrigin: 0,
    failurePercentageThreshold: 85,
    failurePercentageMinimumHosts: 5,
    failurePercentageRequestVolume: 50,
    successfulHealthCheckUnejects: true,
  };
  expect(parse({ outlierDetection: {}, clusters: [{ name: "a", outlierDetection: {} }] })).toMatchObject({
    outlierDetection: expected,
    clusters: [{ outlierDetection: expected }],
  });
});

test("a health check has a type, and defaults for all else", () => {
  expect(parse({ healthCheck: { type: "http" } })).toMatchObject({
    healthCheck: {
      type: "http",
      intervalMs: 3_000,
      intervalJitterPercent: 10,
      timeoutMs: 1_000,
      unhealthyThreshold: 3,
      healthyThreshold: 1,
      initialState: "healthy",
      path: "/",
      method: "GET",
      expectedStatuses: ["200"],
      grpcService: "",
      maxConcurrent: 32,
    },
  });
});

describe("what cannot be is refused, with its path", () => {
  test.each([
    [{ healthCheck: {} }, "outbound[0].healthCheck.type"],
    [{ healthCheck: { type: "http", path: "health" } }, "outbound[0].healthCheck.path"],
    [{ healthCheck: { type: "http", path: "/a#b" } }, "outbound[0].healthCheck.path"],
    [{ healthCheck: { type: "http", host: "a b" } }, "outbound[0].healthCheck.host"],
    [{ healthCheck: { type: "http", host: "a@b" } }, "outbound[0].healthCheck.host"],
    [{ healthCheck: { type: "http", expectedStatuses: ["2xx"] } }, "outbound[0].healthCheck.expectedStatuses[0]"],
    [{ outlierDetection: { maxEjectionPercent: 101 } }, "outbound[0].outlierDetection.maxEjectionPercent"],
    [{ clusters: [{ name: "a", maxRequests: -1 }] }, "outbound[0].clusters[0].maxRequests"],
  ])("%j", (outbound, path) => {
    const issues = parse(outbound);
    expect(Array.isArray(issues) ? issues[0] : issues).toStartWith(`${path}:`);
  });

  test("a range of statuses that ends before it begins, and requests where there are none", () => {
    expect(parse({ healthCheck: { type: "http", expectedStatuses: ["200", "299-200"] } })).toEqual([
      `outbound[0].healthCheck.expectedStatuses[1]: must be a status or a range that begins with the lower one, found "299-200"`,
    ]);
    expect(parse({ protocol: "tcp", healthCheck: { type: "http" } })).toEqual([
      `outbound[0].healthCheck.type: must be tcp where the protocol is tcp, found "http"`,
    ]);
    expect(parse({ clusters: [{ name: "a", healthCheck: { type: "grpc", expectedStatuses: ["300-200"] } }] })).toEqual([
      `outbound[0].clusters[0].healthCheck.expectedStatuses[0]: must be a status or a range that begins with the lower one, found "300-200"`,
    ]);
  });
});
