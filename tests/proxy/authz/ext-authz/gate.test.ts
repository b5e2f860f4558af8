import { describe, expect, test } from "bun:test";
import { MemoryConnection } from "../../../../proxy/transport/memory.ts";
import { type Connection, idleHandler } from "../../../../proxy/transport/transport.ts";
import { Http2App } from "../../http2-ends.ts";
import { AuthorizerMesh, statusOf } from "./authorizer-mesh.ts";

/** What becomes of requests whose listener has an authorizer, on a network and a clock of memory. */
const timeoutMs = 200;
const names = (...values: readonly string[]) => values.map((value) => ({ type: "exact", value }));

describe("a request that the intentions allow", () => {
  test("waits for its check with its body, and goes on whole, changed as the authorizer says", async () => {
    const http = {
      pathPrefix: "/authz",
      allowedUpstreamHeaders: names("x-user"),
      allowedUpstreamHeadersToAppend: names("x-b"),
    };
    const mesh = new AuthorizerMesh({ http });
    const client = await mesh.send(
      "POST /a?b=c HTTP/1.1",
      "Authorization: Bearer t\r\nX-User: forged\r\nX-B: 1\r\nCookie: s=1\r\nContent-Length: 8\r\n",
      "body",
    );
    expect(mesh.apps).toEqual([]);
    // Of the fields only what is always sent, and nothing that a body would need.
    expect(mesh.authorizer.take()).toBe(
      "POST /authz/a?b=c HTTP/1.1\r\nhost: api\r\ncontent-length: 0\r\nauthorization: Bearer t\r\n\r\n",
    );
    client.send(" end");
    await mesh.answer(
      "200 OK",
      "X-User: alice\r\nX-B: 2\r\nX-C: 3\r\nX-Envoy-Auth-Headers-To-Remove: Authorization, cookie\r\n",
    );
    const seen = mesh.app().received;
    expect(seen).toEndWith("\r\n\r\nbody end");
    expect(seen.match(/x-user: .*/g)).toEqual(["x-user: alice"]);
    expect(seen.match(/x-b: .*/g)).toEqual(["x-b: 1", "x-b: 2"]);
    expect(seen).not.toMatch(/authorization|cookie|x-c|x-envoy/);
    await mesh.respond();
    expect(client.received).toEndWith("\r\n\r\nok");
    expect([mesh.checks("ok"), mesh.count("atoll_proxy_ext_authz_latency_ms_count")]).toEqual([1, 1]);
  });

  test("is denied with the status, the fields and the text of a denial, and the app is not asked", async () => {
    const textFormat = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%";
    const mesh = new AuthorizerMesh({ telemetry: { accessLog: { enabled: true, format: "text", textFormat } } });
    const client = await mesh.send();
    await mesh.answer(
      "401 Unauthorized",
      "WWW-Authenticate: Bearer\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Type: text/html\r\nX-Forwarded-Client-Cert: no\r\n",
      "<p>é",
    );
    expect(client.received).toStartWith("HTTP/1.1 401 ");
    expect(client.received.match(/set-cookie: .*/g)).toEqual(["set-cookie: a=1", "set-cookie: b=2"]);
    expect(client.received).toMatch(/www-authenticate: Bearer\r\n/);
    expect(client.received).toMatch(/content-type: text\/html\r\n/);
    expect(client.received).not.toContain("x-forwarded-client-cert");
    expect(Buffer.from(client.received, "latin1").toString("utf8")).toEndWith("\r\n\r\n<p>é");
    expect(mesh.apps).toEqual([]);
    expect(mesh.outputs.lines()).toContain("401 UAEX ext_authz_denied");
    expect([mesh.checks("denied"), mesh.count("atoll_proxy_requests_refused_total", "ext_authz_denied")]).toEqual([
      1, 1,
    ]);
  });

  test("is told nothing but what is allowed of a denial, where that is said", async () => {
    const mesh = new AuthorizerMesh({ http: { allowedClientHeaders: [{ type: "prefix", value: "X-Why" }] } });
    const client = await mesh.send();
    await mesh.answer("302 Found", "Location: /login\r\nX-Why-Not: 1\r\nX-Other: 2\r\n");
    expect(client.received).toMatch(/^HTTP\/1\.1 302 .*location: \/login\r\n/s);
    expect([client.received.includes("x-why-not: 1"), client.received.includes("x-other")]).toEqual([true, false]);
  });

  test("takes fields of the answer along to the client when it succeeds", async () => {
    const mesh = new AuthorizerMesh({
      http: { allowedClientHeadersOnSuccess: names("set-cookie", "transfer-encoding") },
    });
    const client = await mesh.send();
    await mesh.answer("200 OK", "Set-Cookie: seen=1\r\n");
    await mesh.respond();
    expect(client.received).toMatch(/^HTTP\/1\.1 200 .*set-cookie: seen=1\r\n(?:.*\r\n)?\r\nok$/s);
  });

  test("goes on as it is over a connection that is used again", async () => {
    const mesh = new AuthorizerMesh();
    for (let i = 1; i <= 3; i++) {
      const client = await mesh.send();
      await mesh.answer("200 OK");
      await mesh.respond();
      expect(statusOf(client)).toBe("200");
    }
    expect([mesh.authorizers.length, mesh.checks("ok")]).toEqual([1, 3]);
  });
});

test("nobody is asked about a request that the intentions deny", async () => {
  const mesh = new AuthorizerMesh();
  await mesh.apply("deny", {}, 2);
  expect(statusOf(await mesh.send())).toBe("403");
  expect(mesh.authorizers).toEqual([]);
});

test("nobody is asked about a request that a limit of rate refuses, and asking counts once against it", async () => {
  const mesh = new AuthorizerMesh({ inbound: { rateLimit: { requestsPerSecond: 2 } } });
  for (let i = 0; i < 2; i++) {
    const client = await mesh.send();
    await mesh.answer("200 OK");
    await mesh.respond();
    expect(statusOf(client)).toBe("200");
  }
  expect([statusOf(await mesh.send()), mesh.checks("ok")]).toEqual(["429", 2]);
});

describe("a check that fails", () => {
  const failures: Readonly<Record<string, (mesh: AuthorizerMesh) => Promise<void>>> = {
    "is late": (mesh) => mesh.pass(timeoutMs + 16),
    "is answered with 5xx": (mesh) => mesh.answer("503 Service Unavailable"),
    "is answered with nonsense": async (mesh) => {
      mesh.authorizer.send("nonsense\r\n\r\n");
      await mesh.flow();
    },
    "is answered in part": async (mesh) => {
      mesh.authorizer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
      await mesh.flow();
      mesh.authorizer.connection.destroy();
      await mesh.flow();
    },
    "is answered with too much": (mesh) => mesh.answer("200 OK", "", "x".repeat(65_537)),
    "is answered with interim responses for ever": async (mesh) => {
      mesh.authorizer.send("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(11));
      await mesh.flow();
    },
    "ends with its connection": async (mesh) => {
      mesh.authorizer.connection.destroy();
      await mesh.flow();
    },
  };

  test.each(Object.keys(failures))("since it %s denies, or lets through where that is said", async (name) => {
    for (const failureModeAllow of [false, true]) {
      const mesh = new AuthorizerMesh({ extAuthz: { failureModeAllow, statusOnError: 503 } });
      const client = await mesh.send();
      await failures[name]?.(mesh);
      await mesh.flow();
      expect([statusOf(client), mesh.apps.length]).toEqual(failureModeAllow ? ["none", 1] : ["503", 0]);
      expect(mesh.checks(name === "is late" ? "timeout" : "error")).toBe(1);
      expect(mesh.count("atoll_proxy_ext_authz_failure_mode_allowed_total")).toBe(failureModeAllow ? 1 : 0);
      // Whatever comes afterwards is nobody's answer.
      mesh.authorizer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      await mesh.flow();
      expect(mesh.apps.length).toBe(failureModeAllow ? 1 : 0);
    }
  });

  test("since nobody is there denies at once, with 403 where nothing is said", async () => {
    const mesh = new AuthorizerMesh();
    mesh.stopAuthorizer();
    const client = await mesh.send();
    expect([statusOf(client), mesh.checks("error")]).toEqual(["403", 1]);
    expect(client.received).toEndWith("external authorization failed\n");
    mesh.startAuthorizer();
    await mesh.send();
    await mesh.answer("200 OK");
    expect(mesh.apps.length).toBe(1);
  });

  test("since there are too many denies at once, and there is room when the others are over", async () => {
    const mesh = new AuthorizerMesh({ extAuthz: { maxConcurrentChecks: 2 } });
    const first = [await mesh.send(), await mesh.send()];
    expect(statusOf(await mesh.send())).toBe("403");
    expect([mesh.checks("overflow"), mesh.authorizers.length]).toEqual([1, 2]);
    first[0]?.connection.destroy();
    await mesh.flow();
    expect(statusOf(await mesh.send())).toBe("none");
  });

  test("is asked again when the connection had been given up, as often as that is safe", async () => {
    const mesh = new AuthorizerMesh();
    await mesh.send();
    await mesh.answer("200 OK");
    const client = await mesh.send();
    mesh.authorizer.connection.destroy();
    await mesh.flow();
    expect([statusOf(client), mesh.authorizers.length]).toEqual(["none", 2]);
    await mesh.answer("200 OK");
    expect(mesh.apps.length).toBe(2);
  });
});

describe("while a check is under way", () => {
  test("a client that goes away takes it along", async () => {
    const mesh = new AuthorizerMesh();
    let hasEnded = false;
    const client = await mesh.send();
    mesh.authorizer.connection.handler.onClose = () => {
      hasEnded = true;
    };
    client.connection.destroy();
    await mesh.flow();
    expect([hasEnded, mesh.checks("cancelled"), mesh.apps.length]).toEqual([true, 1, 0]);
    await mesh.pass(1_000);
    expect([mesh.checks("timeout"), mesh.checks("error")]).toEqual([0, 0]);
  });

  test("an intention that is removed denies, and the answer that comes then changes nothing", async () => {
    const mesh = new AuthorizerMesh();
    const client = await mesh.send();
    await mesh.apply("deny", {}, 2);
    expect([statusOf(client), mesh.checks("cancelled")]).toEqual(["403", 1]);
    expect(mesh.apps).toEqual([]);
  });

  test("another authorizer takes over for the next request, and this one finishes", async () => {
    const mesh = new AuthorizerMesh();
    const client = await mesh.send();
    const [former] = mesh.authorizers;
    await mesh.apply("allow", { timeoutMs: 300 }, 2);
    await mesh.send();
    expect(mesh.authorizers.length).toBe(2);
    former?.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    await mesh.flow();
    expect([statusOf(client), mesh.checks("denied")]).toEqual(["403", 1]);
  });
});

test("an authorizer that is configured later is asked about connections that stand, and one that is gone is not", async () => {
  const mesh = new AuthorizerMesh();
  await mesh.apply("allow", undefined, 2);
  const client = mesh.client();
  const ask = async (): Promise<void> => {
    client.send("GET / HTTP/1.1\r\nHost: api\r\n\r\n");
    await mesh.flow();
  };
  await ask();
  await mesh.respond();
  expect(statusOf(client)).toBe("200");
  await mesh.apply("allow", {}, 3);
  client.take();
  await ask();
  await mesh.answer("403 Forbidden");
  expect(statusOf(client)).toBe("403");
});

test("a request that has been let through goes on when its authorizer is exchanged, and ends when its intention does", async () => {
  const mesh = new AuthorizerMesh();
  const client = await mesh.send();
  await mesh.answer("200 OK");
  await mesh.apply("allow", { timeoutMs: 300 }, 2);
  expect([statusOf(client), mesh.authorizers.length]).toEqual(["none", 1]);
  await mesh.apply("deny", { timeoutMs: 300 }, 3);
  expect(statusOf(client)).toBe("403");
});

describe("a bypass", () => {
  const bypass = [{ path: { type: "path-prefix", value: "/public" }, methods: ["GET"] }];

  test("is not asked about", async () => {
    const mesh = new AuthorizerMesh({ extAuthz: { bypass } });
    await mesh.send("GET /public/x?y HTTP/1.1");
    expect([mesh.apps.length, mesh.authorizers.length]).toEqual([1, 0]);
    expect(mesh.count("atoll_proxy_ext_authz_bypassed_total")).toBe(1);
  });

  test.each(["/public/%252e%252e%252fadmin", "/public/x;v/%252e%252e/%252e%252e/admin", "/public/%252e%252e/admin"])(
    "is none of %s, which somebody may read as something else",
    async (path) => {
      const mesh = new AuthorizerMesh({ extAuthz: { bypass } });
      await mesh.send(`GET ${path} HTTP/1.1`);
      expect([mesh.apps.length, mesh.authorizers.length]).toEqual([0, 1]);
    },
  );

  test("is for what it names alone", async () => {
    const mesh = new AuthorizerMesh({ extAuthz: { bypass } });
    await mesh.send("POST /public/x HTTP/1.1", "Content-Length: 0\r\n");
    expect([mesh.apps.length, mesh.authorizers.length]).toEqual([0, 1]);
  });
});

test("a dry run lets everything through at once, and counts what would have been denied", async () => {
  const mesh = new AuthorizerMesh({ extAuthz: { dryRun: true } });
  await mesh.send();
  expect(mesh.apps.length).toBe(1);
  await mesh.answer("403 Forbidden");
  await mesh.send();
  await mesh.answer("200 OK", "X-A: 1\r\n");
  await mesh.send();
  await mesh.pass(timeoutMs + 16);
  expect([mesh.apps.length, mesh.count("atoll_proxy_ext_authz_dry_run_denials_total")]).toEqual([3, 2]);
  expect(mesh.app().received).not.toContain("x-a");
});

test("a connection to an authorizer on another host that has died unseen is given up, and one on this host is not", async () => {
  for (const [host, connections] of [
    ["10.0.0.9", 2],
    ["127.0.0.1", 1],
  ] as const) {
    const mesh = new AuthorizerMesh({ extAuthz: { grpc: { address: `${host}:9192` } } });
    const dialled: MemoryConnection[] = [];
    const onConnection = (connection: Connection): void => {
      if (!(connection instanceof MemoryConnection)) return;
      new Http2App().accept(connection);
      dialled.push(connection);
    };
    mesh.network.listen({ host, port: 9192, onRefused: () => undefined, onConnection });
    const client = await mesh.send();
    for (const connection of dialled) connection.handler = idleHandler;
    await mesh.pass(40_000);
    expect([statusOf(client), mesh.checks("timeout")]).toEqual(["403", 1]);
    await mesh.send();
    expect(dialled.length).toBe(connections);
  }
});
