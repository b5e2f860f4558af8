import { describe, expect, test } from "bun:test";
import { BalanceMesh, type BalanceMeshOptions, ok } from "./balance-mesh.ts";

function meshWith(outbound: object, more: Partial<BalanceMeshOptions> = {}): BalanceMesh {
  const mesh = new BalanceMesh({ balancer: { policy: "round-robin" }, endpoints: [{}, {}], outbound, ...more });
  mesh.answer = () => undefined;
  return mesh;
}

const chunkedWithTrailers = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nX-Sum: 1\r\n\r\n";

/** Requests that are left without an answer; what each has seen. */
function askAll(mesh: BalanceMesh, count: number): number[] {
  return Array.from({ length: count }, () => mesh.ask().status);
}

describe("requests of a cluster under way", () => {
  test("are as many as they may be, whatever endpoint they go to, and the next is 503 at once", () => {
    const mesh = meshWith({ maxRequests: 3 });
    expect(askAll(mesh, 5)).toEqual([0, 0, 0, 503, 503]);
    expect(new Set(mesh.allWaiting).size).toBe(2);
    expect(mesh.metrics("atoll_proxy_cluster_overflow_total")).toEqual([
      'atoll_proxy_cluster_overflow_total{limit="requests"} 2',
      'atoll_proxy_cluster_overflow_total{limit="pending"} 0',
    ]);
    mesh.answerNow();
    expect(askAll(mesh, 4)).toEqual([0, 0, 0, 503]);
  });

  test("are counted until their answer has been read, or they are given up or lost", () => {
    const mesh = meshWith({ maxRequests: 1 });
    const answers = [ok, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", "reset", chunkedWithTrailers];
    for (const answer of answers) {
      mesh.answer = () => answer;
      expect(mesh.ask().status).toBe(answer === "reset" ? 503 : 200);
    }
    expect(mesh.metrics('atoll_proxy_cluster_overflow_total{limit="requests"')[0]).toEndWith(" 0");
    mesh.answer = () => undefined;
    const client = mesh.client();
    expect([mesh.ask(client).status, mesh.ask().status]).toEqual([0, 503]);
    client.connection.destroy();
    mesh.network.settle();
    expect([mesh.ask().status, mesh.ask().status]).toEqual([0, 503]);
  });

  test("are not limited unless that is asked for", () => {
    const mesh = meshWith({});
    expect(askAll(mesh, 1_500).filter((status) => status !== 0)).toEqual([]);
    expect(mesh.metrics("atoll_proxy_cluster_overflow_total")).toEqual([]);
  });

  test("find room again when the limit is raised or lifted", () => {
    const mesh = meshWith({ maxRequests: 1 });
    expect(askAll(mesh, 2)).toEqual([0, 503]);
    mesh.update(2, { maxRequests: 2 });
    expect(askAll(mesh, 2)).toEqual([0, 503]);
    mesh.update(2, { maxRequests: 0 });
    expect(askAll(mesh, 2)).toEqual([0, 0]);
    mesh.answerNow();
    mesh.update(2, { maxRequests: 1 });
    expect(askAll(mesh, 2)).toEqual([0, 503]);
  });

  test("count each try, and a hash still chooses", async () => {
    const mesh = meshWith({
      maxRequests: 1,
      retry: { attempts: 2, on: ["5xx"], backoff: { baseMs: 1, maxMs: 1 } },
      balancer: { policy: "ring-hash", hashPolicies: [{ on: "header", name: "x-user" }] },
    });
    let answers = 0;
    mesh.answer = () => (++answers < 3 ? "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" : ok);
    const client = mesh.client();
    client.send("GET / HTTP/1.1\r\nHost: api\r\nX-User: a\r\n\r\n");
    for (let k = 0; k < 5; k++) await mesh.pass(10);
    expect(client.take().slice(9, 12)).toBe("200");
    expect(answers).toBe(3);
    const ask = () => mesh.ask(mesh.client(), "GET / HTTP/1.1\r\nHost: api\r\nX-User: a\r\n\r\n");
    const instances = Array.from({ length: 10 }, () => ask().instance);
    expect(new Set(instances).size).toBe(1);
  });
});
