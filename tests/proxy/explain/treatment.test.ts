import { expect, test } from "bun:test";
import { treatmentLines } from "../../../cli/treatment-text.ts";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { explain } from "../../../proxy/explain/explain.ts";
import type { Explanation, ShownDestination } from "../../../proxy/explain/explanation.ts";
import type { Question } from "../../../proxy/explain/question.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { identityOf } from "../memory-mesh.ts";

async function ask(question: Partial<Question>): Promise<Explanation> {
  const abort = { abort: { httpStatus: 503, percent: 100 } };
  const parsed = parseProxyConfig({
    identity: { certFile: "leaf.crt", keyFile: "leaf.key", caFile: "roots.crt" },
    inbound: [
      {
        service: "web",
        listen: "127.0.0.1:20000",
        app: "127.0.0.1:8080",
        protocol: "http",
        intentions: { default: "allow" },
        fault: abort,
      },
    ],
    outbound: [
      {
        service: "api",
        listen: "127.0.0.1:15001",
        protocol: "http",
        endpoints: [{ address: "10.0.0.1:20000" }],
        clusters: [{ name: "next" }],
        fault: {
          ...abort,
          delay: { fixedDelayMs: 20, percent: 0.5 },
          headers: [{ name: "x-tester", type: "present" }],
          ttlMs: 60_000,
        },
        hedge: { delayMs: 50, methods: ["GET"] },
        routes: [
          { match: { methods: ["PUT"] }, forward: { targets: [{}], fault: {}, mirrors: [{ cluster: "next" }] } },
        ],
      },
    ],
    admin: { listen: "127.0.0.1:19000" },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return explain(
    parsed.config,
    { method: "GET", url: "http://api/", fields: [], from: "127.0.0.1", ...question },
    { runtime: createTestRuntime(), loadIdentity: () => identityOf("web") },
  );
}

const linesOf = ({ choices }: Explanation): readonly string[] => {
  const to: Partial<ShownDestination> = choices[0]?.to ?? {};
  return treatmentLines(to);
};

test("faults, copies and hedges are shown as the listener or the route has them, and none is drawn", async () => {
  const plain = await ask({});
  expect(plain.outcome).toBe("forwarded");
  expect(linesOf(plain)).toEqual([
    "fault: 0.5 % held up 20 ms, 100 % answered with 503; only with x-tester; for 60000 ms",
    "hedge: after 50 ms, 2 attempts; of GET",
  ]);
  expect(linesOf(await ask({ method: "PUT" }))).toEqual([
    "hedge: after 50 ms, 2 attempts; of GET",
    "copy: 100 % to cluster next, for 15000 ms",
  ]);
  const called = await ask({ inbound: "web", as: identityOf("api").spiffeUri, url: "http://web/" });
  expect([called.outcome, linesOf(called)]).toEqual(["forwarded", ["fault: 100 % answered with 503"]]);
});
