import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { commands } from "../../cli/commands.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { listenHttp } from "../../lib/http/listen.ts";
import { createTempDir } from "../fakes/temp-dir.ts";
import { createTestCatalog } from "../server/http/test-catalog.ts";
import { createFakeIo } from "./fake-io.ts";

/** `atoll kv` against the real routes over a socket. */
async function start() {
  const catalog = createTestCatalog();
  const { port } = await listenHttp(catalog.app, { host: "127.0.0.1", port: 0 });
  const env = { CONSUL_HTTP_ADDR: `127.0.0.1:${port}` };
  const kv = async (args: readonly string[], input?: Uint8Array) => {
    const io = createFakeIo(input);
    const code = await dispatch(["kv", ...args], commands, { ...io, env });
    return { code, out: io.out(), err: io.err() };
  };
  return { catalog, kv, [Symbol.asyncDispose]: () => catalog.app.close() };
}

test("put, get and delete speak Consul's words", async () => {
  await using server = await start();
  const { kv } = server;
  expect(await kv(["put", "/a/b", "5"])).toEqual({ code: 0, out: "Success! Data written to: a/b\n", err: "" });
  expect(await kv(["get", "a/b"])).toEqual({ code: 0, out: "5\n", err: "" });
  expect(await kv(["get", "-base64", "a/b"])).toMatchObject({ out: "NQ==\n" });
  expect(await kv(["delete", "a/b"])).toMatchObject({ out: "Success! Deleted key: a/b\n" });
  expect(await kv(["get", "a/b"])).toEqual({ code: 1, out: "", err: "Error! No key exists at: a/b\n" });
});

test("details are one column of names, with a line between entries", async () => {
  await using server = await start();
  const { kv } = server;
  await kv(["put", "-flags=18446744073709551615", "d/a", "x"]);
  await kv(["put", "-ttl=30s", "d/b", "y"]);
  const { out } = await kv(["get", "-recurse", "-detailed", "d/"]);
  expect(out).toStartWith(
    "CreateIndex      11\nFlags            18446744073709551615\nKey              d/a\nLockIndex        0\n" +
      "ModifyIndex      11\nSession          -\nValue            x\n\nCreateIndex      12\n",
  );
  expect(out).toContain("TTL              30s\nExpiresAt        ");
});

test("bytes go through standard input, files and base64 unharmed", async () => {
  await using server = await start();
  const { kv } = server;
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  using dir = createTempDir();
  const path = join(dir.path, "value");
  writeFileSync(path, bytes);
  for (const [data, input] of [
    ["-", bytes],
    [`@${path}`, undefined],
  ] as const) {
    await kv(["put", "bin", data], input);
    expect(Buffer.from((await kv(["get", "bin"])).out.slice(0, -1), "latin1").equals(Buffer.from(bytes))).toBe(true);
  }
  await kv(["put", "-base64", "bin", Buffer.from(bytes).toString("base64")]);
  expect((await kv(["get", "bin"])).out).toHaveLength(257);
  expect(await kv(["put", "bin", "@/no/such/file"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("Failed to read file"),
  });
});

test("keys are cut at the separator, which may be none", async () => {
  await using server = await start();
  const { kv } = server;
  for (const key of ["k/a", "k/b/c", "k/b/ü d"]) await kv(["put", key, "1"]);
  expect((await kv(["get", "-keys", "k/"])).out).toBe("k/a\nk/b/\n");
  expect((await kv(["get", "-keys", "-separator=", "k/b"])).out).toBe("k/b/c\nk/b/ü d\n");
  expect((await kv(["get", "-recurse", "k/b/"])).out).toBe("k/b/c:1\nk/b/\u00c3\u00bc d:1\n");
  expect(await kv(["get", "-keys", "zz"])).toEqual({ code: 0, out: "", err: "" });
  expect((await kv(["delete", "-recurse", "k/b"])).out).toBe("Success! Deleted keys with prefix: k/b\n");
  expect((await kv(["get", "-keys", ""])).out).toBe("k/\n");
});

test("what is exported can be imported, under another prefix and with large flags", async () => {
  await using server = await start();
  const { kv } = server;
  await kv(["put", "-flags=3304740253564472344", "e/a", "x"]);
  await kv(["put", "e/b"]);
  const exported = await kv(["export", "e/"]);
  expect(exported.out).toBe(
    '[\n\t{\n\t\t"key": "e/a",\n\t\t"flags": 3304740253564472344,\n\t\t"value": "eA=="\n\t},\n' +
      '\t{\n\t\t"key": "e/b",\n\t\t"flags": 0,\n\t\t"value": ""\n\t}\n]\n',
  );
  const imported = await kv(["import", "-prefix=f/", "-"], Buffer.from(exported.out));
  expect(imported.out).toBe("Imported: f/e/a\nImported: f/e/b\n");
  expect((await kv(["get", "-detailed", "f/e/a"])).out).toContain("Flags            3304740253564472344\n");
  expect((await kv(["export", "none"])).out).toBe("[]\n");
  expect(await kv(["import", "{"])).toMatchObject({ code: 1, err: expect.stringContaining("Cannot unmarshal data") });
});

test("locks and compare-and-set that fail exit with 1 and say so", async () => {
  await using server = await start();
  const { kv, catalog } = server;
  await catalog.send("PUT", "/v1/catalog/register", { Node: "n", Address: "10.0.0.1" });
  const session = async (): Promise<string> => {
    const answer = await catalog.send("PUT", "/v1/session/create", { Node: "n", NodeChecks: [] });
    return JSON.parse(answer.body).ID;
  };
  const [a, b] = [await session(), await session()];
  expect((await kv(["put", "-acquire", `-session=${a}`, "l", "me"])).out).toBe("Success! Lock acquired on: l\n");
  expect(await kv(["put", "-acquire", `-session=${b}`, "l"])).toMatchObject({
    code: 1,
    err: "Error! Did not acquire lock\n",
  });
  expect(await kv(["put", "-release", `-session=${b}`, "l"])).toMatchObject({
    code: 1,
    err: "Error! Did not release lock\n",
  });
  expect((await kv(["put", "-release", `-session=${a}`, "l"])).out).toBe("Success! Lock released on: l\n");
  expect(await kv(["put", "-cas", "-modify-index=1", "l"])).toMatchObject({
    code: 1,
    err: "Error! Did not write to l: CAS failed\n",
  });
  expect(await kv(["delete", "-cas", "-modify-index=1", "l"])).toMatchObject({
    code: 1,
    err: "Error! Did not delete key l: CAS failed\n",
  });
});

test.each([
  [["put"], "Missing KEY argument"],
  [["get"], "Missing KEY argument"],
  [["delete", "-recurse"], "Missing KEY argument"],
  [["put", "-acquire", "k"], "Missing -session"],
  [["put", "-flags=x", "k"], "flag -flags must be an unsigned number of 64 bits"],
  [["put", "-base64", "k", "§"], "Cannot base 64 decode data"],
  [["put", "a/../k", "v"], 'has the segment "." or ".."'],
  [["delete", "-cas", "-recurse", "k"], "Cannot specify both -cas and -recurse!"],
  [["delete", "-cas", "k"], "Must specify -modify-index greater than 0 with -cas"],
])("kv %p is refused with what is wrong", async (args, message) => {
  await using server = await start();
  const { code, err } = await server.kv(args);
  expect(code).toBe(1);
  expect(err).toContain(message);
});
