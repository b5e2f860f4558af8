import { expect, test } from "bun:test";
import type { AuditEvent } from "../../lib/audit/audit-event.ts";
import type { DeregisterCommand, RegisterCommand } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { auditAgentWrites } from "../../server/agent-write-audit.ts";
import { startServer } from "../../server/server.ts";
import { createTempDir } from "../fakes/temp-dir.ts";
import { createTestRuntime } from "../fakes/test-runtime.ts";

const never = new AbortController().signal;
const removal: DeregisterCommand = { type: "deregister", node: "vm1", serviceId: "web-1" };

function audited(write: Parameters<typeof auditAgentWrites>[0]) {
  const events: AuditEvent[] = [];
  const log = { record: (event: AuditEvent) => events.push(event), close: async () => undefined };
  const server = { node: "s1", datacenter: "dc1" };
  return { events, write: auditAgentWrites(write, { log, server, runtime: createTestRuntime() }) };
}

test("an agent's change is told of with its node, and a refused one too", async () => {
  const { events, write } = audited(async (command) => {
    if (command.type === "register") throw new AtollError("CONFLICT", "a node of this name is there");
    return { index: 9 };
  });
  await write(removal, never, { requestId: "r1" });
  const register: RegisterCommand = {
    type: "register",
    node: { ID: "", Node: "vm1", Address: "10.0.0.1", Datacenter: "dc1", TaggedAddresses: {}, Meta: {} },
    skipNodeUpdate: false,
    checks: [],
  };
  await expect(write(register, never)).rejects.toThrow("a node of this name");
  expect(events.map(({ payload }) => [payload.type, payload.auth.node, payload.request.id, payload.response])).toEqual([
    ["AgentEvent", "vm1", "r1", { status: "OK", index: 9 }],
    ["AgentEvent", "vm1", "", { status: "CONFLICT" }],
  ]);
  expect(events.map(({ payload }) => payload.resources)).toEqual([
    [{ type: "service", name: "web-1", node: "vm1" }],
    [{ type: "node", name: "vm1" }],
  ]);
});

test("a server that does not lead says nothing", async () => {
  const { events, write } = audited(async () => {
    throw new AtollError("NO_LEADER", "No cluster leader", { leader: "10.0.0.2:8300" });
  });
  await expect(write(removal, never)).rejects.toThrow();
  expect(events).toEqual([]);
});

test("a server tells of what its own agent writes", async () => {
  using dir = createTempDir();
  const told: string[] = [];
  const log = {
    record: ({ payload }: AuditEvent) => told.push(`${payload.resources[0]?.name} ${payload.response?.status}`),
    close: async () => undefined,
  };
  const server = await startServer({
    datacenter: "dc1",
    dataDir: dir.path,
    rpcHost: "127.0.0.1",
    rpcPort: 0,
    audit: { log, server: { node: "s1", datacenter: "dc1" } },
    runtime: createTestRuntime(),
    onFatal: (error) => {
      throw error;
    },
  });
  const { index } = await server.link.write({ type: "deregister", node: "vm1" }, never);
  expect(index).toBeGreaterThan(0);
  expect(told).toEqual(["vm1 OK"]);
  await server.stop(5_000);
});
