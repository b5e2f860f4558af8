import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commands } from "../../cli/commands.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { createFakeIo } from "./fake-io.ts";

const directory = mkdtempSync(join(tmpdir(), "atoll-explain-"));
afterAll(() => rmSync(directory, { recursive: true }));

function fileWith(document: object): string {
  const path = join(directory, "proxy.json");
  writeFileSync(path, JSON.stringify(document));
  return path;
}

const document = {
  identity: { certFile: "/nowhere/leaf.crt", keyFile: "/nowhere/leaf.key", caFile: "/nowhere/roots.crt" },
  outbound: [
    {
      service: "web",
      listen: "127.0.0.1:15001",
      protocol: "http",
      endpoints: [
        { address: "10.0.0.1:20000", tags: { version: "1" } },
        { address: "10.0.0.2:20000", tags: { version: "2" } },
      ],
      routes: [
        { name: "old", match: { path: { type: "exact", value: "/old" } }, redirect: { path: "/new" } },
        {
          name: "canary",
          match: { headers: [{ name: "x-canary", type: "present" }] },
          rewrite: { path: "/c" },
          forward: { targets: [{ subset: { version: "2" } }], timeoutMs: 500, retry: { attempts: 1 } },
        },
        {
          name: "lost",
          match: { path: { type: "exact", value: "/lost" } },
          forward: { targets: [{ subset: { x: "y" } }] },
        },
      ],
    },
  ],
  admin: { listen: "127.0.0.1:19000" },
};

async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const io = createFakeIo();
  const code = await dispatch(["proxy", "explain", `-config=${fileWith(document)}`, ...args], commands, io);
  return { code, out: io.out(), err: io.err() };
}

describe("atoll proxy explain", () => {
  test("tells the whole way of a request", async () => {
    const { code, out, err } = await run("GET", "http://web/a/../b", "-H", "X-Canary: 1");
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(out).toBe(`outbound web (outbound[0]), http on 127.0.0.1:15001

request
  GET http://web/b
  - :path: /a/../b
  + :path: /b

route
  canary (outbound[0].routes[1]), 2 of 3
  matches header x-canary present

forwarded

to
  cluster web, subset version=2
  - :path: /b
  + :path: /c
  timeouts: request 500 ms, idle 300000 ms, connect 5000 ms
  retries: 1 on gateway-error, connect-failure, refused-stream, reset, unavailable; of GET, HEAD, PUT, DELETE, OPTIONS, TRACE
    per try none, pauses up to 25 ms to 250 ms
    budget 20 %, at least 3 under way and 10 per second
  limits: 65536 connections of clients, 65536 to each endpoint
  balancer: least-request
  endpoints: 1 of 2 eligible
    + 10.0.0.2:20000  weight 1  priority 0  zone -  version=2
    - 10.0.0.1:20000  weight 1  priority 0  zone -  version=1  not in the subset

not default
  outbound[0].routes[1].rewrite.path = "/c"
  outbound[0].routes[1].forward.targets[0].cluster = "web"
  outbound[0].routes[1].forward.targets[0].subset = {"version":"2"}
  outbound[0].routes[1].forward.timeoutMs = 500
  outbound[0].routes[1].forward.retry.attempts = 1

note
  no proxy could start with this identity: identity.certFile: cannot read /nowhere/leaf.crt: ENOENT: no such file or directory, open '/nowhere/leaf.crt'

note
  endpoints are shown as they are when all of them are well: what a running proxy has seen of them is not known here
`);
  });

  test.each([
    ["http://web/", 0, "forwarded"],
    ["http://web/lost", 2, "503 no healthy upstream (no_healthy_upstream)"],
    ["http://web/%zz", 2, "400 bad escape (bad_escape)"],
    ["http://web/old", 3, "location: http://web/new"],
    ["http://other/", 1, ""],
  ])("of %s exits with %d", async (url, expected, text) => {
    const { code, out } = await run("GET", url);
    expect(code).toBe(expected);
    expect(out).toContain(text);
  });

  test("prints the same as JSON", async () => {
    const { out } = await run("-json", "GET", "http://web/", "-H", "X-Canary: 1");
    const told: unknown = JSON.parse(out);
    expect(told).toMatchObject({
      outcome: "forwarded",
      route: { index: 1, name: "canary", path: "outbound[0].routes[1]" },
      choices: [{ share: 1, to: { cluster: "web", subset: { version: "2" }, timeouts: { request: 500 } } }],
    });
  });

  test("prints errors of the file as the proxy does", async () => {
    const path = fileWith({ ...document, outbound: [{ service: "web", listen: "nowhere" }] });
    const tell = async (...args: readonly string[]): Promise<{ code: number; err: string }> => {
      const io = createFakeIo();
      return { code: await dispatch(["proxy", ...args], commands, io), err: io.err() };
    };
    const explained = await tell("explain", `-config=${path}`, "GET", "http://web/");
    expect(explained).toEqual(await tell(`-config=${path}`));
    expect(explained.err).toContain("outbound[0].listen");
  });

  test("needs a file, and a method and a URL", async () => {
    expect((await run("GET")).err).toContain("give a method and a URL");
    const io = createFakeIo();
    expect(await dispatch(["proxy", "explain", "GET", "http://web/"], commands, io)).toBe(1);
    expect(io.err()).toBe("error: give -config=<file>\n");
  });

  test("has a help of its own", async () => {
    const io = createFakeIo();
    expect(await dispatch(["proxy", "explain", "--help"], commands, io)).toBe(0);
    expect(io.out()).toStartWith("Usage: atoll proxy explain -config=<file> [options] <method> <url>\n");
    expect(io.out()).toContain("Exits with 0");
  });
});
