import { describe, expect, test } from "bun:test";
import { answer, deliver, get, ok } from "../exchange/talk.ts";
import { Http2Client, http2Mesh } from "../http2-ends.ts";
import { calleeConfig, MemoryMesh, type MemoryMeshOptions, type Wire } from "../memory-mesh.ts";

/** Limits of both listeners, with both proxies and everything between. */
const body = "local_rate_limited\n";
const limited = (more = ""): string =>
  `HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}\r\nx-envoy-ratelimited: true\r\nretry-after: 1\r\n${more}\r\n${body}`;

function ask(mesh: MemoryMesh, client: Wire, text = get): string {
  const before = mesh.apps.length;
  client.send(text);
  mesh.settle();
  if (client.received !== "") return client.take();
  expect(mesh.apps.length).toBeGreaterThanOrEqual(before);
  expect(mesh.app().take()).not.toBe("");
  return answer(mesh, client, ok("x"));
}

function statuses(mesh: MemoryMesh, client: Wire, count: number, path = "/"): string {
  const text = get.replace("/", path);
  return Array.from({ length: count }, () => ask(mesh, client, text).slice(9, 12)).join(" ");
}

const count = (page: string, limit: string, result: string): number => {
  const label = `limit="${limit}",result="${result}"`;
  const line = page.split("\n").find((one) => one.startsWith("atoll_proxy_rate_limit_total{") && one.includes(label));
  return Number(line?.split(" ").at(-1) ?? Number.NaN);
};

describe("a request beyond the limit", () => {
  test.each(["inbound", "outbound"] as const)(
    "of an %s listener gets 429 in Envoy's words, and flag and reason",
    async (side) => {
      const accessLog = { enabled: true, format: "text", textFormat: "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%" };
      const mesh = new MemoryMesh({ [side]: { rateLimit: { requestsPerSecond: 2 } }, telemetry: { accessLog } });
      const client = mesh.client();
      expect([ask(mesh, client), ask(mesh, client)]).toEqual([ok("x"), ok("x")]);
      expect(ask(mesh, client)).toBe(limited());
      expect(mesh.apps[0]?.take()).toBe("");
      const page = side === "inbound" ? mesh.metricsOfCallee() : mesh.metrics();
      expect([count(page, "listener", "allowed"), count(page, "listener", "limited")]).toEqual([2, 1]);
      expect(page).toMatch(/requests_refused_total\{.*reason="rate_limited"\} 1\n/);
      await mesh.clock.advance(100);
      expect(mesh.outputs.lines()).toContain("RL rate_limited");
      // The other proxy has no limit, and says nothing of any.
      expect(side === "inbound" ? mesh.metrics() : mesh.metricsOfCallee()).not.toContain("rate_limit_total");
    },
  );

  test("is let through again when time has passed", async () => {
    const mesh = new MemoryMesh({ inbound: { rateLimit: { requestsPerSecond: 2 } } });
    const client = mesh.client();
    expect(statuses(mesh, client, 4)).toBe("200 200 429 429");
    await mesh.pass(500);
    expect(statuses(mesh, client, 2)).toBe("200 429");
    await mesh.pass(60_000);
    expect(statuses(mesh, mesh.client(), 4)).toBe("200 200 429 429");
  });

  test("is let through and counted where the limit is only tried out", () => {
    const mesh = new MemoryMesh({ inbound: { rateLimit: { requestsPerSecond: 2, enforce: false } } });
    const client = mesh.client();
    expect(statuses(mesh, client, 5)).toBe("200 200 200 200 200");
    const page = mesh.metricsOfCallee();
    expect([count(page, "listener", "allowed"), count(page, "listener", "shadow")]).toEqual([2, 3]);
    expect(page).not.toMatch(/reason="rate_limited"\} [1-9]/);
  });

  test.each([
    ["unavailable", 14],
    ["resource-exhausted", 8],
  ] as const)("of gRPC gets %s", (grpcStatus, code) => {
    const { mesh } = http2Mesh("grpc", { inbound: { rateLimit: { requestsPerSecond: 0.5, grpcStatus } } });
    const client = new Http2Client(mesh);
    const grpc = ["content-type", "application/grpc", "te", "trailers"];
    client.request("POST /E/S", grpc);
    client.request("POST /E/S", grpc);
    expect(client.take()).toEqual([
      `3 response :status|200|content-type|application/grpc|grpc-status|${code}|grpc-message|local_rate_limited|x-envoy-ratelimited|true|retry-after|2 end`,
    ]);
  });
});

test("a call of gRPC-Web beyond the limit is refused in its own words", () => {
  const { mesh } = http2Mesh("grpc", { outbound: { rateLimit: { requestsPerSecond: 0.001 } } });
  const client = mesh.client();
  const call = "POST /E/S HTTP/1.1\r\nHost: api\r\nContent-Type: application/grpc-web\r\nContent-Length: 0\r\n\r\n";
  mesh.client().send(call);
  client.send(call);
  mesh.settle();
  const fields =
    "grpc-status: 14\r\ngrpc-message: local_rate_limited\r\nx-envoy-ratelimited: true\r\nretry-after: 1000\r\n";
  expect(client.take()).toContain(`content-type: application/grpc-web+proto\r\n${fields}`);
});

describe("a limit", () => {
  test("of a route counts the requests that take it, and no others", () => {
    const routes = [
      { name: "slow", match: { path: { type: "path-prefix", value: "/slow" } }, rateLimit: { requestsPerSecond: 1 } },
      { match: { path: { type: "path-prefix", value: "/" } } },
    ];
    const mesh = new MemoryMesh({ outbound: { routes, rateLimit: { requestsPerSecond: 3 } } });
    const client = mesh.client();
    expect(statuses(mesh, client, 3, "/slow")).toBe("200 429 429");
    expect(statuses(mesh, client, 4)).toBe("200 200 200 429");
    const page = mesh.metrics();
    expect([count(page, "route", "allowed"), count(page, "route", "limited")]).toEqual([1, 2]);
  });

  test("of some requests is met by other spellings of their path", () => {
    const rules = [{ path: { type: "path-prefix", value: "/slow" }, requestsPerSecond: 1 }];
    const mesh = new MemoryMesh({ inbound: { rateLimit: { rules } } });
    const client = mesh.client();
    expect(statuses(mesh, client, 1, "/slow")).toBe("200");
    for (const path of ["/slow/a", "/slow%2fa", "/%2573low", "//slow", "/slow;a", "/x/../slow"]) {
      expect([path, statuses(mesh, client, 1, path)]).toEqual([path, "429"]);
    }
    expect(statuses(mesh, client, 3, "/slowly")).toBe("200 200 200");
  });

  test("of each caller leaves the others alone, over whatever connection they come", () => {
    const source = "spiffe://*/ns/default/dc/*/svc/*";
    const intentions = { default: "deny", rules: [{ source, action: "allow" }] };
    const rateLimit = { perIdentity: { requestsPerSecond: 2 } };
    const mesh = new MemoryMesh({ inbound: { intentions, rateLimit } });
    const h1 = (service: string, text = get) => {
      const caller = mesh.bareCaller(service);
      return ask(mesh, caller, text).slice(9, 12);
    };
    expect(statuses(mesh, mesh.client(), 1)).toBe("200");
    expect([h1("web"), h1("web"), h1("batch"), h1("batch"), h1("batch")]).toEqual(["200", "429", "200", "200", "429"]);
    expect(mesh.metricsOfCallee()).toMatch(/rate_limit_identities\{.*listener="127.0.0.1:20000"\} 2\n/);
  });

  test("is not used up by callers that are denied", () => {
    const options: MemoryMeshOptions = { inbound: { rateLimit: { requestsPerSecond: 1 } } };
    const mesh = new MemoryMesh(options);
    for (let i = 0; i < 5; i++) expect(ask(mesh, mesh.bareCaller("stranger")).slice(9, 12)).toBe("403");
    expect(statuses(mesh, mesh.client(), 2)).toBe("200 429");
  });

  test("begins and ends with the document, for connections that stand", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const apply = (rateLimit: object, version: number) =>
      mesh.callee.apply(calleeConfig("allow", "http", { rateLimit }), version);
    expect(statuses(mesh, client, 3)).toBe("200 200 200");
    apply({ requestsPerSecond: 1 }, 2);
    expect(statuses(mesh, client, 2)).toBe("200 429");
    // A request under way is asked about again, and counted once.
    apply({ requestsPerSecond: 1, fields: "ratelimit" }, 3);
    expect(statuses(mesh, client, 1)).toBe("429");
    apply({}, 4);
    expect(statuses(mesh, client, 3)).toBe("200 200 200");
  });
});

describe("the fields of limits", () => {
  test("are Envoy's or the draft's, on every response, those of the nearest limit", async () => {
    for (const [fields, first, refused] of [
      [
        "x-ratelimit",
        "x-ratelimit-limit: 4\r\nx-ratelimit-remaining: 3\r\nx-ratelimit-reset: 1\r\n",
        "x-ratelimit-limit: 4\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: 2\r\n",
      ],
      [
        "ratelimit",
        'ratelimit-policy: "identity";q=4;w=2\r\nratelimit: "identity";r=3;t=1\r\n',
        'ratelimit-policy: "identity";q=4;w=2\r\nratelimit: "identity";r=0;t=2\r\n',
      ],
    ] as const) {
      const perIdentity = { requestsPerSecond: 2, burst: 4 };
      const mesh = new MemoryMesh({ inbound: { rateLimit: { requestsPerSecond: 100, perIdentity, fields } } });
      const client = mesh.client();
      expect(ask(mesh, client)).toBe(`HTTP/1.1 200 OK\r\ncontent-length: 1\r\n${first}\r\nx`);
      expect(statuses(mesh, client, 3)).toBe("200 200 200");
      expect(ask(mesh, client)).toBe(limited(refused));
    }
  });

  test("take the place of what the application says itself, and come with what the route does", () => {
    const routes = [
      { rateLimit: { requestsPerSecond: 9 }, responseHeaders: { set: [{ name: "x-route", value: "a" }] } },
    ];
    const mesh = new MemoryMesh({ outbound: { routes, rateLimit: { fields: "x-ratelimit" } } });
    const client = mesh.client();
    for (const left of [8, 7]) {
      deliver(mesh, client, get);
      const said = "HTTP/1.1 200 OK\r\nX-RateLimit-Remaining: 99\r\ncontent-length: 0\r\n\r\n";
      const seen = answer(mesh, client, said);
      expect(seen).toContain("x-route: a\r\n");
      expect(seen.match(/x-ratelimit-remaining: \d+/gi)).toEqual([`x-ratelimit-remaining: ${left}`]);
    }
  });
});

test("connections beyond their rate are closed, of TCP as of HTTP", async () => {
  const rateLimit = { connections: { perSecond: 1, burst: 2 } };
  const mesh = new MemoryMesh({
    outbound: { protocol: "tcp", rateLimit, endpoints: [{ address: "127.0.0.1:20001" }] },
  });
  const open = (): boolean => {
    const client = mesh.client();
    mesh.settle();
    return !client.connection.isClosed && !client.hasEnded;
  };
  expect([open(), open(), open(), open()]).toEqual([true, true, false, false]);
  await mesh.pass(1_000);
  expect([open(), open()]).toEqual([true, false]);
  expect(mesh.metrics()).toMatch(
    /connections_refused_total\{.*listener="127.0.0.1:15001".*reason="rate_limited"\} 3\n/,
  );
  expect(count(mesh.metrics(), "connection", "limited")).toBe(3);
  const http = new MemoryMesh({ inbound: { rateLimit } });
  expect(ask(http, http.bareCaller("web"))).toBe(ok("x"));
  http.bareCaller("web");
  const third = http.bareCaller("web");
  http.settle();
  expect(third.connection.isClosed || third.hasEnded).toBe(true);
});
