import { expect, test } from "bun:test";
import { createWatchHub } from "../../../server/state/watch-hub.ts";

test("a watcher of several keys is called once per wake-up, and again at the next", () => {
  const hub = createWatchHub();
  let calls = 0;
  hub.watch(["a", "b"], () => calls++);
  hub.wake(["b", "a", "c"]);
  expect(calls).toBe(1);
  hub.wake(["a"]);
  hub.wake(["c"]);
  expect(calls).toBe(2);
});

test("a watcher that another one cancels during a wake-up is not called any more", () => {
  const hub = createWatchHub();
  const called: string[] = [];
  const watches = ["first", "second"].map((name) =>
    hub.watch(["a"], () => {
      called.push(name);
      for (const watch of watches) watch.cancel();
    }),
  );
  hub.wake(["a"]);
  expect(called).toEqual(["first"]);
  expect(hub.watchCount()).toBe(0);
});

test("a watcher that is added during a wake-up waits for the next", () => {
  const hub = createWatchHub();
  let late = 0;
  const first = hub.watch(["a"], () => {
    first.cancel();
    hub.watch(["a"], () => late++);
  });
  hub.wake(["a"]);
  expect(late).toBe(0);
  hub.wake(["a"]);
  expect(late).toBe(1);
});

test("cancelling twice gives back one place", () => {
  const hub = createWatchHub({ maxWatches: 1 });
  const watch = hub.watch(["a"], () => undefined);
  expect(() => hub.watch(["a"], () => undefined)).toThrow("too many blocking queries: 1 are waiting");
  watch.cancel();
  watch.cancel();
  expect(hub.watchCount()).toBe(0);
  hub.watch(["a"], () => undefined);
  expect(() => hub.watch(["a"], () => undefined)).toThrow("too many blocking queries");
});
