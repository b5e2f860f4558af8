import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { eventually } from "../../fakes/eventually.ts";
import { defaultCheckHost, forwardWithToken } from "../../../agent/checks/check-host.ts";
import type { ServerLink } from "../../../lib/client/server-link.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createFakeCatalog } from "../fake-catalog.ts";
import { byApi, check, service, startTestAgent, type TestAgent } from "../test-registrations.ts";

function statusOf(agent: TestAgent, checkId: string): string {
  return agent.state.checks().get(checkId)?.fields.Status ?? "absent";
}

function outputOf(agent: TestAgent, checkId: string): string {
  return agent.state.checks().get(checkId)?.fields.Output ?? "absent";
}

test("a TTL check lives from heartbeat to heartbeat and is critical when they end", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service({ Name: "web", Check: { TTL: "10s" } }), byApi);
  expect(statusOf(agent, "service:web")).toBe("critical");
  agent.heartbeat("service:web", "passing", "one");
  await agent.clock.advance(9_000);
  agent.heartbeat("service:web", "warning", "two");
  await agent.clock.advance(9_999);
  expect(statusOf(agent, "service:web")).toBe("warning");
  await agent.clock.advance(1);
  expect(statusOf(agent, "service:web")).toBe("critical");
  expect(outputOf(agent, "service:web")).toBe("TTL expired (last output before timeout follows): two");
  agent.heartbeat("service:web", "passing", "back");
  expect(statusOf(agent, "service:web")).toBe("passing");
  await agent.stop();
});

test("heartbeats for unknown checks and for checks that probe themselves are refused", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerCheck(check({ Name: "port", TCP: "127.0.0.1:1", Interval: "1h" }), {
    isPersisted: true,
  });
  expect(() => agent.heartbeat("nobody", "passing", "")).toThrow('Unknown check ID "nobody"');
  expect(() => agent.heartbeat("port", "passing", "")).toThrow('CheckID "port" does not have associated TTL');
  await agent.stop();
});

test("a probe is made, made again when something has happened that it will see, and stops with its check", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await agent.registrar.registerService(service({ Name: "web" }), byApi);
  const definition = check({ Name: "port", ServiceID: "web", TCP: `127.0.0.1:${port}`, Interval: "10s" });
  await agent.registrar.registerCheck(definition, { isPersisted: true });
  expect(connections).toBe(0);
  await agent.clock.advance(1_000);
  await eventually("the first attempt", () => statusOf(agent, "port") === "passing");
  expect(connections).toBe(1);
  agent.probeService("other");
  agent.probeService("web");
  await eventually("the second attempt", () => connections === 2);
  await agent.registrar.deregisterCheck("port");
  server.close();
  await agent.stop();
  expect(agent.clock.pendingTimers()).toBe(0);
});

test("an alias follows its service and the node, worst first, and says what is wrong", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const alias = { CheckID: "alias", AliasService: "web" };
  await agent.registrar.registerService(service({ Name: "front", Check: alias }), byApi);
  expect(statusOf(agent, "alias")).toBe("critical");
  expect(outputOf(agent, "alias")).toBe("Service web could not be found on node vm1");
  await agent.registrar.registerService(service({ Name: "web" }), byApi);
  expect([statusOf(agent, "alias"), outputOf(agent, "alias")]).toEqual(["passing", "No checks found."]);
  await agent.registrar.registerService(service({ Name: "web", Check: { Name: "beat", TTL: "1h" } }), byApi);
  expect(outputOf(agent, "alias")).toBe('Aliased check "beat" failing: ');
  agent.heartbeat("service:web", "passing", "");
  expect([statusOf(agent, "alias"), outputOf(agent, "alias")]).toEqual(["passing", "All checks passing."]);
  await agent.registrar.registerCheck(check({ Name: "disk", TTL: "1h", Status: "warning" }), { isPersisted: true });
  expect(statusOf(agent, "alias")).toBe("warning");
  await agent.registrar.deregisterCheck("disk");
  expect(statusOf(agent, "alias")).toBe("passing");
  await agent.registrar.deregisterService("web");
  expect(statusOf(agent, "alias")).toBe("critical");
  await agent.stop();
});

test("a chain of aliases settles at once, and a circle of them does not hang", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const link = (name: string, follows: string): object => ({ Name: name, Check: { AliasService: follows } });
  await agent.registrar.registerService(service({ Name: "end", Check: { TTL: "1h" } }), byApi);
  await agent.registrar.registerService(service(link("middle", "end")), byApi);
  await agent.registrar.registerService(service(link("start", "middle")), byApi);
  agent.heartbeat("service:end", "passing", "");
  expect(statusOf(agent, "service:start")).toBe("passing");
  agent.heartbeat("service:end", "warning", "");
  expect(statusOf(agent, "service:start")).toBe("warning");
  await agent.registrar.registerService(service({ ...link("end", "start") }), {
    ...byApi,
    replaceExistingChecks: true,
  });
  expect(["passing", "warning", "critical"]).toContain(statusOf(agent, "service:start"));
  await agent.stop();
});

/** A link that answers as servers do about another node. */
function remoteNode(node: string) {
  const remote = { checks: [] as object[], services: { web: {} } as object | null, index: 5, urls: [] as string[] };
  let wake = (): void => undefined;
  const forward: ServerLink["forward"] = async ({ url }, signal) => {
    remote.urls.push(url);
    if (url === `/v1/catalog/node/${node}`) return answerJson(remote.services && { Services: remote.services });
    if (url.includes(`index=${remote.index}&`)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    return { ...answerJson(remote.checks), headers: { "X-Consul-Index": String(remote.index) } };
  };
  const change = (index: number, checks: object[], services: object | null = remote.services): void => {
    Object.assign(remote, { index, checks, services });
    wake();
  };
  return { forward, urls: remote.urls, change };
}

function answerJson(value: unknown) {
  return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(value)) };
}

test("an alias of another node follows the catalog by a blocking query", async () => {
  using dir = createTempDir();
  const node = remoteNode("vm2");
  const catalog = createFakeCatalog();
  catalog.link.forward = node.forward;
  const agent = await startTestAgent({ dataDir: dir.path, catalog });
  await agent.registrar.registerCheck(check({ Name: "far", AliasNode: "vm2", AliasService: "web" }), byApi);
  await eventually("the first answer", () => statusOf(agent, "far") === "passing");
  expect(outputOf(agent, "far")).toBe("No checks found.");
  await agent.clock.advance(1_000);
  await eventually("the wait", () => node.urls.at(-1) === "/v1/health/node/vm2?index=5&wait=60000ms");
  const sick = { Name: "disk", Status: "warning", Output: "full", ServiceID: "web" };
  const others = { Name: "x", Status: "critical", Output: "", ServiceID: "other" };
  node.change(6, [sick, others]);
  await eventually("the change", () => statusOf(agent, "far") === "warning");
  expect(outputOf(agent, "far")).toBe('Aliased check "disk" failing: full');
  await agent.clock.advance(1_000);
  node.change(7, [], null);
  await eventually("the end of the node", () => statusOf(agent, "far") === "critical");
  expect(outputOf(agent, "far")).toBe("Service web could not be found on node vm2");
  await agent.stop();
  expect(agent.clock.pendingTimers()).toBe(0);
});

test("an alias of another node is critical while no server can be asked, and tries again", async () => {
  using dir = createTempDir();
  const node = remoteNode("vm2");
  const catalog = createFakeCatalog();
  let isDown = true;
  catalog.link.forward = (request, signal) => {
    return isDown ? Promise.reject(new Error("no server answers")) : node.forward(request, signal);
  };
  const agent = await startTestAgent({ dataDir: dir.path, catalog });
  const far = check({ Name: "far", AliasNode: "vm2", AliasService: "web", Status: "passing" });
  await agent.registrar.registerCheck(far, byApi);
  await eventually("the failure", () => statusOf(agent, "far") === "critical");
  expect(outputOf(agent, "far")).toBe("Node vm2 cannot be asked for: no server answers");
  isDown = false;
  await agent.clock.advance(2_000);
  await eventually("the next try", () => statusOf(agent, "far") === "passing");
  await agent.stop();
});

const scripted = { Name: "script", Args: ["/bin/sh", "-c", "echo $PATH; exit 1"], Interval: "10s" };

test("programs are run only for whom the configuration allows it", async () => {
  using dir = createTempDir();
  const off = await startTestAgent({ dataDir: dir.path });
  const byFile = { isPersisted: false };
  await expect(off.registrar.registerCheck(check(scripted), byApi)).rejects.toThrow(
    "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
  );
  await expect(off.registrar.registerCheck(check(scripted), byFile)).rejects.toThrow(
    "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to true",
  );
  const inService = service({ Name: "web", Check: { ...scripted, DockerContainerID: "c" } });
  await expect(off.registrar.registerService(inService, byApi)).rejects.toThrow("Scripts are disabled");
  expect(off.state.services().size).toBe(0);
  await off.stop();

  const host = { ...defaultCheckHost(createFakeCatalog().link), env: { PATH: "/bin:/usr/bin" } };
  const local = await startTestAgent({
    dataDir: dir.path,
    checkHost: { ...host, scripts: { fromFiles: true, fromApi: false } },
  });
  await expect(local.registrar.registerCheck(check(scripted), byApi)).rejects.toThrow("from remote calls");
  await local.registrar.registerCheck(check(scripted), byFile);
  await local.clock.advance(1_000);
  await eventually("the script has run", () => statusOf(local, "script") === "warning");
  expect(outputOf(local, "script")).toBe("/bin:/usr/bin\n");
  await local.stop();
});

test("a saved check that runs programs stays, critical, where programs are not allowed any more", async () => {
  using dir = createTempDir();
  const host = { ...defaultCheckHost(createFakeCatalog().link), scripts: { fromFiles: true, fromApi: true } };
  const first = await startTestAgent({ dataDir: dir.path, checkHost: host });
  await first.registrar.registerCheck(check(scripted), byApi);
  await first.stop();
  const second = await startTestAgent({ dataDir: dir.path });
  await second.clock.advance(60_000);
  expect([statusOf(second, "script"), outputOf(second, "script")]).toEqual([
    "critical",
    "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
  ]);
  await second.stop();
});

test("a service whose check stays critical long enough is deregistered, one that recovers is not", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const dying = { TTL: "1h", DeregisterCriticalServiceAfter: "2m" };
  await agent.registrar.registerService(service({ Name: "gone", Check: dying }), byApi);
  await agent.registrar.registerService(service({ Name: "back", Check: dying }), byApi);
  await agent.clock.advance(90_000);
  agent.heartbeat("service:back", "passing", "");
  agent.heartbeat("service:back", "critical", "");
  await agent.clock.advance(60_000);
  await eventually("the critical one is gone", () => !agent.state.services().has("gone"));
  expect(agent.state.services().has("back")).toBe(true);
  await agent.stop();
});

test("registering a probe again as it was does not begin its interval anew", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const definition = { Name: "port", TCP: "127.0.0.1:1", Interval: "10s", Timeout: "1s" };
  for (let round = 0; round < 20; round++) {
    await agent.registrar.registerCheck(check(definition), { isPersisted: true });
    await agent.clock.advance(1_000);
  }
  await eventually("an attempt was made", () => outputOf(agent, "port").startsWith("TCP connect"));
  await agent.stop();
});

test("an alias of another node asks with the token that the agent has at that moment", async () => {
  const seen: (string | undefined)[] = [];
  const link = createFakeCatalog().link;
  link.forward = async ({ headers }) => {
    seen.push(headers["x-consul-token"]);
    return answerJson([]);
  };
  let token = "";
  const forward = forwardWithToken(link, { ownToken: () => token });
  const request = { method: "GET", url: "/v1/health/node/vm2", headers: {}, body: new Uint8Array() };
  await forward(request, new AbortController().signal);
  token = "t-2";
  await forward(request, new AbortController().signal);
  expect(seen).toEqual([undefined, "t-2"]);
});
