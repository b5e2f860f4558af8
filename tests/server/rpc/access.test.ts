/** Who may call what: over real sockets, with real certificates. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { issueHostCertificate } from "../../../agent/identity/host-certificate.ts";
import { callUnary, createGrpcClient } from "../../../lib/client/grpc-client.ts";
import { rpcMethods } from "../../../lib/client/rpc-methods.ts";
import { encodeJson } from "../../../lib/client/wire-schemas.ts";
import type { SpiffeId } from "../../../lib/contract/spiffe.ts";
import type { Authority } from "../../../server/ca/authority.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createRoot } from "../../../server/ca/root.ts";
import { createTestAuthority } from "../ca/test-authority.ts";
import { callEvery, openRawStream } from "./raw-calls.ts";
import { never, startTestCluster, type TestCluster } from "./test-cluster.ts";

let cluster: TestCluster;
beforeAll(async () => {
  const held = { renew: () => ({ isGiven: true, refusal: "" }), place: () => undefined, close: () => undefined };
  cluster = await startTestCluster({
    leases: { open: () => held, isOutOfDate: () => false, reference: () => undefined },
  });
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

type Certified = Exclude<SpiffeId, { kind: "server" }>;

function issueFrom(authority: Authority, identity: Certified) {
  const scope = identity.kind === "agent" ? { services: false, agentNode: identity.node } : { services: true };
  return issueHostCertificate({ identity, signal: never, sign: async (csrPem) => authority.sign(csrPem, scope) });
}

function agentOf(authority: Authority): Certified {
  return { kind: "agent", trustDomain: authority.trustDomain, datacenter: "dc1", node: "host-1" };
}

/** A client that believes in the cluster under test and shows `certificate`. */
function clientWith(certificate?: { readonly certPem: string; readonly privateKeyPem: string }) {
  const { rootPem, trustDomain } = cluster.authority;
  const identity = { rootsPem: rootPem, trustDomain, datacenter: "dc1" };
  return createGrpcClient(cluster.address, certificate === undefined ? identity : { ...identity, certificate });
}

async function refusals(certificate?: { readonly certPem: string; readonly privateKeyPem: string }) {
  const client = clientWith(certificate);
  try {
    return await callEvery(client, cluster.address);
  } finally {
    client.close();
  }
}

const protectedMethods = ["Write", "NodeRegistrations", "Sign", "Forward", "Subscribe", "Lease"];

function allRefused(outcomes: ReadonlyMap<string, string>): void {
  expect([...outcomes.keys()]).toEqual(protectedMethods);
  for (const [, outcome] of outcomes) expect(outcome).toStartWith("PERMISSION_DENIED");
}

describe("a caller is refused on every method but Enroll", () => {
  test("without a certificate, with words on how to get one", async () => {
    const before = await cluster.metric("atoll_server_rpc_refused_total", { reason: "no-certificate" });
    const outcomes = await refusals();
    allRefused(outcomes);
    expect(outcomes.get("Write")).toContain("start the agent with the cluster's join token");
    expect(await cluster.metric("atoll_server_rpc_refused_total", { reason: "no-certificate" })).toBe(
      before + protectedMethods.length,
    );
    expect(cluster.writes).toEqual([]);
  });

  test("with a certificate of another authority, even for our own trust domain", async () => {
    const foreign = createTestAuthority({ seed: 2 });
    allRefused(await refusals(await issueFrom(foreign, agentOf(foreign))));
    const impostor = createTestAuthority({ seed: 1 });
    expect(impostor.trustDomain).toBe(cluster.authority.trustDomain);
    allRefused(await refusals(await issueFrom(impostor, agentOf(impostor))));
  });

  test("with a service's certificate, which is the mesh's and not an agent's", async () => {
    const { trustDomain } = cluster.authority;
    const service = { kind: "service", trustDomain, datacenter: "dc1", service: "web" } as const;
    const outcomes = await refusals(await issueFrom(cluster.authority, service));
    allRefused(outcomes);
    expect(outcomes.get("Sign")).toContain("/svc/web, which is not an agent");
  });
});

test("a caller with an expired certificate is refused on every method", async () => {
  const past = createTestRuntime({ clock: createVirtualClock(Date.now() - 48 * 3_600_000) });
  const known = [createRoot(past)];
  const roots = () => known;
  const certificate = await issueFrom(createTestAuthority({ roots, runtime: past }), agentOf(cluster.authority));
  expect(Date.parse(certificate.notAfter)).toBeLessThan(Date.now());
  const runtime = createTestRuntime();
  await using aged = await startTestCluster({ authority: createTestAuthority({ roots, runtime }), runtime });
  const { rootPem, trustDomain } = aged.authority;
  const client = createGrpcClient(aged.address, { rootsPem: rootPem, trustDomain, datacenter: "dc1", certificate });
  allRefused(await callEvery(client, aged.address));
  client.close();
});

describe("an enrolled agent", () => {
  test("is served on every method", async () => {
    const certificate = await issueFrom(cluster.authority, agentOf(cluster.authority));
    const outcomes = await refusals(certificate);
    expect([...outcomes.values()].filter((outcome) => outcome.startsWith("PERMISSION_DENIED"))).toEqual([]);
    expect(outcomes.get("NodeRegistrations")).toBe("answered");
    expect(outcomes.get("Subscribe")).toBe("open");
  });

  test("may not write for another node, and is told so", async () => {
    const client = clientWith(await issueFrom(cluster.authority, agentOf(cluster.authority)));
    const write = (command: object) =>
      callUnary({
        client,
        address: cluster.address,
        method: rpcMethods.Write,
        request: { json: encodeJson(command) },
        isWrite: true,
        clock: cluster.runtime.clock,
        timeoutMs: 5_000,
        signal: never,
      });
    await expect(write({ type: "deregister", node: "host-2" })).rejects.toThrow(
      'the agent of node "host-1" may not register for node "host-2"',
    );
    const index = cluster.writes.length + 1;
    expect(await write({ type: "deregister", node: "host-1" })).toEqual({ index });
    client.close();
  });

  test("may not read what another node has registered", async () => {
    const client = clientWith(await issueFrom(cluster.authority, agentOf(cluster.authority)));
    const read = callUnary({
      client,
      address: cluster.address,
      method: rpcMethods.NodeRegistrations,
      request: { node: "host-2" },
      isWrite: false,
      clock: cluster.runtime.clock,
      timeoutMs: 5_000,
      signal: never,
    });
    await expect(read).rejects.toThrow('the agent of node "host-1" may not read the registrations of node "host-2"');
    client.close();
  });

  test("loses its stream when its certificate expires", async () => {
    const clock = createVirtualClock(Date.now());
    await using timed = await startTestCluster({ runtime: createTestRuntime({ clock }) });
    const certificate = await issueFrom(timed.authority, agentOf(timed.authority));
    const { rootPem, trustDomain } = timed.authority;
    const client = createGrpcClient(timed.address, { rootsPem: rootPem, trustDomain, datacenter: "dc1", certificate });
    const stream = await openRawStream(client);
    stream.send({ add: { kind: "ca-roots", name: "" } });
    await eventually("the stream is open", () => timed.subscriberCount() === 1);
    await clock.advance(25 * 3_600_000);
    expect((await stream.ended).message).toContain("the client certificate of this stream has expired");
    client.close();
  });
});

test("the server's name is verified: a server of another datacenter is not spoken to", async () => {
  const { rootPem, trustDomain } = cluster.authority;
  const client = createGrpcClient(cluster.address, { rootsPem: rootPem, trustDomain, datacenter: "dc2" });
  const outcomes = await callEvery(client, cluster.address);
  for (const [, outcome] of outcomes) expect(outcome).toMatch(/^(UNAVAILABLE|UNKNOWN_OUTCOME).*altnames/);
  client.close();
});
