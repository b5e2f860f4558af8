import { describe, expect, test } from "bun:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { parseProxyConfig, type ProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { explain } from "../../../proxy/explain/explain.ts";
import type { Explanation } from "../../../proxy/explain/explanation.ts";
import type { Question } from "../../../proxy/explain/question.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { identityOf } from "../memory-mesh.ts";

const smallest = {
  identity: { certFile: "leaf.crt", keyFile: "leaf.key", caFile: "roots.crt" },
  admin: { listen: "127.0.0.1:19000" },
};

function mustParse(document: object): ProxyConfig {
  const parsed = parseProxyConfig({ ...smallest, ...document });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.config;
}

function ask(document: object, question: Partial<Question>): Promise<Explanation> {
  return explain(
    mustParse(document),
    { method: "GET", url: "http://web/", fields: [], from: "127.0.0.1", ...question },
    { runtime: createTestRuntime(), loadIdentity: () => identityOf("web") },
  );
}

const outbound = (service: string, port: number, more: object = {}): object => ({
  service,
  listen: `127.0.0.1:${port}`,
  protocol: "http",
  endpoints: [{ address: "10.0.0.1:20000" }],
  ...more,
});

describe("the outbound listener", () => {
  const document = { outbound: [outbound("web", 15001), outbound("web-v2", 15002), outbound("db", 15003)] };
  const found = async (question: Partial<Question>): Promise<string> => (await ask(document, question)).listener.path;

  test("is the one of the URL's host, by its service, a name of it or its address", async () => {
    expect(await found({ url: "http://web/" })).toBe("outbound[0]");
    expect(await found({ url: "http://WEB.service.consul:80/" })).toBe("outbound[0]");
    expect(await found({ url: "http://web-v2?x" })).toBe("outbound[1]");
    expect(await found({ url: "http://127.0.0.1:15003/" })).toBe("outbound[2]");
  });

  test("is the one that is named, whatever the host", async () => {
    expect(await found({ url: "http://shop.example/", listener: "db" })).toBe("outbound[2]");
    expect(await found({ url: "http://shop.example/", listener: "127.0.0.1:15002" })).toBe("outbound[1]");
  });

  test("is asked for where nobody, or several, are meant", async () => {
    const list = "outbound[0] web on 127.0.0.1:15001, outbound[1] web-v2 on 127.0.0.1:15002";
    await expect(found({ url: "http://shop.example/" })).rejects.toThrow(
      `no listener is meant by host "shop.example": there are ${list}`,
    );
    const twice = { outbound: [outbound("web", 15001), outbound("web", 15002)] };
    await expect(ask(twice, {})).rejects.toThrow('several listeners are meant by host "web"');
  });
});

test.each([
  [{ url: "web/" }, "the URL must be http://host/path"],
  [{ url: "http://web/#here" }, "without a fragment"],
  [{ from: "nowhere:x" }, "-from must be an address"],
  [{ fields: ["no colon"] }, "-H must be 'Name: value'"],
  [{ fields: ["a: b\r\nc: d"] }, "line ends"],
  [{ inbound: "web" }, "-inbound needs -as=<spiffe id>"],
  [{ inbound: "web", as: "web" }, "-as must be a SPIFFE id"],
  [{ inbound: "other", as: "web" }, 'no listener is meant by -inbound "other"'],
])("a question like %j is turned down with what to do", async (question, message) => {
  const inbound = [
    { service: "web", listen: "127.0.0.1:20000", app: "127.0.0.1:8080", intentions: { default: "deny" } },
  ];
  await expect(ask({ inbound, outbound: [outbound("web", 15001)] }, question)).rejects.toThrow(message);
});

describe("a TCP listener", () => {
  test("is explained by its connection: who may call, and where it goes", async () => {
    const intentions = { default: "deny", rules: [{ source: "spiffe://*/ns/default/dc/*/svc/api", action: "allow" }] };
    const inbound = [{ service: "db", listen: "127.0.0.1:20000", app: "127.0.0.1:5432", intentions }];
    const judged = async (service: string): Promise<unknown> => {
      const { outcome, intention } = await ask(
        { inbound },
        { url: "", inbound: "db", as: identityOf(service).spiffeUri },
      );
      return [outcome, intention?.rule];
    };
    expect(await judged("api")).toEqual(["forwarded", "rules[0] (spiffe://*/ns/default/dc/*/svc/api)"]);
    expect(await judged("web")).toEqual(["refused", "default"]);
    const endpoints = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"].map((address) => ({ address }));
    const balancer = { policy: "maglev", hashPolicies: [{ on: "source-ip" }] };
    const hashed = { outbound: [outbound("db", 15001, { protocol: "tcp", endpoints, balancer })] };
    const placeOf = async (from: string): Promise<string | undefined> =>
      (await ask(hashed, { url: "http://db/", from })).choices[0]?.to?.balancing?.endpoint;
    const clients = Array.from({ length: 20 }, (_, i) => `10.1.0.${i}`);
    const places = await Promise.all(clients.map(placeOf));
    expect(new Set(places)).toEqual(new Set(endpoints.map(({ address }) => address)));
    expect(await Promise.all(clients.map((client) => placeOf(`${client}:4711`)))).toEqual(places);
    const to = { outbound: [outbound("db", 15001, { protocol: "tcp", endpoints: [] })] };
    expect(await ask(to, { url: "http://db/" })).toMatchObject({
      outcome: "refused",
      choices: [{ to: { cluster: "db" } }],
    });
  });
});

describe("what is not the default", () => {
  test("is shown with its path, of the listener, the route and the clusters that take part, and of nobody else", async () => {
    const { settings } = await ask(
      {
        limits: { http2: { maxConcurrentStreams: 7 } },
        outbound: [
          outbound("web", 15001, {
            streamIdleTimeoutMs: 1_000,
            clusters: [
              { name: "v2", connectTimeoutMs: 77, balancer: { policy: "random" } },
              { name: "v3", connectTimeoutMs: 78 },
            ],
            routes: [
              { match: { methods: ["PUT"] }, forward: { targets: [{}], timeoutMs: 1 } },
              { forward: { targets: [{ cluster: "v2" }], retry: { attempts: 2 }, idleTimeoutMs: 0 } },
            ],
          }),
        ],
      },
      {},
    );
    expect(settings).toEqual([
      { path: "outbound[0].streamIdleTimeoutMs", value: 1_000 },
      { path: "outbound[0].clusters[0].connectTimeoutMs", value: 77 },
      { path: "outbound[0].clusters[0].balancer.policy", value: "random" },
      { path: "outbound[0].routes[1].forward.targets[0].cluster", value: "v2" },
      { path: "outbound[0].routes[1].forward.retry.attempts", value: 2 },
      { path: "outbound[0].routes[1].forward.idleTimeoutMs", value: 0 },
      { path: "limits.http2.maxConcurrentStreams", value: 7 },
    ]);
  });

  test("is also what is only switched on", async () => {
    const { settings } = await ask({ outbound: [outbound("web", 15001, { outlierDetection: {} })] }, {});
    expect(settings).toEqual([{ path: "outbound[0].outlierDetection", value: {} }]);
    const tuned = { outlierDetection: { consecutive5xx: 3 } };
    const { settings: more } = await ask({ outbound: [outbound("web", 15001, tuned)] }, {});
    expect(more).toEqual([{ path: "outbound[0].outlierDetection.consecutive5xx", value: 3 }]);
  });

  test("shows no secret, be it set by a route, sent by a client or in a URL", async () => {
    const set = [{ name: "Authorization", value: "Basic c2VjcmV0" }];
    const routes = [{ requestHeaders: { set }, redirect: undefined }];
    const explanation = await ask(
      { outbound: [outbound("web", 15001, { routes })] },
      { url: "http://web/?token=c2VjcmV0", fields: ["Cookie: a=c2VjcmV0", "Authorization: c2VjcmV0"] },
    );
    expect(JSON.stringify(explanation)).not.toContain("c2VjcmV0");
    expect(explanation.choices[0]?.to?.changes.map(({ name, value }) => `${name}: ${value}`)).toContain(
      "authorization: [masked]",
    );
  });
});

describe("a request that needs a token", async () => {
  const signing = await generateKeyPair("ES256");
  const keys = { keys: [{ ...(await exportJWK(signing.publicKey)), kid: "one", alg: "ES256" }] };
  const token = await new SignJWT({ role: "admin" })
    .setProtectedHeader({ alg: "ES256", kid: "one" })
    .setIssuer("https://okta")
    .setExpirationTime("1h")
    .sign(signing.privateKey);
  const judged = (jwks: object, fields: readonly string[]): Promise<Explanation> => {
    const intentions = { default: "allow", jwt: { providers: [{ name: "okta" }] } };
    const jwtProviders = [{ name: "okta", issuer: "https://okta", jwks }];
    const listener = { service: "web", listen: "127.0.0.1:20000", app: "127.0.0.1:8080", protocol: "http" };
    const inbound = [{ ...listener, intentions, jwtProviders }];
    return ask({ inbound }, { inbound: "web", as: identityOf("api").spiffeUri, fields });
  };
  const inline = { inline: JSON.stringify(keys) };

  test("is let through with one that its keys verify, and refused without", async () => {
    expect((await judged(inline, [`Authorization: Bearer ${token}`])).outcome).toBe("forwarded");
    expect(await judged(inline, [])).toMatchObject({
      outcome: "refused",
      reply: { status: 401, reason: "jwt_missing" },
      intention: { isAllowed: false, rule: "jwt", problem: "jwt_missing" },
    });
    expect(await judged(inline, ["Authorization: Bearer x.y.z"])).toMatchObject({
      outcome: "refused",
      reply: { status: 401, reason: "jwt_invalid" },
    });
  });

  test("is undecided where its keys would have to be fetched, and nothing is fetched", async () => {
    let isAsked = false;
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch() {
        isAsked = true;
        return Response.json(keys);
      },
    });
    const uri = `http://127.0.0.1:${server.port}/keys`;
    const remote = { remote: { uri, retries: 0 } };
    const { outcome, notes } = await judged(remote, [`Authorization: Bearer ${token}`]);
    await server.stop(true);
    expect(outcome).toBe("undecided");
    expect(notes.join()).toContain(uri);
    expect(isAsked).toBe(false);
    expect((await judged(remote, [])).outcome).toBe("refused");
  });
});

test("what an external authorizer would be asked about is undecided, and nobody is asked", async () => {
  const listener = { service: "web", listen: "127.0.0.1:20000", app: "127.0.0.1:8080", protocol: "http" };
  const asked = (action: "allow" | "deny", url: string, more: object = {}): Promise<Explanation> => {
    const bypass = [{ path: { type: "path-prefix", value: "/public" } }];
    const extAuthz = { grpc: { address: "127.0.0.1:9191" }, bypass, ...more };
    const inbound = [{ ...listener, intentions: { default: action }, extAuthz }];
    return ask({ inbound }, { url, inbound: "web", as: identityOf("api").spiffeUri });
  };
  const { outcome, notes } = await asked("allow", "http://web/");
  expect([outcome, notes]).toEqual([
    "undecided",
    ["the external authorizer was not asked: whether it allows the request is not known"],
  ]);
  for (const [explanation, expected] of [
    [await asked("deny", "http://web/"), "refused"],
    [await asked("allow", "http://web/public"), "forwarded"],
    [await asked("allow", "http://web/", { dryRun: true }), "forwarded"],
  ] as const) {
    expect([explanation.outcome, explanation.notes]).toEqual([expected, []]);
  }
});

test("an endpoint that is another service's is said to be", async () => {
  const endpoints = [{ address: "10.0.0.1:20000" }, { address: "10.0.0.2:20000", service: "spare", priority: 1 }];
  const { choices } = await ask({ outbound: [outbound("web", 15001, { endpoints })] }, {});
  expect(choices[0]?.to?.endpoints.map(({ service, isEligible }) => [service, isEligible])).toEqual([
    [undefined, true],
    ["spare", false],
  ]);
});
