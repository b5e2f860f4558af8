import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../fakes/certificates.ts";
import { testSeed } from "../proxy/http2/test-seed.ts";
import { listenTcp, startProxy } from "../proxy/transport/bun-mesh.ts";
import { EchoApp } from "./echo-app.ts";
import { http1Caller, http2Caller } from "./mesh-callers.ts";
import { attackWith, corpus, forbiddenReadings } from "./path-attack.ts";
import { type RuleKind, ruleKinds, source } from "./rule-kinds.ts";

/**
 * Whatever spelling of a forbidden request gets through an inbound listener, over mutual TLS and by both protocols, must not be a
 * forbidden one to the application behind it, however that reads paths. What is judged is what the application was sent.
 */
const seed = testSeed();
const directory = mkdtempSync(join(tmpdir(), "atoll-confusion-"));
const authority = new TestAuthority();
const web = authority.leaf("web");
const files = writeLeaf(authority.leaf("api"), directory);
const table: string[][] = [];
let app: EchoApp;
let denier: Awaited<ReturnType<typeof startDenier>>;

beforeAll(async () => {
  app = await EchoApp.start();
  denier = await startDenier();
});

afterAll(() => {
  app.stop();
  denier.stop();
  rmSync(directory, { recursive: true });
  const header = ["rule", "protocol", "sent", "reached the app", "bypasses", "of text compared as it comes"];
  const lines = [header, ...table].map((row) => row.join(" | "));
  process.stdout.write(`${lines.join("\n")}\nATOLL_TEST_SEED=${seed}\n`);
});

const callers = { "HTTP/1.1": http1Caller, "HTTP/2": http2Caller } as const;
type ProtocolName = keyof typeof callers;

/** What the intentions decide, or what an external authorizer that denies whatever it is asked about is not asked about. */
interface GuardedKind extends RuleKind {
  readonly bypass?: readonly object[];
}

const guardedKinds: readonly GuardedKind[] = [
  ...ruleKinds,
  ...ruleKinds
    .filter(({ action }) => action === "allow")
    .map((kind) => ({
      ...kind,
      name: kind.name.replace("allow", "ext_authz bypass"),
      intentions: { default: "deny", rules: [{ source, action: "allow" }] },
      bypass: [kind.conditions],
    })),
];

/** An authorizer that allows nothing, and counts what it was asked. */
async function startDenier() {
  const counted = { asked: 0 };
  const { server, port } = await listenTcp((socket) => {
    let text = "";
    socket.on("error", () => undefined);
    socket.on("end", () => socket.end());
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        counted.asked++;
        text = text.slice(end + 4);
        socket.write("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
      }
    });
  });
  return { counted, address: `127.0.0.1:${port}`, stop: () => server.close() };
}

function startListener(kind: Pick<GuardedKind, "intentions" | "bypass">, requestRules: object) {
  const extAuthz = { http: { address: denier.address }, timeoutMs: 10_000, bypass: kind.bypass };
  const inbound = {
    service: "api",
    listen: "127.0.0.1:0",
    app: `127.0.0.1:${app.port}`,
    protocol: "http",
    requestRules,
  };
  const { proxy, stop } = startProxy({
    identity: files,
    inbound: [{ ...inbound, intentions: kind.intentions, ...(kind.bypass !== undefined && { extAuthz }) }],
    admin: { listen: "127.0.0.1:0" },
    // The corpus is an attack, and shall not be stopped by being taken for one.
    limits: { connections: { maxPerSource: 100_000 } },
  });
  return { port: proxy.portOf("127.0.0.1:0") ?? 0, stop };
}

/** The same for a proxy that compares the text that came with the rule: how many spellings would be taken for something else. */
function bypassesOfText(kind: RuleKind): number {
  const [variant] = kind.variants;
  const method = variant?.method ?? "GET";
  const fields = [["x-role", variant?.fields[1] ?? ""]] as const;
  return corpus(seed).filter((target) => {
    const path = target.split("?", 1)[0] ?? "";
    const isLetThrough = !kind.isForbidden({ method, path, roles: fields.map(([, value]) => value) });
    return isLetThrough && forbiddenReadings(kind, { method, target, fields }).length > 0;
  }).length;
}

describe.each(Object.keys(callers) as ProtocolName[])("over %s no spelling gets past", (protocol) => {
  for (const kind of guardedKinds) {
    test(`${kind.name}, and what is harmless does`, async () => {
      const { port, stop } = startListener(kind, {});
      const caller = callers[protocol]({ port, leaf: web });
      const askedBefore = denier.counted.asked;
      try {
        const { sent, reached, bypasses } = await attackWith({ app, seed, kind, caller });
        if (kind.bypass !== undefined) expect(denier.counted.asked - askedBefore).toBeGreaterThan(100);
        const ofText = bypassesOfText(kind);
        table.push([kind.name, protocol, `${sent}`, `${reached}`, `${bypasses.length}`, `${ofText}`]);
        expect(bypasses.slice(0, 10)).toEqual([]);
        // The corpus is worth something: it holds enough that would mislead a proxy which does not look closely.
        if (!/^(?:allow|ext_authz bypass) (?:exact|header)$/.test(kind.name)) expect(ofText).toBeGreaterThan(20);
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
});

/** What the defaults leave to the application, and the setting that does not. */
describe("the rules for requests", () => {
  const count = async (kind: RuleKind, requestRules: object, names?: string[]): Promise<number> => {
    const { port, stop } = startListener(kind, requestRules);
    const caller = http1Caller({ port, leaf: web });
    try {
      return (await attackWith({ app, seed, kind, caller, ...(names && { names }) })).bypasses.length;
    } finally {
      caller.close();
      stop();
    }
  };

  test("cover applications that take x_role for x-role, as CGI does, when they reject or drop such names", async () => {
    const header = ruleKinds.find(({ name }) => name === "deny header");
    if (header === undefined) throw new Error("no such rule");
    const kind = { ...header, variants: [{ method: "GET", fields: ["x_role", "user"] }] };
    const names = ["x-role", "x_role"];
    expect(await count(kind, {}, names)).toBeGreaterThan(100);
    for (const underscores of ["reject", "drop"]) expect(await count(kind, { underscores }, names)).toBe(0);
  }, 60_000);

  test.each(["deny path-prefix", "allow path-prefix", "deny regex", "allow regex"])(
    "may leave a path as it is: %s judges it in all its readings all the same",
    async (name) => {
      const kind = ruleKinds.find((candidate) => candidate.name === name);
      if (kind === undefined) throw new Error("no such rule");
      expect(await count(kind, { normalise: false })).toBe(0);
    },
    60_000,
  );

  test("do not make /admin/ of /admin: a rule for both is one by prefix", async () => {
    const reaches = async (type: string): Promise<number> => {
      const kind = ruleKinds.find(({ name }) => name === `deny ${type}`);
      if (kind === undefined) throw new Error("no such rule");
      const { port, stop } = startListener(kind, {});
      const caller = http1Caller({ port, leaf: web });
      const { status } = await caller.ask({ method: "GET", target: "/admin/", fields: [] });
      caller.close();
      stop();
      return status;
    };
    expect([await reaches("exact"), await reaches("path-prefix")]).toEqual([200, 403]);
  });
});
