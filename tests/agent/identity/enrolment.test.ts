/** How a node gets and keeps its certificate, against a real RPC server. */
import { describe, expect, test } from "bun:test";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { saveEnrolment } from "../../../agent/identity/enrolment-file.ts";
import { issueHostCertificate } from "../../../agent/identity/host-certificate.ts";
import { createRootWatch } from "../../../agent/identity/root-watch.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { isIssuedBy } from "../../../lib/x509/certificate.ts";
import { createRoot } from "../../../server/ca/root.ts";
import { createTestAuthority } from "../../server/ca/test-authority.ts";
import {
  enrollTestNode,
  never,
  openTestLink,
  startTestAgent,
  startTestCluster,
  type TestCluster,
} from "../../server/rpc/test-cluster.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";

const hourMs = 3_600_000;
const fileOf = (dataDir: string): string => join(dataDir, "enrolment", "enrolment.json");
const modeOf = (path: string): number => statSync(path).mode & 0o777;
const enrolCalls = (cluster: TestCluster) => cluster.metric("atoll_server_rpc_calls_total", { method: "Enroll" });

async function failureOf(call: Promise<unknown>): Promise<AtollError> {
  const thrown: unknown = await call.then(
    () => new Error("it did not fail"),
    (error: unknown) => error,
  );
  if (thrown instanceof AtollError) return thrown;
  throw thrown;
}

describe("enrolling", () => {
  test("gives the node a certificate of the cluster, kept in a file that only its owner reads", async () => {
    await using cluster = await startTestCluster();
    using dir = createTempDir();
    const enrolment = await enrollTestNode(cluster, { dataDir: dir.path, runtime: createTestRuntime() });
    const record = enrolment.record();
    const certificate = new X509Certificate(record.certificate.certPem);
    expect(isIssuedBy(certificate, new X509Certificate(cluster.authority.rootPem))).toBe(true);
    expect(record).toMatchObject({
      node: "host-1",
      datacenter: "dc1",
      clusterId: cluster.authority.clusterId,
      trustDomain: cluster.authority.trustDomain,
    });
    expect(record.certificate.spiffeId).toBe(`spiffe://${record.trustDomain}/agent/client/dc/dc1/id/host-1`);
    expect(modeOf(fileOf(dir.path))).toBe(0o600);
    expect(modeOf(join(dir.path, "enrolment"))).toBe(0o700);
  });

  test("happens once: a later start uses what is there and says nothing to the server", async () => {
    await using cluster = await startTestCluster();
    using dir = createTempDir();
    const options = { dataDir: dir.path, runtime: createTestRuntime() };
    const first = await enrollTestNode(cluster, options);
    chmodSync(fileOf(dir.path), 0o644);
    const second = await enrollTestNode(cluster, options);
    expect(second.record()).toEqual(first.record());
    expect(await enrolCalls(cluster)).toBe(1);
    expect(modeOf(fileOf(dir.path))).toBe(0o600);
  });

  test("without a token trusts the first server and warns", async () => {
    await using cluster = await startTestCluster();
    await using agent = await startTestAgent(cluster);
    expect(agent.runtime.lines.join("\n")).toContain("[WARN] test: trusted the server's root on first use");
  });

  test("goes on trying while no server answers", async () => {
    const gone = await startTestCluster();
    const { port } = gone.rpc.address;
    await gone[Symbol.asyncDispose]();
    using dir = createTempDir();
    const runtime = createTestRuntime();
    const options = { dataDir: dir.path, runtime };
    const failure = await failureOf(enrollTestNode(gone, options));
    expect(failure).toMatchObject({ code: "UNAVAILABLE", message: `no server listens on ${gone.address}` });
    const enrolling = enrollTestNode(gone, { ...options, timeoutMs: 20_000 });
    await eventually("a first try", () => runtime.lines.some((line) => line.includes("could not be enrolled yet")));
    await using back = await startTestCluster({ port });
    expect((await enrolling).record().trustDomain).toBe(back.authority.trustDomain);
  });

  test("again when the node has another name", async () => {
    await using cluster = await startTestCluster();
    using dir = createTempDir();
    const options = { dataDir: dir.path, runtime: createTestRuntime() };
    await enrollTestNode(cluster, options);
    const renamed = await enrollTestNode(cluster, { ...options, node: "host-2" });
    expect(renamed.record().certificate.spiffeId).toEndWith("/id/host-2");
  });

  test("again when the certificate in the file has expired", async () => {
    const runtime = createTestRuntime();
    const known = [createRoot(runtime)];
    const roots = () => known;
    const past = createTestRuntime({ clock: createVirtualClock(Date.now() - 48 * hourMs) });
    const old = createTestAuthority({ roots, runtime: past });
    await using cluster = await startTestCluster({ authority: createTestAuthority({ roots, runtime }), runtime });
    using dir = createTempDir();
    const { trustDomain, clusterId, rootPem } = old;
    const identity = { kind: "agent", trustDomain, datacenter: "dc1", node: "host-1" } as const;
    const sign = async (csr: string) => old.sign(csr, { services: false, agentNode: "host-1" });
    const certificate = await issueHostCertificate({ identity, sign, signal: never });
    const stored = { node: "host-1", datacenter: "dc1", clusterId, trustDomain, rootsPem: rootPem, certificate };
    await saveEnrolment(dir.path, stored);
    const renewed = await enrollTestNode(cluster, { dataDir: dir.path, runtime });
    expect(Date.parse(renewed.record().certificate.notAfter)).toBeGreaterThan(Date.now());
    expect(runtime.lines.join("\n")).not.toContain("first use");
  });

  test("against a server whose clock is a day off fails with a hint at the clocks", async () => {
    await using cluster = await startTestCluster();
    using dir = createTempDir();
    const runtime = createTestRuntime({ clock: createVirtualClock(Date.now() + 25 * hourMs) });
    const failure = await failureOf(enrollTestNode(cluster, { dataDir: dir.path, runtime }));
    expect(failure.code).toBe("CERTIFICATE_INVALID");
    expect(failure.message).toContain("compare the clocks of both machines");
  });

  test.each(["", "..", "a/b", "a b", "a\nb"])(
    "is refused for the node name %j before anything is sent",
    async (node) => {
      await using cluster = await startTestCluster();
      using dir = createTempDir();
      const failure = await failureOf(
        enrollTestNode(cluster, { dataDir: dir.path, runtime: createTestRuntime(), node }),
      );
      expect(failure).toMatchObject({ code: "CONFIG_INVALID" });
      expect(await enrolCalls(cluster)).toBe(0);
    },
  );

  test("is refused for another datacenter", async () => {
    await using cluster = await startTestCluster();
    using dir = createTempDir();
    const options = { dataDir: dir.path, runtime: createTestRuntime(), datacenter: "dc2" };
    const failure = await failureOf(enrollTestNode(cluster, options));
    expect(failure.code).toBe("CONFIG_INVALID");
    expect(failure.message).toContain('is in datacenter "dc1", this agent is configured for "dc2"');
  });
});

describe("with a server that asks for the join token", () => {
  const start = () => startTestCluster({ requireJoinToken: true });

  test("the token in its data directory lets a node in, and no warning is needed", async () => {
    await using cluster = await start();
    const path = join(cluster.dataDir, "join-token");
    expect(modeOf(path)).toBe(0o600);
    const joinToken = readFileSync(path, "utf8");
    await using agent = await startTestAgent(cluster, { joinToken });
    expect(agent.enrolment.record().node).toBe("host-1");
    expect(agent.runtime.lines.join("\n")).not.toContain("WARN");
  });

  test("a node without the token, or with a wrong secret, stays out and is counted", async () => {
    await using cluster = await start();
    using dir = createTempDir();
    const options = { dataDir: dir.path, runtime: createTestRuntime() };
    const none = await failureOf(enrollTestNode(cluster, options));
    expect(none).toMatchObject({ code: "PERMISSION_DENIED" });
    expect(none.message).toContain("take it from the file join-token");
    const [hash] = cluster.rpc.joinToken.split(".");
    const wrong = await failureOf(enrollTestNode(cluster, { ...options, joinToken: `${hash}.${"0".repeat(64)}` }));
    expect(wrong.message).toContain("is not this server's");
    expect(await cluster.metric("atoll_server_rpc_refused_total", { reason: "bad-join-token" })).toBe(2);
  });

  test("a token is not said to a server of another cluster", async () => {
    await using cluster = await start();
    await using impostor = await startTestCluster({ seed: 2 });
    using dir = createTempDir();
    const options = { dataDir: dir.path, runtime: createTestRuntime(), joinToken: cluster.rpc.joinToken };
    const failure = await failureOf(enrollTestNode(impostor, options));
    expect(failure.code).toBe("WRONG_CLUSTER");
    expect(failure.message).toContain(`is of another cluster, ${impostor.authority.trustDomain}`);
    expect(await enrolCalls(impostor)).toBe(0);
  });

  test("a text that is no token is refused without being repeated", async () => {
    await using cluster = await start();
    using dir = createTempDir();
    const joinToken = `${"f".repeat(63)}.${"a".repeat(64)}`;
    const failure = await failureOf(
      enrollTestNode(cluster, { dataDir: dir.path, runtime: createTestRuntime(), joinToken }),
    );
    expect(failure.code).toBe("CONFIG_INVALID");
    expect(failure.message).not.toContain("aaaa");
  });
});

describe("a node of one cluster", () => {
  test("does not talk to a server of another one, and says what to do", async () => {
    const home = await startTestCluster();
    const { port } = home.rpc.address;
    await using agent = await startTestAgent(home);
    await home.rpc.stop(0);
    await using foreign = await startTestCluster({ port, seed: 2 });
    const failure = await failureOf(openTestLink(foreign, agent));
    expect(failure.code).toBe("WRONG_CLUSTER");
    expect(failure.message).toContain(`is of another cluster, ${foreign.authority.trustDomain}`);
    expect(failure.message).toContain(`remove ${join(agent.dataDir, "enrolment")} and start it with the join token`);
    const running = await failureOf(agent.link.write({ type: "deregister", node: "host-1" }, never));
    expect(running.code).toBe("WRONG_CLUSTER");
    expect(foreign.writes).toEqual([]);
  });

  test("is not moved to another one by its token, nor by a new name", async () => {
    await using home = await startTestCluster();
    await using foreign = await startTestCluster({ seed: 2 });
    await using agent = await startTestAgent(home);
    const options = { dataDir: agent.dataDir, runtime: createTestRuntime() };
    const byToken = await failureOf(enrollTestNode(foreign, { ...options, joinToken: foreign.rpc.joinToken }));
    expect(byToken.code).toBe("WRONG_CLUSTER");
    const byName = await failureOf(enrollTestNode(foreign, { ...options, node: "host-2" }));
    expect(byName.code).toBe("WRONG_CLUSTER");
    expect(await enrolCalls(foreign)).toBe(0);
  });
});

describe("a file that cannot be used", () => {
  test.each([
    ["cut off", (text: string) => text.slice(0, text.length / 2), "line "],
    ["of another version", (text: string) => text.replace('"version": 1', '"version": 2'), "version"],
    ["with a field missing", (text: string) => text.replace('"trustDomain"', '"x"'), "trustDomain: is required"],
  ])("%s is reported with its path and what to do", async (_what, damage, words) => {
    await using cluster = await startTestCluster();
    using dir = createTempDir();
    const options = { dataDir: dir.path, runtime: createTestRuntime() };
    await enrollTestNode(cluster, options);
    writeFileSync(fileOf(dir.path), damage(readFileSync(fileOf(dir.path), "utf8")));
    const failure = await failureOf(enrollTestNode(cluster, options));
    expect(failure.code).toBe("DATA_CORRUPT");
    expect(failure.message).toContain(fileOf(dir.path));
    expect(failure.message).toContain(words);
    expect(failure.message).not.toContain("PRIVATE");
  });
});

test("the certificate is renewed through the link, saved, and used from then on", async () => {
  const clock = createVirtualClock(Date.now());
  const runtime = createTestRuntime({ clock });
  await using cluster = await startTestCluster();
  await using agent = await startTestAgent(cluster, { runtime });
  const roots = createRootWatch({ link: agent.link, runtime });
  const keeping = agent.enrolment.keepRenewed({ link: agent.link, roots });
  const before = agent.enrolment.record().certificate;
  const seen: number[] = [];
  agent.link.subscribe({ kind: "service-config", service: "web" }, (_value, index) => seen.push(index));
  await eventually("the subscription", () => cluster.subscriberCount() === 2);

  await clock.advance(17.5 * hourMs);
  await eventually("a new certificate", async () => {
    // An attempt under way needs real time to come back, a failed one virtual time to be tried again.
    await clock.advance(1_000);
    return agent.enrolment.record().certificate.serialNumber !== before.serialNumber;
  });
  const saved = () =>
    readFileSync(fileOf(agent.dataDir), "utf8").includes(agent.enrolment.record().certificate.serialNumber);
  await eventually("it is on disk", saved);
  const value = { service: "web", protocol: "tcp", localConnectTimeoutMs: 1, localRequestTimeoutMs: 0 } as const;
  cluster.publish({ kind: "service-config", service: "web" }, { ...value, maxInboundConnections: 0 }, 5);
  await eventually("the stream goes on", () => seen.includes(5));
  expect(await agent.link.write({ type: "deregister", node: "host-1" }, never)).toEqual({ index: 1 });
  keeping.close();
  roots.close();
});

test("new roots of the cluster are saved and trusted", async () => {
  await using cluster = await startTestCluster();
  await using agent = await startTestAgent(cluster);
  const roots = createRootWatch({ link: agent.link, runtime: agent.runtime });
  const keeping = agent.enrolment.keepRenewed({ link: agent.link, roots });
  const next = createTestAuthority({ seed: 3 });
  const common = {
    name: "r",
    serialNumber: 1,
    signingKeyId: "",
    notBefore: "",
    notAfter: "",
    createIndex: 1,
    modifyIndex: 1,
  };
  const key = { privateKeyType: "ec", privateKeyBits: 256 };
  cluster.publish(
    { kind: "ca-roots" },
    {
      activeRootId: "old",
      trustDomain: cluster.authority.trustDomain,
      roots: [
        { ...common, ...key, id: "old", active: true, certPem: cluster.authority.rootPem },
        { ...common, ...key, id: "new", active: false, certPem: next.rootPem },
      ],
    },
    9,
  );
  await eventually("both roots", () => agent.enrolment.current().rootsPem === cluster.authority.rootPem + next.rootPem);
  await eventually("they are on disk", () =>
    readFileSync(fileOf(agent.dataDir), "utf8").includes(JSON.stringify(next.rootPem).slice(1, -1)),
  );
  expect(await agent.link.write({ type: "deregister", node: "host-1" }, never)).toEqual({ index: 1 });
  keeping.close();
  roots.close();
});
