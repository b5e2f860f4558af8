import { expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import { createAnswerCache } from "../../../server/http/answer-cache.ts";

test("bytes are built once per key and value, again when the value is another object", () => {
  const cache = createAnswerCache({ maxEntries: 10, maxBytes: 1_000 });
  let builds = 0;
  const build = (): Buffer => Buffer.from(String(++builds));
  const value = {};
  expect(cache.get("a", value, build)).toBe(cache.get("a", value, build));
  cache.get("b", value, build);
  expect(builds).toBe(2);
  expect(cache.get("a", {}, build).bytes.toString()).toBe("3");
  expect(cache.get("a", value, build).bytes.toString()).toBe("4");
});

test("what was not used for longest goes first when entries or bytes run out", () => {
  const cache = createAnswerCache({ maxEntries: 2, maxBytes: 10 });
  const value = {};
  const built: string[] = [];
  const read = (key: string, size: number): void => {
    cache.get(key, value, () => {
      built.push(key);
      return Buffer.alloc(size);
    });
  };
  read("a", 1);
  read("b", 1);
  read("a", 1);
  read("c", 1);
  read("a", 1);
  read("b", 1);
  expect(built).toEqual(["a", "b", "c", "b"]);
  read("big", 9);
  read("b", 1);
  expect(built).toEqual(["a", "b", "c", "b", "big"]);
  read("too-big", 11);
  read("too-big", 11);
  read("b", 1);
  expect(built.slice(5)).toEqual(["too-big", "too-big"]);
});

test("an answer that cannot be built leaves nothing behind", () => {
  const cache = createAnswerCache({ maxEntries: 2, maxBytes: 10 });
  const value = {};
  const fail = (): Buffer => {
    throw new Error("no");
  };
  expect(() => cache.get("a", value, fail)).toThrow("no");
  expect(cache.get("a", value, () => Buffer.from("x")).bytes.toString()).toBe("x");
});

test("a body made of several values stands as long as each of them does", () => {
  const cache = createAnswerCache({ maxEntries: 2, maxBytes: 100 });
  const [a, b] = [{}, {}];
  const build = (): Buffer => Buffer.from("x");
  const first = cache.get("k", [a, b], build);
  expect(cache.get("k", [a, b], build)).toBe(first);
  expect(cache.get("k", [a, {}], build)).not.toBe(first);
});

test("a body is compressed once however many ask for it so", async () => {
  const text = "all of it ".repeat(20_000);
  for (const size of [2_000, text.length]) {
    const body = createAnswerCache({ maxEntries: 1, maxBytes: 1_000_000 }).get("k", {}, () =>
      Buffer.from(text.slice(0, size)),
    );
    expect(body.zipped()).toBe(body.zipped());
    expect(gunzipSync(await body.zipped()).toString()).toBe(text.slice(0, size));
  }
});
