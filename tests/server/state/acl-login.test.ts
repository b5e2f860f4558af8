import { expect, test } from "bun:test";
import type { AclTokenFields } from "../../../lib/contract/acl.ts";
import type { AclAuthMethodFields, AclBindingRuleFields } from "../../../lib/contract/acl-login.ts";
import type { Command } from "../../../lib/contract/commands.ts";
import type { RowChange } from "../../../server/state/row-change.ts";
import { createState } from "../../../server/state/state.ts";

const authMethod: AclAuthMethodFields = {
  Name: "m",
  Type: "jwt",
  DisplayName: "",
  Description: "",
  MaxTokenTtlMs: 0,
  TokenLocality: "",
  TokenNameFormat: "",
  Config: { BoundIssuer: "i" },
};
const rule: AclBindingRuleFields = {
  ID: "r1",
  Description: "",
  AuthMethod: "m",
  Selector: "",
  BindType: "service",
  BindName: "web",
  BindVarName: "",
};
const token: AclTokenFields = {
  AccessorID: "t1",
  SecretHash: "h1",
  Description: "",
  Policies: [],
  Roles: ["gone"],
  ServiceIdentities: [{ ServiceName: "web", Datacenters: [] }],
  NodeIdentities: [],
  TemplatedPolicies: [],
  Local: true,
  AuthMethod: "m",
  CreateTime: "2026-01-01T00:00:00Z",
};

function start() {
  const state = createState();
  let index = 0;
  const rows = new Map<string, RowChange>();
  const apply = (command: Command) => {
    const applied = state.apply(++index, command);
    for (const row of applied.rows) rows.set(`${row.table} ${row.key}`, row);
    return applied;
  };
  return { state, apply, rows, reader: state.reader };
}

test("the same method or rule again writes no row and moves no index", () => {
  const { apply, reader } = start();
  apply({ type: "acl-auth-method-upsert", authMethod });
  apply({ type: "acl-binding-rule-upsert", rule, isNew: true });
  const before = [reader.aclAuthMethods().index, reader.aclBindingRules().index];
  expect(apply({ type: "acl-auth-method-upsert", authMethod: structuredClone(authMethod) }).rows).toEqual([]);
  expect(apply({ type: "acl-binding-rule-upsert", rule: { ...rule }, isNew: false }).rows).toEqual([]);
  expect([reader.aclAuthMethods().index, reader.aclBindingRules().index]).toEqual(before);
});

test("a login is for the method as it was verified, and keeps of its grants what is there", () => {
  const { apply, reader } = start();
  apply({ type: "acl-auth-method-upsert", authMethod });
  const methodIndex = reader.aclAuthMethod("m").value?.ModifyIndex ?? 0;
  expect(apply({ type: "acl-login", token, methodIndex: methodIndex + 1 }).result).toEqual({
    ok: true,
    applied: false,
  });
  const useless = { ...token, ServiceIdentities: [] };
  expect(apply({ type: "acl-login", token: useless, methodIndex }).result).toEqual({ ok: true, applied: false });
  expect(apply({ type: "acl-login", token, methodIndex }).result).toEqual({ ok: true, applied: true });
  expect(reader.aclRecords().tokens.get("t1")?.Roles).toEqual([]);
  expect(apply({ type: "acl-login", token, methodIndex }).result).toMatchObject({ ok: false, code: "CONFLICT" });
});

test("a method that goes takes rules and tokens along, and no index falls", () => {
  const { apply, reader } = start();
  apply({ type: "acl-auth-method-upsert", authMethod });
  apply({ type: "acl-auth-method-upsert", authMethod: { ...authMethod, Name: "other" } });
  apply({ type: "acl-binding-rule-upsert", rule, isNew: true });
  apply({ type: "acl-binding-rule-upsert", rule: { ...rule, ID: "r2", AuthMethod: "other" }, isNew: true });
  apply({ type: "acl-login", token, methodIndex: 1 });
  const before = reader.aclBindingRules().index;
  apply({ type: "acl-auth-method-delete", name: "m" });
  expect(reader.aclAuthMethods().value.map(({ Name }) => Name)).toEqual(["other"]);
  expect(reader.aclBindingRules().value.map(({ ID }) => ID)).toEqual(["r2"]);
  expect(reader.aclRecords().tokens.get("t1")).toBeUndefined();
  expect(reader.aclBindingRules().index).toBeGreaterThan(before);
  expect(apply({ type: "acl-auth-method-delete", name: "m" }).rows).toEqual([]);
});

test.each<[Command, string]>([
  [{ type: "acl-auth-method-upsert", authMethod: { ...authMethod, Type: "kubernetes" } }, "is immutable"],
  [
    { type: "acl-binding-rule-upsert", rule: { ...rule, ID: "r8", AuthMethod: "none" }, isNew: true },
    "cannot find auth method",
  ],
  [{ type: "acl-binding-rule-upsert", rule: { ...rule, ID: "r9" }, isNew: false }, "cannot find binding rule r9"],
  [{ type: "acl-binding-rule-upsert", rule: { ...rule, AuthMethod: "other" }, isNew: false }, "is immutable"],
])("%j is refused and changes nothing", (command, reason) => {
  const { apply } = start();
  apply({ type: "acl-auth-method-upsert", authMethod });
  apply({ type: "acl-auth-method-upsert", authMethod: { ...authMethod, Name: "other" } });
  apply({ type: "acl-binding-rule-upsert", rule, isNew: true });
  const { result, rows } = apply(command);
  expect(result).toMatchObject({ ok: false, message: expect.stringContaining(reason) });
  expect(rows).toEqual([]);
});

test("methods and rules are what they were when their rows are loaded again", () => {
  const { state, apply, rows, reader } = start();
  apply({ type: "acl-auth-method-upsert", authMethod });
  apply({ type: "acl-binding-rule-upsert", rule, isNew: true });
  const restored = createState();
  restored.restore(
    2,
    [...rows.values()].filter(({ value }) => value !== undefined),
  );
  expect(restored.reader.aclAuthMethods().value).toEqual(reader.aclAuthMethods().value);
  expect(restored.reader.aclBindingRules().value).toEqual(reader.aclBindingRules().value);
  expect([...restored.reader.aclLoginRecords().bindingRules.ofAuthMethod("m")]).toHaveLength(1);
  expect([...restored.dump()]).toEqual([...state.dump()]);
});
