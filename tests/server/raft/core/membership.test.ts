import { describe, expect, test } from "bun:test";
import { applyChange, isMember } from "../../../../server/raft/core/membership.ts";
import type { ConfigChange, ConfigStep, Membership } from "../../../../server/raft/core/types.ts";
import { members } from "./test-cluster.ts";

const leave: ConfigChange = { type: "leave-joint" };

function change(...steps: ConfigStep[]): ConfigChange {
  return { type: "change", steps };
}

function add(action: "add-voter" | "add-learner" | "set-address", node: string): ConfigStep {
  return { action, node, address: `${node}.new:8300` };
}

function remove(node: string): ConfigStep {
  return { action: "remove", node };
}

/** The membership after all of these, which have to be possible. */
function after(start: Membership, ...changes: ConfigChange[]): Membership {
  return changes.reduce((membership, next) => {
    const outcome = applyChange(membership, next);
    if (!outcome.ok) throw new Error(outcome.message);
    return outcome.membership;
  }, start);
}

function refusal(start: Membership, next: ConfigChange): string {
  const outcome = applyChange(start, next);
  return outcome.ok ? "accepted" : outcome.message;
}

const abc = members(["a", "b", "c"], ["d"]);

describe("changes that take effect at once", () => {
  test("a promotion", () => {
    const membership = after(abc, change(add("add-voter", "d")));
    expect(membership).toMatchObject({ voters: ["a", "b", "c", "d"], outgoing: [], learners: [] });
    expect(membership.addresses["d"]).toBe("d.new:8300");
  });

  test("a removal leaves a tombstone and no address", () => {
    const membership = after(abc, change(remove("c")));
    expect(membership).toMatchObject({ voters: ["a", "b"], outgoing: [], removed: ["c"] });
    expect(Object.keys(membership.addresses)).toEqual(["a", "b", "d"]);
  });

  test("a demotion", () => {
    expect(after(abc, change(add("add-learner", "c")))).toMatchObject({ voters: ["a", "b"], learners: ["c", "d"] });
  });

  test("learners and addresses, any number", () => {
    const membership = after(abc, change(add("add-learner", "e"), remove("d"), add("set-address", "a")));
    expect(membership).toMatchObject({ voters: ["a", "b", "c"], learners: ["e"], removed: ["d"] });
    expect(membership.addresses["a"]).toBe("a.new:8300");
  });
});

describe("a replacement", () => {
  const joint = after(abc, change(add("add-voter", "d"), remove("c")));

  test("is joint until it is left", () => {
    expect(joint).toMatchObject({ voters: ["a", "b", "d"], outgoing: ["a", "b", "c"], learners: [], removed: [] });
    expect(joint.addresses["c"]).toBe("c.test:8300");
    expect(isMember(joint, "c")).toBe(true);
    const final = after(joint, leave);
    expect(final).toMatchObject({ voters: ["a", "b", "d"], outgoing: [], removed: ["c"] });
    expect(final.addresses["c"]).toBeUndefined();
    expect(isMember(final, "c")).toBe(false);
  });

  test("keeps who is demoted among the outgoing voters until then", () => {
    const demoting = after(abc, change(add("add-voter", "d"), add("add-learner", "c")));
    expect(demoting).toMatchObject({ outgoing: ["a", "b", "c"], learners: [], learnersNext: ["c"], removed: [] });
    expect(after(demoting, leave)).toMatchObject({ outgoing: [], learners: ["c"], learnersNext: [], removed: [] });
  });

  test("lets no other change in", () => {
    expect(refusal(joint, change(add("add-learner", "e")))).toContain("joint phase");
  });
});

describe("refused", () => {
  const cases: readonly { name: string; start: Membership; change: ConfigChange; message: string }[] = [
    { name: "nothing to do", start: abc, change: change(), message: "no steps" },
    { name: "two voters gone", start: abc, change: change(remove("b"), remove("c")), message: "taken away at a time" },
    {
      name: "one gone and one demoted",
      start: abc,
      change: change(remove("b"), add("add-learner", "c")),
      message: "taken away at a time",
    },
    {
      name: "two new voters",
      start: members(["a"], ["b", "c"]),
      change: change(add("add-voter", "b"), add("add-voter", "c")),
      message: "added at a time",
    },
    {
      name: "the last voter",
      start: members(["a"], ["b"]),
      change: change(remove("a")),
      message: "no voter would be left",
    },
    {
      name: "one of two voters",
      start: members(["a", "b"]),
      change: change(remove("b")),
      message: "make it a learner first",
    },
    {
      name: "one of two, replaced at once",
      start: members(["a", "b"], ["c"]),
      change: change(add("add-voter", "c"), remove("b")),
      message: "make it a learner first",
    },
    { name: "a voter again", start: abc, change: change(add("add-voter", "a")), message: "a voter already" },
    { name: "a learner again", start: abc, change: change(add("add-learner", "d")), message: "a learner already" },
    { name: "a stranger removed", start: abc, change: change(remove("z")), message: "not a member" },
    { name: "a stranger moved", start: abc, change: change(add("set-address", "z")), message: "not a member" },
    { name: "twice the same", start: abc, change: change(remove("c"), add("add-learner", "c")), message: "twice" },
    { name: "leaving nothing", start: abc, change: leave, message: "no joint phase" },
    {
      name: "an id that was removed",
      start: { ...abc, removed: ["x"] },
      change: change(add("add-learner", "x")),
      message: "not used again",
    },
  ];
  test.each(cases)("$name", ({ start, change: refused, message }) => {
    expect(refusal(start, refused)).toContain(message);
  });
});

test("demoting one of two voters is possible, then removing it", () => {
  const demoted = after(members(["a", "b"]), change(add("add-learner", "b")));
  expect(demoted).toMatchObject({ voters: ["a"], learners: ["b"] });
  expect(after(demoted, change(remove("b")))).toMatchObject({ voters: ["a"], learners: [], removed: ["b"] });
});
