import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../fakes/certificates.ts";
import { testSeed } from "../proxy/http2/test-seed.ts";
import { startProxy } from "../proxy/transport/bun-mesh.ts";
import { EchoApp } from "./echo-app.ts";
import { http1Caller, http2Caller } from "./mesh-callers.ts";
import { attackWith } from "./path-attack.ts";
import { type RuleKind, ruleKinds } from "./rule-kinds.ts";

/**
 * The corpus of forbidden paths against limits of rate: when a limit is used up, no spelling of what it limits may get through, however
 * an application reads it; nor may anything else pass for what is excepted from a limit.
 */
const seed = testSeed();
/** One request, and hours until the next. */
const once = { requestsPerSecond: 0.0001, burst: 1 };
const directory = mkdtempSync(join(tmpdir(), "atoll-limit-confusion-"));
const authority = new TestAuthority();
const web = authority.leaf("web");
const files = writeLeaf(authority.leaf("api"), directory);
let app: EchoApp;

beforeAll(async () => {
  app = await EchoApp.start();
});

afterAll(() => {
  app.stop();
  rmSync(directory, { recursive: true });
});

/** What intentions would deny is limited; what they would allow alone is the exception. */
function limitOf({ action, conditions }: RuleKind): object {
  return action === "deny"
    ? { rules: [{ ...conditions, ...once }] }
    : { ...once, rules: [{ ...conditions, requestsPerSecond: 0 }] };
}

function startListener(kind: RuleKind) {
  const listener = { service: "api", listen: "127.0.0.1:0", app: `127.0.0.1:${app.port}`, protocol: "http" };
  const { proxy, stop } = startProxy({
    identity: files,
    inbound: [{ ...listener, intentions: { default: "allow" }, rateLimit: limitOf(kind) }],
    admin: { listen: "127.0.0.1:0" },
    limits: { connections: { maxPerSource: 100_000 } },
  });
  return { port: proxy.portOf("127.0.0.1:0") ?? 0, stop };
}

const callers = { "HTTP/1.1": http1Caller, "HTTP/2": http2Caller } as const;
type ProtocolName = keyof typeof callers;

describe.each(Object.keys(callers) as ProtocolName[])(
  `over %s no spelling gets past (ATOLL_TEST_SEED=${seed})`,
  (protocol) => {
    for (const kind of ruleKinds) {
      test(`a limit for what "${kind.name}" is about, and what is harmless does`, async () => {
        const { port, stop } = startListener(kind);
        const caller = callers[protocol]({ port, leaf: web });
        try {
          const [{ method, fields } = { method: "GET", fields: [] }] = kind.variants;
          const first = await caller.ask({ method, target: "/admin", fields });
          expect(first.status).toBe(200);
          const { bypasses } = await attackWith({ app, seed, kind, caller });
          expect(bypasses.slice(0, 10)).toEqual([]);
          for (const target of kind.harmless) {
            const answer = await caller.ask({ method: "GET", target, fields: [] });
            expect(`${answer.status} for ${target}`).toBe(`200 for ${target}`);
          }
        } finally {
          caller.close();
          stop();
        }
      }, 60_000);
    }
  },
);
