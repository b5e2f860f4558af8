import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { grpcPolicyChecks, readProblems } from "./grpc-contract.ts";
import { grpcPeers } from "./grpc-peers.ts";
import { runProgram, type Server, startServer } from "./programs.ts";
import { type PairSettings, type ProxyPair, startProxyPair } from "./proxy-pair.ts";

/** What grpc-go and grpc-js, as client and as server, make of retries, times and refusals of two real proxies. */
const backoff = { baseMs: 1, maxMs: 5 };
const retryable = ["unavailable", "resource-exhausted", "cancelled"];
const fifth = { percent: 20, minConcurrent: 0, minPerSecond: 0 };

/** A client says by `x-route` which of these it is about. */
function route(name: string, forward: object): object {
  return { name, match: { headers: [{ name: "x-route", type: "exact", value: name }] }, forward };
}

const to = (cluster: string) => ({ targets: [{ cluster }] });
const plain = { name: "plain", match: { headers: [{ name: "x-route", type: "present", invert: true }] } };

const denied = { action: "deny", headers: [{ name: "x-route", type: "exact", value: "denied" }] };
const rule = { source: "spiffe://*/ns/default/dc/*/svc/web", permissions: [denied, { action: "allow" }] };

const settings: PairSettings = {
  inbound: { intentions: { default: "deny", rules: [rule] } },
  outbound: (mesh) => ({
    clusters: [
      { name: "gone", endpoints: [] },
      // Its budget counts nothing but the calls of one check.
      { name: "counted", service: "api", endpoints: [{ address: mesh }] },
    ],
    routes: [
      route("retry", { ...to("api"), retry: { attempts: 2, on: retryable, backoff } }),
      route("budget", { ...to("counted"), retry: { attempts: 1, on: retryable, backoff, budget: fifth } }),
      // A try that had its time may have been acted on: that a call may be made again is for the route to say.
      route("per-try", {
        ...to("api"),
        retry: { attempts: 1, on: ["reset"], methods: ["POST"], perTryTimeoutMs: 300, backoff },
      }),
      route("long", { ...to("api"), timeoutMs: 60_000 }),
      route("short", { ...to("api"), timeoutMs: 300 }),
      route("gone", to("gone")),
      route("denied", to("api")),
      { ...route("limited", to("api")), rateLimit: { requestsPerSecond: 0.001, burst: 1 } },
      plain,
    ],
    unmatched: "reply-404",
  }),
};

for (const server of grpcPeers) {
  describe.skipIf(server.program.isMissing)(`a gRPC server in ${server.name}${server.program.note}`, () => {
    let app: Server;
    let pair: ProxyPair;
    beforeAll(async () => {
      app = await startServer(server.serve);
      pair = await startProxyPair("grpc", app.port, settings);
    });
    afterAll(async () => {
      await pair.stop();
      await app.stop();
    });

    for (const client of grpcPeers) {
      describe.skipIf(client.program.isMissing)(`and a call in ${client.name}${client.program.note}`, () => {
        let problems: ReadonlyMap<string, string>;
        beforeAll(async () => {
          const { code, stdout, stderr } = await runProgram(client.checkPolicies(`127.0.0.1:${pair.listen}`), {
            timeoutMs: 120_000,
          });
          problems = readProblems(stdout);
          expect([code, stderr]).toEqual([0, ""]);
        }, 130_000);

        test.each([...grpcPolicyChecks])("%s", (check) => {
          expect(problems.get(check)).toBe("");
        });

        test("checks nothing else", () => {
          expect([...problems.keys()].sort()).toEqual([...grpcPolicyChecks].sort());
        });
      });
    }
  });
}
