import { expect, test } from "bun:test";
import { missingServerServices } from "../../../server/cluster/server-services.ts";
import { nodeFields, registerCommand } from "../state/records.ts";
import { createStateHarness } from "../state/state-harness.ts";

const member = {
  Node: "n1",
  ID: "00000000-0000-4000-8000-000000000001",
  Address: "10.0.0.1",
  Port: 8300,
  Role: "consul",
  Build: "1.0.0",
  Class: "default",
  TtlMs: 8_000,
  ReapAfterMs: 1_000_000,
} as const;

test("a server that holds its lease is registered where it listens, once, and anew when that changes", () => {
  const harness = createStateHarness();
  const alive = (fields: object) =>
    harness.accept({ type: "members", atMs: 1, changes: [{ kind: "alive", member: { ...member, ...fields } }] });
  alive({});
  // Its node is not in the catalog yet.
  expect(missingServerServices(harness.reader)).toEqual([]);
  harness.accept(registerCommand("n1", { node: { ...nodeFields("n1"), ID: member.ID } }));
  const [missing, ...others] = missingServerServices(harness.reader);
  expect(others).toEqual([]);
  expect(missing).toMatchObject({
    node: { Node: "n1" },
    skipNodeUpdate: true,
    service: { Service: "consul", Port: 8300 },
  });
  if (missing !== undefined) harness.accept(missing);
  expect(missingServerServices(harness.reader)).toEqual([]);
  alive({ Port: 8301 });
  expect(missingServerServices(harness.reader)).toMatchObject([{ service: { Port: 8301 } }]);
});

test("an agent without a server is none", () => {
  const harness = createStateHarness();
  const node = { ...member, Role: "node" } as const;
  harness.accept({ type: "members", atMs: 1, changes: [{ kind: "alive", member: node }] });
  harness.accept(registerCommand("n1", { node: { ...nodeFields("n1"), ID: member.ID } }));
  expect(missingServerServices(harness.reader)).toEqual([]);
});
