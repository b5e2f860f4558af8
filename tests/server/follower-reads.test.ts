import { expect, test } from "bun:test";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { createFollowerReads, type FollowerReads, type Freshness } from "../../server/follower-reads.ts";
import { createVirtualClock, type VirtualClock } from "../fakes/virtual-clock.ts";

interface Question {
  readonly address: string;
  readonly freshness: Freshness;
  answer(index: number): void;
  fail(error: AtollError): void;
}

interface World {
  readonly reads: FollowerReads;
  readonly clock: VirtualClock;
  readonly questions: Question[];
  leader: string;
  apply(index: number): void;
}

function createWorld(): World {
  const clock = createVirtualClock(0);
  const questions: Question[] = [];
  const waiting: { readonly index: number; readonly resolve: (isApplied: boolean) => void }[] = [];
  let applied = 0;
  const world: World = {
    clock,
    questions,
    leader: "a:1",
    apply(index) {
      applied = index;
      for (const one of waiting) if (one.index <= applied) one.resolve(true);
    },
    reads: createFollowerReads({
      leaderAddress: () => world.leader,
      askIndex: (address, freshness, signal) =>
        new Promise((answer, fail) => {
          questions.push({ address, freshness, answer, fail });
          signal.addEventListener("abort", () => fail(new AtollError("UNAVAILABLE", "given up")));
        }),
      whenApplied: (index, signal) =>
        new Promise((resolve) => {
          if (index <= applied) resolve(true);
          waiting.push({ index, resolve });
          signal.addEventListener("abort", () => resolve(false));
        }),
      clock,
    }),
  };
  return world;
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function last({ questions }: World): Question {
  const question = questions.at(-1);
  if (question === undefined) throw new Error("nobody was asked");
  return question;
}

test("a read waits until the follower has applied what the leader had", async () => {
  const world = createWorld();
  let isFresh: boolean | undefined;
  void world.reads.catchUp("leader").then((fresh) => {
    isFresh = fresh;
  });
  await turn();
  last(world).answer(7);
  world.apply(6);
  await turn();
  expect(isFresh).toBeUndefined();
  world.apply(7);
  await turn();
  expect(isFresh).toBe(true);
  expect(world.questions).toMatchObject([{ address: "a:1", freshness: "leader" }]);
});

test("reads of one turn share a question; those that come while it is under way share the next", async () => {
  const world = createWorld();
  const first = [world.reads.catchUp("leader"), world.reads.catchUp("leader")];
  await turn();
  const second = [world.reads.catchUp("leader"), world.reads.catchUp("leader")];
  await turn();
  expect(world.questions).toHaveLength(1);
  world.apply(1);
  last(world).answer(1);
  expect(await Promise.all(first)).toEqual([true, true]);
  await turn();
  expect(world.questions).toHaveLength(2);
  last(world).answer(2);
  world.apply(2);
  expect(await Promise.all(second)).toEqual([true, true]);
  await turn();
  expect(world.questions).toHaveLength(2);
});

test("a consistent read asks for more than a default one, so the two never share", async () => {
  const world = createWorld();
  const both = [world.reads.catchUp("leader"), world.reads.catchUp("consistent")];
  await turn();
  expect(world.questions.map(({ freshness }) => freshness)).toEqual(["leader", "consistent"]);
  for (const question of world.questions) question.answer(0);
  expect(await Promise.all(both)).toEqual([true, true]);
});

test("after a question in vain the leader answers reads itself for a second", async () => {
  const world = createWorld();
  const read = world.reads.catchUp("leader");
  await turn();
  last(world).fail(new AtollError("INTERNAL", "this method is not known here"));
  expect(await read).toBe(false);
  await world.clock.advance(999);
  expect(await world.reads.catchUp("leader")).toBe(false);
  expect(world.questions).toHaveLength(1);
  await world.clock.advance(1);
  const again = world.reads.catchUp("leader");
  await turn();
  last(world).answer(0);
  expect(await again).toBe(true);
  expect(world.questions).toHaveLength(2);
});

test("a follower that is too far behind gives up, and so does one whose leader is silent", async () => {
  for (const isSilent of [false, true]) {
    const world = createWorld();
    const read = world.reads.catchUp("leader");
    await turn();
    if (!isSilent) last(world).answer(1_000_000);
    await world.clock.advance(1_000);
    expect(await read).toBe(false);
    expect(world.clock.pendingTimers()).toBe(0);
  }
});

test("nobody is asked where nobody leads, and nobody after the end", async () => {
  const world = createWorld();
  world.leader = "";
  expect(await world.reads.catchUp("leader")).toBe(false);
  world.leader = "a:1";
  const open = world.reads.catchUp("leader");
  await turn();
  world.reads.close();
  expect(await open).toBe(false);
  await world.clock.advance(1_000);
  expect(await world.reads.catchUp("leader")).toBe(false);
  expect(world.questions).toHaveLength(1);
});
