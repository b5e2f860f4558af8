import { expect, test } from "bun:test";
import type { Command } from "../../../lib/contract/commands.ts";
import type { MemberChange } from "../../../lib/contract/members.ts";
import { originCoordinate } from "../../../lib/contract/vivaldi.ts";
import { createReferences } from "../../../server/leases/references.ts";
import { createState } from "../../../server/state/state.ts";
import { nodeFields, registerCommand } from "../state/records.ts";
import { idOf, member } from "./lease-fakes.ts";

test("the servers that are alive and have said where they are come in turn, agents and lost servers do not", () => {
  const state = createState();
  let index = 0;
  const apply = (command: Command): void => {
    state.apply(++index, command);
    state.notify();
  };
  const change = (...changes: MemberChange[]): void => apply({ type: "members", atMs: 0, changes });
  const references = createReferences(state.reader);
  expect(references.at(0)).toBeUndefined();
  for (const [name, port] of [
    ["agent", 0],
    ["s1", 8_300],
    ["s2", 8_301],
  ] as const) {
    apply(registerCommand(name, { node: nodeFields(name, { ID: idOf(name) }) }));
    change({ kind: "alive", member: member(name, { Port: port, Role: port === 0 ? "node" : "consul" }) });
    apply({ type: "coordinate-update", coordinate: { Node: name, Segment: "", Coord: originCoordinate } });
  }
  const at = (turn: number) => references.at(turn)?.address;
  expect([at(0), at(1), at(2)]).toEqual(["10.0.0.1:8300", "10.0.0.1:8301", "10.0.0.1:8300"]);
  expect(references.at(1, ({ Node }) => Node !== "s2")).toEqual({
    address: "10.0.0.1:8300",
    coordinate: originCoordinate,
    members: 3,
  });
  change({ kind: "failed", node: "s1", id: idOf("s1") });
  expect([at(0), at(1)]).toEqual(["10.0.0.1:8301", "10.0.0.1:8301"]);
  change({ kind: "alive", member: member("s3", { Port: 8_302, Role: "consul" }) });
  expect([at(0), at(1)].toSorted()).toEqual(["10.0.0.1:8301", undefined]);
});
