import { expect, test } from "bun:test";
import type { Membership } from "../../server/raft/core/types.ts";
import { DiskImage } from "./disk-image.ts";
import { canGoOn } from "./survival.ts";

function membershipOf(voters: readonly string[], outgoing: readonly string[] = []): Membership {
  return { voters, outgoing, learners: [], learnersNext: [], removed: [], addresses: {} };
}

function survivor(id: string, index: number, membership: Membership): Parameters<typeof canGoOn>[0][number] {
  return { id, disk: { durable: new DiskImage({ index, term: 2, membership }) } };
}

const four = membershipOf(["a", "b", "c", "d"]);
const three = membershipOf(["a", "b", "d"]);

test("a majority goes on when one of it knows of the membership", () => {
  expect(canGoOn([survivor("a", 5, four), survivor("d", 9, three)], [three])).toBe(true);
});

test("a majority that has not heard of a removal needs a majority of the old voters", () => {
  const left = [survivor("a", 5, four), survivor("d", 9, four)];
  expect(canGoOn(left, [three])).toBe(false);
  expect(canGoOn([...left, survivor("b", 5, four)], [three])).toBe(true);
});

test("a removed server helps with its vote unless its log is ahead", () => {
  const left = [survivor("a", 5, four), survivor("d", 9, four)];
  expect(canGoOn([...left, survivor("c", 9, three)], [three])).toBe(true);
  expect(canGoOn([...left, survivor("c", 10, three)], [three])).toBe(false);
});

test("both voter sets of a joint phase need a majority", () => {
  const joint = membershipOf(["b", "c", "d"], ["a", "b", "c"]);
  expect(canGoOn([survivor("c", 9, joint), survivor("d", 9, joint)], [joint])).toBe(false);
  expect(canGoOn([survivor("b", 9, joint), survivor("c", 9, joint)], [joint])).toBe(true);
});
