import { describe, expect, test } from "bun:test";
import { explain } from "../../../proxy/explain/explain.ts";
import type { Explanation, FieldChange } from "../../../proxy/explain/explanation.ts";
import type { Question } from "../../../proxy/explain/question.ts";
import { type Answer, EchoMesh } from "../../conformance/echo-mesh.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { identityOf, MemoryMesh } from "../memory-mesh.ts";

/** Every request of a table, to every listener of a table: what is explained is what a proxy then does. */
const options = { runtime: createTestRuntime(), loadIdentity: () => identityOf("client") };

const exact = (value: string): object => ({ path: { type: "exact", value } });
const prefix = (value: string): object => ({ path: { type: "path-prefix", value } });
const to = (...targets: readonly object[]): object => ({ targets });
const tagged = [
  { address: "127.0.0.1:20000", tags: { version: "1" } },
  { address: "127.0.0.1:20001", tags: { version: "2" }, zone: "b" },
];

const listeners: Readonly<Record<string, object>> = {
  "without routes": {},
  "that splits": {
    routes: [
      {
        forward: to(
          { cluster: "echo-v1", weight: 50 },
          { cluster: "echo-v2", weight: 50 },
          { cluster: "gone", weight: 0 },
        ),
      },
    ],
    clusters: [
      { name: "echo-v1", endpoints: tagged.slice(0, 1) },
      { name: "echo-v2", endpoints: tagged.slice(1) },
      { name: "gone" },
    ],
  },
  "with subsets": {
    endpoints: tagged,
    routes: [
      { match: prefix("/a"), forward: to({ subset: { version: "2" } }) },
      { match: prefix("/b"), forward: to({ subset: { version: "3" } }) },
      { forward: to({ subset: { version: "3" }, subsetFallback: "any-endpoint" }) },
    ],
  },
  "with a second priority": { endpoints: [tagged[0], { ...tagged[1], priority: 1 }] },
  "with zones": { endpoints: tagged, balancer: { localZone: "b", minZoneEndpoints: 1 } },
  "with hashes": {
    endpoints: tagged,
    balancer: { policy: "ring-hash", hashPolicies: [{ on: "header", name: "x-user" }] },
    routes: [{ match: prefix("/b"), forward: to({ subset: { version: "2" } }) }],
  },
  "without endpoints": { endpoints: [] },
  "that redirects": {
    routes: [
      { match: exact("/a"), redirect: { scheme: "https", host: "other.example", status: 301 } },
      { match: prefix("/a"), redirect: { prefixRewrite: "/moved", stripQuery: true } },
    ],
    unmatched: "reply-404",
  },
  "that replies": {
    routes: [
      { match: { methods: ["POST"] }, reply: { status: 418, body: "no" } },
      { match: { query: [{ name: "x", type: "present" }] }, reply: { status: 200, body: "hello" } },
    ],
  },
  "that rewrites and edits": {
    routes: [
      {
        name: "edited",
        match: { headers: [{ name: "x-user", type: "exact", value: "7" }] },
        rewrite: { prefix: "/inner", host: "inner.example" },
        requestHeaders: {
          set: [{ name: "X-User", value: "8" }],
          add: [{ name: "X-More", value: "1" }],
          remove: ["x-gone"],
        },
        forward: to({ cluster: "echo-v1", requestHeaders: { set: [{ name: "X-Target", value: "v1" }] } }),
      },
      { match: prefix("/b"), rewrite: { regex: { pattern: "b", substitution: "..;" } } },
      { match: { hosts: ["*.example"] }, rewrite: { path: "/by-host" } },
    ],
  },
  "with rules for paths": {
    requestRules: {
      mergeSlashes: true,
      escapedSlashes: "unescape-and-redirect",
      underscores: "reject",
      parameters: "reject",
    },
    routes: [{ match: exact("/a/b"), forward: to({ cluster: "echo-v2" }) }],
  },
};

interface Asked {
  readonly path: string;
  readonly method?: string;
  readonly host?: string;
  readonly fields?: Readonly<Record<string, string>>;
}

const requests: readonly Asked[] = [
  { path: "/" },
  { path: "/a" },
  { path: "/a/b?x=1" },
  { path: "/b" },
  { path: "/a//b" },
  { path: "/x/../a/./b" },
  { path: "/%61%2Fb" },
  { path: "/a;v=1/b" },
  { path: "/a", method: "POST" },
  { path: "/a", host: "shop.example:8080" },
  { path: "/b", fields: { "X-User": "7", "X-Gone": "1" } },
  { path: "/", fields: { "X-User": "8" } },
  { path: "/", fields: { under_score: "1" } },
  { path: "/", fields: { "X-Forwarded-Client-Cert": "URI=spiffe://forged", "X-Atoll-Self": "1" } },
  { path: "/", fields: { "X-Real-IP": "10.0.0.1", "Content-Length": "abc" } },
  { path: "/", host: "bad host" },
  { path: "/", method: "G(T" },
];

function question({ path, method = "GET", host = "echo", fields = {} }: Asked): Question {
  return {
    method,
    url: `http://${host}${path}`,
    fields: Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
    from: "127.0.0.1",
    listener: "echo",
  };
}

/** Addresses of the applications that may answer. */
function places({ choices }: Explanation): string[] {
  return choices.flatMap(({ to: destination, reply }) => {
    if (destination === undefined || reply !== undefined) return [];
    const { balancing, endpoints } = destination;
    if (balancing?.endpoint !== undefined) return [balancing.endpoint];
    return endpoints.filter(({ isEligible }) => isEligible).map(({ address }) => address);
  });
}

const addressOf: Readonly<Record<string, string>> = { "echo-v1": "127.0.0.1:20000", "echo-v2": "127.0.0.1:20001" };

/** That an application read what the explanation says. */
function expectSeen({ seen }: Answer, { request, choices }: Explanation): void {
  const own = choices.flatMap(({ to: destination }) => (destination === undefined ? [] : [destination]));
  const [first] = own.filter(({ endpoints }) =>
    endpoints.some(({ address }) => address === addressOf[seen?.backend ?? ""]),
  );
  const changes = [...(request?.changes ?? []), ...(first?.changes ?? [])];
  const last = (name: string): string | undefined =>
    changes.findLast((one: FieldChange) => one.name === name && one.change === "added")?.value;
  expect(seen?.path).toBe(last(":path") ?? request?.path ?? "");
  expect(seen?.fields["host"]).toBe(last(":authority") ?? request?.authority ?? "");
  for (const { change, name, value } of first?.changes ?? []) {
    if (name.startsWith(":")) continue;
    if (change === "added") expect(seen?.fields[name]).toBe(value);
    else expect(seen?.fields[name]).not.toBe(value);
  }
}

describe("what is explained of an outbound listener", () => {
  const outcomes = new Set<string>();
  for (const [name, listener] of Object.entries(listeners)) {
    test(`${name} is what it does`, async () => {
      const mesh = new EchoMesh([listener]);
      for (const asked of requests) {
        const explanation = await explain(mesh.config, question(asked), options);
        outcomes.add(explanation.outcome);
        const predicted = new Set(places(explanation));
        const seen = new Set<string>();
        for (let i = 0; i < 16; i++) {
          const answer = mesh.get(asked.path, asked);
          if (answer.seen === undefined) {
            const reply = explanation.reply ?? explanation.choices[0]?.reply;
            expect([asked, answer.status, answer.fields["location"]]).toEqual([
              asked,
              reply?.status ?? 0,
              reply?.location,
            ]);
            continue;
          }
          seen.add(addressOf[answer.seen.backend] ?? "");
          expectSeen(answer, explanation);
        }
        expect([asked, seen]).toEqual([asked, predicted]);
      }
    });
  }

  test("is of every kind in this table", () => {
    expect([...outcomes].sort()).toEqual(["answered", "forwarded", "refused"]);
  });
});

const source = "spiffe://*/ns/default/dc/*/svc/web";
const permissions = [
  { action: "deny", path: { type: "path-prefix", value: "/a" }, methods: ["POST"] },
  { action: "allow", path: { type: "path-prefix", value: "/a" } },
  { action: "allow", headers: [{ name: "x-user", type: "present" }] },
];
const inbounds: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "that allows": { intentions: { default: "allow" } },
  "that denies": { intentions: { default: "deny" } },
  "with permissions": { intentions: { default: "deny", rules: [{ source, permissions }] } },
  "with a default that allows": { intentions: { default: "allow", rules: [{ source, permissions }] } },
  "that is tried out": { intentions: { default: "deny", dryRun: true, rules: [{ source, permissions }] } },
  "that passes client certificates on": { clientCert: "append-forward", intentions: { default: "allow" } },
};

describe("what is explained of an inbound listener", () => {
  for (const [name, inbound] of Object.entries(inbounds)) {
    for (const caller of ["web", "batch"]) {
      test(`${name} to ${caller} is what it does`, async () => {
        const mesh = new MemoryMesh({ inbound });
        const ask = { inbound: "127.0.0.1:20000", as: identityOf(caller).spiffeUri };
        for (const asked of requests) {
          const explanation = await explain(
            mesh.callee.config,
            { ...question(asked), ...ask },
            { ...options, loadIdentity: () => identityOf("api") },
          );
          const wire = mesh.bareCaller(caller);
          const lines = Object.entries({ Host: asked.host ?? "echo", ...asked.fields });
          wire.send(
            `${asked.method ?? "GET"} ${asked.path} HTTP/1.1\r\n${lines.map((line) => `${line.join(": ")}\r\n`).join("")}\r\n`,
          );
          mesh.settle();
          const read = mesh.apps.map((app) => app.take()).join("");
          const isForwarded = explanation.outcome === "forwarded";
          expect([asked, read !== ""]).toEqual([asked, isForwarded]);
          if (!isForwarded) {
            expect(wire.received).toStartWith(`HTTP/1.1 ${explanation.reply?.status} `);
            expect(wire.received).toContain(explanation.reply?.text ?? "?");
          }
          for (const { change, name: field, value } of explanation.choices[0]?.to?.changes ?? []) {
            if (change === "added") expect(read).toContain(`${field}: ${value}\r\n`);
          }
        }
      });
    }
  }
});
