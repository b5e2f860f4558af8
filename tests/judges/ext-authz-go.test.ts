import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { findProgram, goJudge, type Server, startServer } from "./programs.ts";
import { type ProxyPair, startProxyPair } from "./proxy-pair.ts";

/** An authorizer in grpc-go that reads and writes Envoy's own types, and refuses whatever they do not have. */
const go = await goJudge();
const node = findProgram("node");
const isMissing = go.isMissing || node.isMissing;

describe.skipIf(isMissing)(`an authorizer with Envoy's own types in Go${go.note}${node.note}`, () => {
  const servers: Server[] = [];
  const pairs: ProxyPair[] = [];
  let plain: ProxyPair;
  let raw: ProxyPair;

  beforeAll(async () => {
    const app = await startServer([node.path, join(import.meta.dir, "ext-authz-peer.mjs"), "app"]);
    const authorizer = await startServer([go.path, "ext-authz"]);
    servers.push(app, authorizer);
    const pairOf = (more: object) => {
      const grpc = { address: `127.0.0.1:${authorizer.port}` };
      const extAuthz = {
        grpc,
        timeoutMs: 20_000,
        contextExtensions: { team: "a" },
        includePeerCertificate: true,
        ...more,
      };
      return startProxyPair("http", app.port, { inbound: { extAuthz } });
    };
    plain = await pairOf({});
    raw = await pairOf({ encodeRawHeaders: true });
    pairs.push(plain, raw);
  }, 60_000);

  afterAll(async () => {
    for (const pair of pairs) await pair.stop();
    for (const server of servers) await server.stop();
  });

  const ask = (pair: ProxyPair, behaviour: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${pair.listen}/a%2Fb?token=1&c=2`, {
      ...init,
      headers: { "x-authz": behaviour, "x-secret": "s", "x-user": "forged", "x-tag": "a", "x-bytes": "caf\xe9" },
    });

  test("changes what it lets through as Envoy's messages say", async () => {
    for (const pair of pairs) {
      const response = await ask(pair, "allow");
      expect([response.status, response.headers.getSetCookie()]).toEqual([200, ["seen=1"]]);
      const { url, rawHeaders }: { url: string; rawHeaders: string[] } = JSON.parse(await response.text());
      const values = (name: string) => rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1] === name);
      expect(url).toBe("/a%2Fb?c=2&user=a%26b");
      expect(["x-user", "x-tag", "x-none", "x-raw", "x-secret", "host"].map(values)).toEqual([
        ["alice"],
        ["a", "b"],
        [],
        ["caf\xe9"],
        [],
        [`127.0.0.1:${pair.listen}`],
      ]);
    }
  });

  test("is told what Envoy would tell, by either form of fields, and its denial is the client's", async () => {
    for (const pair of pairs) {
      const response = await ask(pair, "deny", { method: "POST", body: "abc" });
      expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
      const { attributes } = JSON.parse(await response.text());
      const { http, time } = attributes.request;
      expect(http).toMatchObject({
        method: "POST",
        path: "/a%2Fb?token=1&c=2",
        scheme: "http",
        protocol: "HTTP/2",
        size: "3",
      });
      expect(http.host).toBe(`127.0.0.1:${pair.listen}`);
      expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000);
      expect(attributes.source.principal).toMatch(/^spiffe:\/\/.*\/svc\/web$/);
      expect(decodeURIComponent(attributes.source.certificate)).toStartWith("-----BEGIN CERTIFICATE-----");
      expect(attributes.destination).toMatchObject({
        address: { socketAddress: { address: "127.0.0.1", portValue: pair.mesh } },
        principal: expect.stringMatching(/\/svc\/api$/),
      });
      expect(attributes.contextExtensions).toEqual({ team: "a" });
      if (pair === plain)
        expect(http.headers).toMatchObject({ ":path": http.path, "x-secret": "s", "x-bytes": "caf!" });
      else {
        const value = Buffer.from("caf\xe9", "latin1").toString("base64");
        expect(http.headerMap.headers).toContainEqual({ key: "x-bytes", rawValue: value });
      }
    }
  });

  test("says that it failed, and how the client is told", async () => {
    const response = await ask(plain, "fail");
    expect([response.status, response.headers.get("retry-after"), await response.text()]).toEqual([503, "7", "later"]);
    const { inbound } = await plain.metrics();
    expect(inbound).toMatch(/atoll_proxy_ext_authz_checks_total\{.*result="error"\} 1\n/);
    expect(inbound).toMatch(/atoll_proxy_requests_refused_total\{.*reason="ext_authz_error"\} 1\n/);
  });
});
