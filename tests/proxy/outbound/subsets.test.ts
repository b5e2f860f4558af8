import { describe, expect, test } from "bun:test";
import { BalanceMesh, type BalanceMeshOptions } from "./balance-mesh.ts";

/** Two endpoints of each version. */
const endpoints = [1, 2, 1, 2].map((version) => ({ tags: { version: `${version}`, tier: "web" } }));
const exact = (value: string): object => ({ path: { type: "exact", value } });
const version = (value: string, more: object = {}): object => ({
  match: exact(`/v${value}`),
  forward: { targets: [{ subset: { version: value }, ...more }] },
});
const get = (path: string, fields = ""): string => `GET ${path} HTTP/1.1\r\nHost: api\r\n${fields}\r\n`;

function createMesh(routes: readonly object[], more: Partial<BalanceMeshOptions> = {}): BalanceMesh {
  return new BalanceMesh({ endpoints, outbound: { routes }, ...more });
}

/** Who answers `times` requests: the instances by number, or the status of who is refused. */
function answers(mesh: BalanceMesh, head: string, times = 40): Set<number> {
  const client = mesh.client();
  return new Set(
    Array.from({ length: times }, () => {
      const { instance, status } = mesh.ask(client, head);
      return instance < 0 ? status : instance;
    }),
  );
}

describe("a target with a subset", () => {
  test("gets those endpoints that have all of its tags, and nobody else's requests", () => {
    const mesh = createMesh([
      version("1"),
      version("2"),
      { match: exact("/both"), forward: { targets: [{ subset: { tier: "web", version: "2" } }] } },
      { match: exact("/all"), forward: { targets: [{ subset: {} }] } },
    ]);
    expect(answers(mesh, get("/v1"))).toEqual(new Set([0, 2]));
    expect(answers(mesh, get("/v2"))).toEqual(new Set([1, 3]));
    expect(answers(mesh, get("/both"))).toEqual(new Set([1, 3]));
    expect(answers(mesh, get("/all"))).toEqual(new Set([0, 1, 2, 3]));
    expect(answers(mesh, get("/unmatched"))).toEqual(new Set([0, 1, 2, 3]));
  });

  test("has its share beside others of the same cluster", () => {
    const targets = [
      { weight: 90, subset: { version: "1" } },
      { weight: 10, subset: { version: "2" } },
    ];
    const counts = createMesh([{ forward: { targets } }]).count(400);
    const second = (counts[1] ?? 0) + (counts[3] ?? 0);
    expect(second).toBeGreaterThan(15);
    expect(second).toBeLessThan(80);
  });

  test("is refused when nobody has its tags, unless any endpoint will do", () => {
    expect(answers(createMesh([version("3")]), get("/v3"), 3)).toEqual(new Set([503]));
    const any = { subsetFallback: "any-endpoint" };
    const mesh = createMesh([version("3", any), version("2", any)]);
    expect(answers(mesh, get("/v3"))).toEqual(new Set([0, 1, 2, 3]));
    expect(answers(mesh, get("/v2"))).toEqual(new Set([1, 3]));
  });

  test("follows its endpoints", () => {
    const mesh = createMesh([version("2")]);
    mesh.update(1);
    expect(answers(mesh, get("/v2"), 3)).toEqual(new Set([503]));
    mesh.update(2);
    expect(answers(mesh, get("/v2"))).toEqual(new Set([1]));
    mesh.update(4);
    expect(answers(mesh, get("/v2"))).toEqual(new Set([1, 3]));
  });

  test.each(["ring-hash", "maglev"])("keeps each key at one of its endpoints with %s", (policy) => {
    const balancer = { policy, hashPolicies: [{ on: "header", name: "x-user" }] };
    const mesh = createMesh([version("1"), version("2")], { balancer });
    const places = new Set<number>();
    for (let user = 0; user < 20; user++) {
      const place = [...answers(mesh, get("/v2", `x-user: ${user}\r\n`), 3)];
      expect(place).toHaveLength(1);
      places.add(place[0] ?? -1);
    }
    expect(places).toEqual(new Set([1, 3]));
  });

  test("has requests tried again on another of its endpoints, and then on the same", async () => {
    const mesh = createMesh([version("2")], {
      balancer: { policy: "round-robin" },
      outbound: { routes: [version("2")], retry: { attempts: 3, backoff: { baseMs: 1, maxMs: 1 } } },
    });
    const asked: number[] = [];
    mesh.answer = (i) => {
      asked.push(i);
      return "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
    };
    const client = mesh.client();
    client.send(get("/v2"));
    mesh.network.settle();
    for (let i = 0; i < 20; i++) await mesh.pass(10);
    expect(client.take()).toStartWith("HTTP/1.1 503");
    expect(asked).toHaveLength(4);
    expect(new Set(asked.slice(0, 2))).toEqual(new Set([1, 3]));
    expect(new Set(asked)).toEqual(new Set([1, 3]));
  });

  test("has requests wait for room at its own endpoints only", () => {
    const one = {
      name: "one-each",
      service: "api",
      endpoints: [1, 2].map((each) => ({ address: `127.0.0.1:${19_999 + each}`, tags: { version: `${each}` } })),
      maxConnections: 1,
    };
    const routes = ["1", "2"].map((each) => version(each, { cluster: one.name }));
    const mesh = createMesh(routes, {
      outbound: { routes, clusters: [one] },
      limits: { http2: { maxConcurrentStreams: 1 } },
    });
    mesh.answer = () => undefined;
    const clients = ["/v1", "/v1", "/v2"].map((path) => {
      const client = mesh.client();
      client.send(get(path));
      mesh.network.settle();
      return client;
    });
    const served = (): string[] => clients.map(({ received }) => /instance: (\d)/i.exec(received)?.[1] ?? "");
    // The second of version 1 waits; that version 2 has room again is nothing to it.
    expect(mesh.answerNow(1)).toEqual([1]);
    expect(served()).toEqual(["", "", "1"]);
    expect(mesh.answerNow()).toEqual([0]);
    expect(served()).toEqual(["0", "", "1"]);
    expect(mesh.answerNow()).toEqual([0]);
    expect(served()).toEqual(["0", "0", "1"]);
  });
});
