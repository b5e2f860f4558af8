import { expect, test } from "bun:test";
import { type Recovered, recover } from "../../../server/log/recovery.ts";
import { sealJson, unseal } from "../../../server/log/sealed-value.ts";
import { oldClusterId, writeFormat1 } from "./format-1.ts";
import { createMemoryStore, type MemoryStore } from "./memory-store.ts";
import { numberedCommand } from "./numbered-command.ts";

/** A store after 40 writes, the last ten of which are only in the log. */
async function createUsedStore(): Promise<MemoryStore> {
  const store = createMemoryStore();
  const commands = Array.from({ length: 40 }, (_, i) => numberedCommand(i));
  await writeFormat1(store, [...commands.slice(0, 30).map((command) => [command]), commands.slice(30)]);
  return store;
}

function open(
  store: MemoryStore,
  expected: { readonly datacenter?: string; readonly clusterId?: string } = {},
): Promise<Recovered> {
  return recover(store, { directory: "/the/data", expected: { datacenter: "dc1", ...expected } });
}

/** The store's text under a key, replaced by what `edit` makes of it, with a right checksum. */
function editValue(store: MemoryStore, key: string, edit: (text: string) => string): void {
  const opened = unseal(key, store.entries.get(key) ?? new Uint8Array());
  if (!opened.ok) throw new Error(`nothing readable under ${key}`);
  store.entries.set(key, sealJson(key, edit(JSON.stringify(opened.value))).bytes);
}

test("one flipped bit in any value is found and its key named", async () => {
  const keys = [...(await createUsedStore()).entries.keys()];
  expect(keys.length).toBeGreaterThan(60);
  for (const key of keys) {
    const store = await createUsedStore();
    const value = Uint8Array.from(store.entries.get(key) ?? []);
    const at = value.length - 1;
    value[at] = (value[at] ?? 0) ^ 0x10;
    store.entries.set(key, value);
    const refused = await open(store).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ code: "DATA_CORRUPT" });
    expect(String(refused)).toContain(JSON.stringify(key));
    expect(String(refused)).toContain("/the/data");
  }
});

test("a value under the key of another is found", async () => {
  const store = await createUsedStore();
  const [first = "", second = ""] = [...store.entries.keys()].filter((key) => key.startsWith("row/nodes/"));
  store.entries.set(second, store.entries.get(first) ?? new Uint8Array());
  await expect(open(store)).rejects.toMatchObject({ code: "DATA_CORRUPT" });
});

test("any entry that is missing is found, the last one too", async () => {
  const entries = [...(await createUsedStore()).entries.keys()].filter((key) => key.startsWith("log/"));
  for (const key of entries) {
    const store = await createUsedStore();
    store.entries.delete(key);
    await expect(open(store)).rejects.toThrow(`${JSON.stringify(key)}: the entry is missing`);
  }
});

test("any row that is missing, old or back from the dead is found", async () => {
  const pristine = await createUsedStore();
  const rows = [...pristine.entries.keys()].filter((key) => key.startsWith("row/"));
  expect(rows.length).toBeGreaterThan(20);
  for (const key of rows) {
    const store = await createUsedStore();
    store.entries.delete(key);
    await expect(open(store)).rejects.toMatchObject({ code: "DATA_CORRUPT" });
  }
  const service = rows.find((key) => key.startsWith("row/services/")) ?? "";
  const stale = await createUsedStore();
  editValue(stale, service, (text) => text.replace(/"Port":\d+/, '"Port":59999'));
  await expect(open(stale)).rejects.toThrow("with other contents");
  const undead = await createUsedStore();
  undead.entries.set("row/nodes/ghost", sealJson("row/nodes/ghost", "{}").bytes);
  await expect(open(undead)).rejects.toThrow("rows, but");
});

test("a batch from the middle that the disk lost is found", async () => {
  const { batches } = await createUsedStore();
  for (let lost = 1; lost < batches.length - 1; lost++) {
    const store = createMemoryStore(batches.filter((_, i) => i !== lost));
    await expect(open(store)).rejects.toMatchObject({ code: "DATA_CORRUPT" });
  }
});

test("a key that nobody writes is found", async () => {
  const store = await createUsedStore();
  store.entries.set("log/12", sealJson("log/12", "{}").bytes);
  await expect(open(store)).rejects.toThrow('"log/12": no such key is ever written');
});

test("a database without its identity or its progress is refused", async () => {
  for (const key of ["meta/identity", "meta/progress"]) {
    const store = await createUsedStore();
    store.entries.delete(key);
    await expect(open(store)).rejects.toThrow(`${JSON.stringify(key)}: it is missing or incomplete`);
  }
});

test("progress that contradicts itself is refused", async () => {
  for (const edit of [/"appliedIndex":\d+/, /"firstIndex":\d+/]) {
    const store = await createUsedStore();
    editValue(store, "meta/progress", (text) => text.replace(edit, (field) => `${field}000`));
    await expect(open(store)).rejects.toThrow('"meta/progress": its indexes contradict each other');
  }
});

test("data of another datacenter or cluster are refused by both names; the right ones are not", async () => {
  await expect(open(await createUsedStore(), { datacenter: "dc2" })).rejects.toThrow(
    'belongs to datacenter "dc1", but this server is configured for "dc2"',
  );
  const wrong = open(await createUsedStore(), { clusterId: "99999999-0000-4000-8000-000000000000" });
  await expect(wrong).rejects.toMatchObject({ code: "WRONG_CLUSTER" });
  const { identity } = await open(await createUsedStore(), { clusterId: oldClusterId });
  expect(identity?.clusterId).toBe(oldClusterId);
});

test("data of another format version are refused with what to do", async () => {
  const store = await createUsedStore();
  editValue(store, "meta/identity", (text) => text.replace('"formatVersion":1', '"formatVersion":2'));
  const refused = open(store);
  await expect(refused).rejects.toMatchObject({ code: "DATA_VERSION" });
  await expect(refused).rejects.toThrow("run the version of Atoll that wrote it");
});

test("sound data are read whole: the state as it was on disk, and the entries behind it", async () => {
  const { identity, progress, rows, replay } = await open(await createUsedStore());
  expect(identity).toEqual({ formatVersion: 1, clusterId: oldClusterId, datacenter: "dc1" });
  expect(progress).toMatchObject({ appliedIndex: 31, lastIndex: 41 });
  expect(rows.length).toBe(progress.rowCount);
  expect(replay.map(({ index }) => index)).toEqual(Array.from({ length: 10 }, (_, i) => 32 + i));
});

test("an empty store has no identity", async () => {
  expect((await open(createMemoryStore())).identity).toBeUndefined();
});
