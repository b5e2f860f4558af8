import { expect, test } from "bun:test";
import { bootstrapped } from "./managed-catalog.ts";

async function withKeys(demandsKeyList: boolean) {
  const managed = await bootstrapped({ demandsKeyList });
  for (const key of ["team/a", "team/b", "other"]) await managed.send("PUT", `/v1/kv/${key}`, "x");
  const reader = await managed.tokenFor('key_prefix "team/" { policy = "read" }');
  const lister = await managed.tokenFor('key_prefix "team/" { policy = "list" }');
  const ask = async (url: string, token: string) => (await managed.get(url, token)).status;
  return { reader, lister, ask, managed };
}

test("where the configuration demands it, listing keys needs `list` on the prefix", async () => {
  const { reader, lister, ask, managed } = await withKeys(true);
  for (const url of ["/v1/kv/team/?keys", "/v1/kv/team/?recurse"]) {
    expect([await ask(url, reader), await ask(url, lister), await ask(url, managed.secret)]).toEqual([403, 200, 200]);
  }
  expect((await managed.get("/v1/kv/team/?keys", reader)).body).toContain(`lacks permission 'key:list' on "team/"`);
  // One key is no list, and what is beyond the prefix is another's.
  expect([await ask("/v1/kv/team/a", reader), await ask("/v1/kv/?keys", lister)]).toEqual([200, 403]);
});

test("by default who may read keys is shown them", async () => {
  const { reader, ask } = await withKeys(false);
  expect([await ask("/v1/kv/team/?keys", reader), await ask("/v1/kv/?recurse", reader)]).toEqual([200, 200]);
});
