import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../fakes/eventually.ts";
import { findProgram, runProgram, type Server, startServer } from "./programs.ts";
import { type ProxyPair, startProxyPair } from "./proxy-pair.ts";

/** Authorizers in processes of their own, @grpc/grpc-js and Node.js's http, asked by a real proxy about what another one sends. */
const node = findProgram("node");
const script = join(import.meta.dir, "ext-authz-peer.mjs");
const exact = (...values: readonly string[]) => values.map((value) => ({ type: "exact", value }));

const kinds = {
  grpc: (address: string) => ({ grpc: { address } }),
  http: (address: string) => ({
    http: {
      address,
      pathPrefix: "/check",
      allowedUpstreamHeaders: exact("x-user", "content-length", "x-forwarded-client-cert"),
      allowedUpstreamHeadersToAppend: exact("x-tag"),
      allowedClientHeaders: exact("x-none"),
      allowedClientHeadersOnSuccess: exact("set-cookie"),
    },
    allowedHeaders: exact("x-authz", "x-forwarded-client-cert", "host"),
  }),
} as const;

interface AppSaw {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

function fieldsOf({ rawHeaders }: AppSaw, name: string): string[] {
  return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name);
}

describe.skipIf(node.isMissing).each(Object.keys(kinds) as (keyof typeof kinds)[])(
  `an authorizer over %s${node.note}`,
  (kind) => {
    const servers: Server[] = [];
    const pairs: ProxyPair[] = [];
    /** One that waits for its authorizer, one that does not, one that does without. */
    let patient: ProxyPair;
    let hasty: ProxyPair;
    let open: ProxyPair;
    let authorizer: Server;

    const serve = async (mode: string): Promise<Server> => {
      const server = await startServer([node.path, script, mode]);
      servers.push(server);
      return server;
    };

    beforeAll(async () => {
      const [app, authz] = await Promise.all([serve("app"), serve(kind)]);
      authorizer = authz;
      const config = kinds[kind](`127.0.0.1:${authorizer.port}`);
      const pairOf = (more: object) =>
        startProxyPair("http", app.port, { inbound: { extAuthz: { ...config, ...more } } });
      pairs.push(
        ...(await Promise.all([
          pairOf({
            timeoutMs: 30_000,
            includePeerCertificate: true,
            bypass: [{ path: { type: "exact", value: "/health" } }],
          }),
          pairOf({ timeoutMs: 100, statusOnError: 504 }),
          pairOf({ timeoutMs: 100, failureModeAllow: true }),
        ])),
      );
      const [first, second, third] = pairs;
      if (first === undefined || second === undefined || third === undefined)
        throw new Error("three pairs were started");
      [patient, hasty, open] = [first, second, third];
    }, 60_000);

    afterAll(async () => {
      for (const pair of pairs) await pair.stop();
      for (const server of servers) await server.stop();
    });

    const ask = (pair: ProxyPair, behaviour: string, path = "/a/b?token=1&c=2", init: RequestInit = {}) =>
      fetch(`http://127.0.0.1:${pair.listen}${path}`, {
        redirect: "manual",
        ...init,
        headers: { "x-authz": behaviour, "x-secret": "s", "x-user": "forged", "x-tag": "a", "x-claim": "é" },
      });
    const statsOf = async (): Promise<{ calls: number; cancelled: number }> =>
      JSON.parse(await (await ask(patient, "stats")).text());
    const checks = async (pair: ProxyPair, result: string): Promise<number> => {
      const { inbound } = await pair.metrics();
      const line = inbound
        .split("\n")
        .find((one) => one.startsWith("atoll_proxy_ext_authz_checks_total") && one.includes(`"${result}"`));
      return Number(line?.split(" ").at(-1));
    };

    test("lets requests through, with their bodies, as it changes them and no further", async () => {
      const body = "b".repeat(300_000);
      const response = await ask(patient, "allow", "/a/b?token=1&c=2", { method: "POST", body });
      expect([response.status, response.headers.getSetCookie()]).toEqual([200, ["seen=1", "twice=2"]]);
      const saw: AppSaw = JSON.parse(await response.text());
      expect([saw.method, saw.body === body]).toEqual(["POST", true]);
      expect(saw.url).toBe(kind === "grpc" ? "/a/b?c=2&user=a%26b" : "/a/b?token=1&c=2");
      const [user = ""] = fieldsOf(saw, "x-user");
      expect([fieldsOf(saw, "x-user").length, user]).toEqual([
        1,
        kind === "http" ? "alice" : expect.stringMatching(/^spiffe:\/\/.*\/svc\/web$/),
      ]);
      expect(fieldsOf(saw, "x-tag")).toEqual(["a", "b"]);
      expect(fieldsOf(saw, "x-secret")).toEqual([]);
      expect(fieldsOf(saw, "x-internal")).toEqual([]);
      expect(fieldsOf(saw, "host")).toEqual([`127.0.0.1:${patient.listen}`]);
      expect(fieldsOf(saw, "x-forwarded-client-cert")).toEqual([expect.stringContaining("/svc/web")]);
    });

    test("is told what will be forwarded, and who calls, and denies with its own status, fields and text", async () => {
      const response = await ask(patient, "deny");
      const { headers } = response;
      expect([response.status, headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
      expect([headers.get("content-type"), headers.get("x-internal")]).toEqual(["application/json", null]);
      const told = JSON.parse(await response.text());
      const { method, path, headers: fields } = kind === "grpc" ? told.http : told;
      expect([method, path]).toEqual(["GET", `${kind === "grpc" ? "" : "/check"}/a/b?token=1&c=2`]);
      expect(fields["x-forwarded-client-cert"]).toContain("/svc/web");
      // By HTTP what is allowed, by gRPC everything.
      expect(fields["x-secret"]).toBe(kind === "grpc" ? "s" : undefined);
      if (kind === "http") return;
      const pem = decodeURIComponent(told.source.certificate).trim();
      expect(readFileSync(patient.files.certFile, "utf8")).toContain(pem);
      expect(pem).toStartWith("-----BEGIN CERTIFICATE-----");
      expect(told.source.principal).toMatch(/^spiffe:\/\/.*\/svc\/web$/);
      expect(told.destination.principal).toMatch(/^spiffe:\/\/.*\/svc\/api$/);
      expect(told.destination.address.socketAddress).toMatchObject({ address: "127.0.0.1", portValue: patient.mesh });
      expect(told.source.address.socketAddress.address).toBe("127.0.0.1");
      expect(told.http).toMatchObject({
        host: `127.0.0.1:${patient.listen}`,
        scheme: "http",
        protocol: "HTTP/2",
        size: -1,
      });
      expect(Math.abs(told.request.time.seconds * 1_000 - Date.now())).toBeLessThan(60_000);
    });

    test.skipIf(kind === "http")("denies a gRPC call with its own status of gRPC", async () => {
      const response = await fetch(`http://127.0.0.1:${patient.listen}/pkg.Service/Call`, {
        method: "POST",
        headers: { "content-type": "application/grpc", "x-authz": "bare" },
      });
      expect([response.status, response.headers.get("grpc-status")]).toEqual([200, "7"]);
    });

    test("is not asked about what it need not be", async () => {
      const before = await statsOf();
      expect((await ask(patient, "deny", "/health?x")).status).toBe(200);
      expect((await ask(patient, "deny", "/health/x")).status).toBe(401);
      expect((await statsOf()).calls - before.calls).toBe(1);
    });

    test.each(kind === "grpc" ? ["garbage", "action", "split", "error"] : ["garbage", "error"])(
      "that answers with %s has not allowed anything",
      async (behaviour) => {
        const response = await ask(patient, behaviour);
        expect([response.status, await response.text()]).toEqual([403, "external authorization failed\n"]);
        expect((await ask(patient, "allow")).status).toBe(200);
      },
    );

    test("that is late has not allowed anything, unless its silence does", async () => {
      expect((await ask(hasty, "slow")).status).toBe(504);
      expect((await ask(open, "slow")).status).toBe(200);
      expect([await checks(hasty, "timeout"), await checks(open, "timeout")]).toEqual([1, 1]);
      await eventually("both checks to be cancelled", async () => (await statsOf()).cancelled === 2);
    });

    test("is not asked any more when the client has gone", async () => {
      const before = await statsOf();
      const leaving = Array.from({ length: 20 }, () => new AbortController());
      const asked = leaving.map(({ signal }) => ask(patient, "slow", "/", { signal }).catch(() => undefined));
      await eventually("all checks to have come", async () => (await statsOf()).calls === before.calls + 20);
      for (const one of leaving) one.abort();
      await Promise.all(asked);
      await eventually("all checks to be over", async () => (await checks(patient, "cancelled")) === 20);
      await eventually("the authorizer to know", async () => (await statsOf()).cancelled === before.cancelled + 20);
    });

    test("is asked about 1,000 requests at once", async () => {
      const { stdout, stderr } = await runProgram([node.path, script, "load", `${patient.listen}`, "1000"], {
        timeoutMs: 60_000,
      });
      expect([stdout.trim(), stderr]).toEqual(['{"200":1000}', ""]);
    }, 70_000);

    test("that is gone has not allowed anything, unless its silence does", async () => {
      await authorizer.stop();
      expect([(await ask(patient, "allow")).status, (await ask(hasty, "allow")).status]).toEqual([403, 504]);
      expect((await ask(open, "allow")).status).toBe(200);
    });
  },
);
