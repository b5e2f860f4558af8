import { describe, expect, test } from "bun:test";
import type { Got, Sent } from "./expectation.ts";
import { Judge, runPolicyChanges } from "./policy-changes.ts";
import { node } from "./policy-load.ts";
import type { Policies } from "./policy-model.ts";

const seed = Number(process.env["ATOLL_TEST_SEED"] ?? Math.floor(Math.random() * 1_000_000));

test.skipIf(node === null)(
  `random changes of policies under load leave no answer that none of them says (ATOLL_TEST_SEED=${seed})`,
  async () => {
    const result = await runPolicyChanges({ seed, changes: 9, requestsBetween: 15, loops: 2 });
    expect(result.failures).toEqual([]);
    expect(result.failed).toBe(0);
    expect(result.sent).toBeGreaterThan(9 * 15);
    expect(Object.keys(result.outcomes)).toContain("200 application");
  },
  120_000,
);

describe("the judge of that", () => {
  const sent: Sent = { caller: "shop", method: "GET", path: "/a", isCanary: false, does: "" };
  const plain: Policies = {
    caller: { endpoints: [0, 1], routes: [], unmatched: "forward" },
    callee: { default: "allow", rules: {} },
  };
  const denied: Policies = { ...plain, callee: { default: "deny", rules: {} } };
  const ok: Got = {
    status: 200,
    location: "",
    answered: "",
    body: JSON.stringify({ instance: 1, path: "/a", edit: "" }),
    elapsedMs: 1,
    error: "",
  };
  const forbidden: Got = { ...ok, status: 403, body: "RBAC: access denied by default\n" };

  function failed(history: readonly Policies[], got: Got, [from, to]: readonly [number, number]): number {
    const judge = new Judge(history);
    judge.take({ protocol: "HTTP/2", sent, got, from, to });
    return judge.failed;
  }

  test("takes the old and the new around a change, and only the new after it", () => {
    const history = [plain, denied];
    expect([failed(history, ok, [0, 1]), failed(history, forbidden, [0, 1])]).toEqual([0, 0]);
    expect([failed(history, ok, [0, 0]), failed(history, forbidden, [0, 0])]).toEqual([0, 1]);
    expect([failed(history, ok, [1, 1]), failed(history, forbidden, [1, 1])]).toEqual([1, 0]);
  });

  test("takes an answer that was cut only from who was denied meanwhile", () => {
    const cut: Got = { ...ok, status: 0, body: "", error: "reset" };
    expect([failed([plain, denied], cut, [0, 1]), failed([plain, denied], cut, [0, 0])]).toEqual([0, 1]);
  });

  test("looks at who answered and what was read", () => {
    const told = (more: object): Got => ({
      ...ok,
      body: JSON.stringify({ instance: 1, path: "/a", edit: "", ...more }),
    });
    const wrong = [
      told({ instance: 3 }),
      told({ path: "/b" }),
      told({ edit: "1" }),
      { ...ok, answered: "1" },
      { ...ok, status: 503 },
    ];
    expect(wrong.map((got) => failed([plain], got, [0, 0]))).toEqual([1, 1, 1, 1, 1]);
  });
});
