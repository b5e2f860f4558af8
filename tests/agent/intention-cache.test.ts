import { expect, test } from "bun:test";
import { createIntentionCache } from "../../agent/intention-cache.ts";
import { createIntentionSource } from "../../agent/intention-source.ts";
import type { ServerLink } from "../../lib/client/server-link.ts";
import type { IntentionsValue, Topic } from "../../lib/contract/topics.ts";
import { createVirtualClock } from "../fakes/virtual-clock.ts";

/** A link whose topics are sent by hand. */
function handLink() {
  const open = new Map<string, (value: IntentionsValue) => void>();
  let opened = 0;
  // The intentions are the only topic that is asked for here.
  const subscribe: (topic: Topic, onValue: (value: never, index: number) => void) => { close(): void } = (
    topic,
    onValue,
  ) => {
    const destination = topic.kind === "intentions" ? topic.destination : "";
    opened++;
    open.set(destination, (value) => Reflect.apply(onValue, undefined, [value, 1]));
    return { close: () => void open.delete(destination) };
  };
  const link: Pick<ServerLink, "subscribe"> = { subscribe };
  return { link, open, opened: () => opened };
}

const allow: IntentionsValue = { rules: [], defaultAction: "allow" };
const deny: IntentionsValue = { rules: [], defaultAction: "deny" };
const never = new AbortController().signal;

test("the first question waits for the servers, later ones are answered from what they sent last", async () => {
  const clock = createVirtualClock(0);
  const hand = handLink();
  const cache = createIntentionCache({ source: createIntentionSource(hand.link), clock });
  const first = cache.read("db", never);
  hand.open.get("db")?.(allow);
  expect(await first).toBe(allow);
  hand.open.get("db")?.(deny);
  expect(await cache.read("db", never)).toBe(deny);
  expect(hand.opened()).toBe(1);
  cache.close();
  expect([hand.open.size, clock.pendingTimers()]).toEqual([0, 0]);
});

test("a destination that nobody asks for is forgotten, and so is the oldest of too many", async () => {
  const clock = createVirtualClock(0);
  const hand = handLink();
  const cache = createIntentionCache({ source: createIntentionSource(hand.link), clock });
  const ask = async (destination: string): Promise<void> => {
    const answer = cache.read(destination, never);
    hand.open.get(destination)?.(allow);
    await answer;
  };
  await ask("db");
  await clock.advance(9 * 60_000);
  await ask("db");
  await clock.advance(9 * 60_000);
  expect(hand.open.has("db")).toBe(true);
  await clock.advance(60_000);
  expect(hand.open.size).toBe(0);
  for (let i = 0; i < 1_025; i++) await ask(`s${i}`);
  expect([hand.open.size, hand.open.has("s0"), hand.open.has("s1024")]).toEqual([1_024, false, true]);
  cache.close();
});

test("without servers a question ends with an error that may be asked again", async () => {
  const clock = createVirtualClock(0);
  const cache = createIntentionCache({ source: createIntentionSource(handLink().link), clock });
  const answer = cache.read("db", never).catch((error: unknown) => String(error));
  await clock.advance(10_000);
  expect(await answer).toContain('no server has sent the intentions of "db" yet');
  cache.close();
});

test("a default policy of the agent's own stands for that of the servers", () => {
  const hand = handLink();
  const seen: IntentionsValue[] = [];
  createIntentionSource(hand.link, "deny")("db", (value) => seen.push(value));
  hand.open.get("db")?.(allow);
  expect(seen).toEqual([{ ...allow, defaultAction: "deny", isDefaultSet: true }]);
});
