import { expect, test } from "bun:test";
import { anonymousAccessorId, globalManagementId } from "../../../lib/contract/acl.ts";
import type { AclCommand } from "../../../lib/contract/acl-commands.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { secretHash } from "../../../server/acl/resolver.ts";
import { aclPolicy, aclRole, aclToken } from "./acl-records.ts";
import { createStateHarness, type StateHarness } from "./state-harness.ts";

const initialize = { type: "acl-initialize", time: "2026-01-01T00:00:00Z" } as const;

test("initialising makes the built-in policies and the anonymous token, once", () => {
  const harness = createStateHarness();
  const index = harness.accept({ ...initialize, initialManagement: { accessorId: "a1", secretHash: secretHash("s") } });
  expect(harness.reader.aclPolicies().value.map(({ Name }) => Name)).toEqual([
    "builtin/global-read-only",
    "global-management",
  ]);
  expect(harness.reader.aclTokens().value.map(({ AccessorID }) => AccessorID)).toEqual([anonymousAccessorId, "a1"]);
  expect(harness.reader.aclTokens().index).toBe(index);
  harness.accept({ ...initialize, initialManagement: { accessorId: "a2", secretHash: secretHash("s") } });
  expect(harness.reader.aclTokens().value).toHaveLength(2);
  expect(harness.reader.aclTokens().index).toBe(index);
});

test("a second bootstrap needs the index of the first", () => {
  const harness = createStateHarness();
  harness.accept(initialize);
  const bootstrap = (accessor: string, resetIndex: number) =>
    harness.apply({
      type: "acl-bootstrap",
      token: aclToken(accessor, { Policies: [globalManagementId] }),
      resetIndex,
    });
  expect(bootstrap("first", 0)).toEqual({ ok: true, applied: true });
  const index = harness.reader.aclBootstrap()?.ModifyIndex ?? 0;
  expect(bootstrap("second", 0)).toEqual({ ok: true, applied: false });
  expect(bootstrap("second", index - 1)).toEqual({ ok: true, applied: false });
  expect(bootstrap("second", index)).toEqual({ ok: true, applied: true });
  expect(harness.reader.aclRecords().tokens.get("first")).toBeDefined();
  expect(harness.reader.aclBootstrap()).toMatchObject({ AccessorID: "second", CreateIndex: index });
});

test("what must stay as it is cannot be changed", () => {
  const harness = createStateHarness();
  harness.accept(initialize);
  const management = harness.reader.aclRecords().policies.get(globalManagementId);
  if (management === undefined) throw new Error("the policy is there");
  const { CreateIndex: _created, ModifyIndex: _modified, ...fields } = management;
  const upsert = (policy: typeof fields) => harness.apply({ type: "acl-policy-upsert", policy, isNew: false });
  expect(upsert({ ...fields, Rules: "" })).toMatchObject({
    ok: false,
    message: "Changing the Rules for the builtin global-management policy is not permitted",
  });
  expect(upsert({ ...fields, Datacenters: ["dc1"] })).toMatchObject({ ok: false });
  expect(upsert({ ...fields, Description: "ours" })).toEqual({ ok: true, applied: true });
  expect(harness.apply({ type: "acl-policy-delete", id: globalManagementId })).toMatchObject({
    ok: false,
    message: "Delete operation not permitted on the builtin global-management policy",
  });
  expect(harness.apply({ type: "acl-token-delete", accessorIds: ["x", anonymousAccessorId] })).toMatchObject({
    ok: false,
    message: "Delete operation not permitted on the anonymous token",
  });
});

test("a changed token keeps its secret, its end and where it came from", () => {
  const harness = createStateHarness();
  harness.accept({ type: "acl-policy-upsert", policy: aclPolicy("p", ""), isNew: true });
  const token = aclToken("t", { ExpirationTime: "2026-02-01T00:00:00Z", AuthMethod: "m", secret: "one" });
  harness.accept({ type: "acl-token-upsert", token, isNew: true });
  const changed = aclToken("t", { Policies: ["p"], Local: true, CreateTime: "2027-01-01T00:00:00Z", secret: "two" });
  harness.accept({ type: "acl-token-upsert", token: changed, isNew: false });
  expect(harness.reader.aclRecords().tokens.get("t")).toMatchObject({ ...token, Policies: ["p"] });
  expect(harness.reader.aclRecords().tokens.bySecretHash(secretHash("two"))).toBeUndefined();
});

test("links to what is not there, names and secrets that are taken, and changes of nothing are refused", () => {
  const harness = createStateHarness();
  harness.accept({ type: "acl-policy-upsert", policy: aclPolicy("p", "", { Name: "taken" }), isNew: true });
  harness.accept({ type: "acl-token-upsert", token: aclToken("t", { secret: "s" }), isNew: true });
  const refused: readonly (readonly [AclCommand, string])[] = [
    [
      { type: "acl-token-upsert", token: aclToken("u", { Policies: ["q"] }), isNew: true },
      'No such ACL policy with ID "q"',
    ],
    [{ type: "acl-token-upsert", token: aclToken("u", { Roles: ["r"] }), isNew: true }, 'No such ACL role with ID "r"'],
    [{ type: "acl-token-upsert", token: aclToken("u", { secret: "s" }), isNew: true }, "SecretID is already in use"],
    [{ type: "acl-token-upsert", token: aclToken("t"), isNew: true }, "AccessorID is already in use"],
    [{ type: "acl-token-upsert", token: aclToken("u"), isNew: false }, "Cannot find token to update"],
    [
      { type: "acl-policy-upsert", policy: aclPolicy("q", "", { Name: "taken" }), isNew: true },
      'A Policy with Name "taken" already exists',
    ],
    [{ type: "acl-policy-upsert", policy: aclPolicy("q", ""), isNew: false }, "cannot find policy q"],
    [{ type: "acl-role-upsert", role: aclRole("r", { Policies: ["q"] }), isNew: true }, "No such ACL policy"],
  ];
  const before = JSON.stringify([...harness.state.dump()]);
  for (const [command, message] of refused) {
    const result = harness.apply(command);
    expect(result.ok ? "taken" : result.message).toContain(message);
  }
  expect(JSON.stringify([...harness.state.dump()])).toBe(before);
});

test("no secret is in what is stored", () => {
  const harness = createStateHarness();
  harness.accept({ type: "acl-token-upsert", token: aclToken("t", { secret: "tell-nobody" }), isNew: true });
  expect(JSON.stringify([...harness.state.dump()])).not.toContain("tell-nobody");
});

for (const seed of [1, 2, 3, 4, 5]) {
  test(`a random history is the same from its rows, and indexes move with what changes (seed ${seed})`, () => {
    const random = createSeededRandom(seed);
    const harness = createStateHarness();
    let last = lists(harness);
    for (let step = 0; step < 200; step++) {
      const command = randomAclCommand(random.float);
      harness.apply(command);
      const index = harness.reader.appliedIndex();
      const now = lists(harness);
      for (const [i, list] of now.entries()) {
        const before = last[i];
        const isChanged = JSON.stringify(list.value) !== JSON.stringify(before?.value);
        if (isChanged) expect(list.index).toBe(index);
        expect(list.index).toBeGreaterThanOrEqual(before?.index ?? 0);
      }
      last = now;
    }
    const restored = createStateHarness();
    restored.state.restore(harness.reader.appliedIndex(), harness.storedRows());
    expect([...restored.state.dump()]).toEqual([...harness.state.dump()]);
    expect(lists(restored)).toEqual(lists(harness));
    // Who is found by a secret is who is listed.
    for (const token of restored.reader.aclTokens().value) {
      expect(restored.reader.aclRecords().tokens.bySecretHash(token.SecretHash)).toEqual(token);
    }
  });
}

function lists({ reader }: StateHarness) {
  return [reader.aclTokens(), reader.aclPolicies(), reader.aclRoles()].map(({ index, value }) => ({ index, value }));
}

function randomAclCommand(float: () => number): AclCommand {
  const id = ["a", "b", "c"][Math.floor(float() * 3)] ?? "a";
  const other = ["a", "b", "c"][Math.floor(float() * 3)] ?? "a";
  const isNew = float() < 0.5;
  const Policies = float() < 0.5 ? [other] : [];
  const roll = float();
  if (roll < 0.05) return initialize;
  if (roll < 0.25) {
    return { type: "acl-policy-upsert", policy: aclPolicy(id, float() < 0.5 ? 'acl = "read"' : ""), isNew };
  }
  if (roll < 0.35) return { type: "acl-policy-delete", id };
  if (roll < 0.55) return { type: "acl-role-upsert", role: aclRole(id, { Policies }), isNew };
  if (roll < 0.65) return { type: "acl-role-delete", id };
  if (roll < 0.85) {
    const token = aclToken(id, {
      Policies,
      Roles: float() < 0.3 ? [other] : [],
      AuthMethod: float() < 0.3 ? "m" : "",
      secret: other,
    });
    return { type: "acl-token-upsert", token, isNew };
  }
  if (roll < 0.9) return { type: "acl-bootstrap", token: aclToken(`boot ${id}`), resetIndex: 0 };
  return { type: "acl-token-delete", accessorIds: [id, other] };
}
