import { expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commands } from "../../cli/commands.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { listenHttp } from "../../lib/http/listen.ts";
import { createTempDir } from "../fakes/temp-dir.ts";
import { createTestCatalog, instanceBody } from "../server/http/test-catalog.ts";
import { member } from "../server/operator/fake-operator.ts";
import { createFakeIo } from "./fake-io.ts";

/** The commands against the real routes over a socket. */
async function start() {
  const catalog = createTestCatalog();
  catalog.operator.setMembers([
    member("a", { isLeader: true, address: "10.0.0.1:8300" }),
    member("bb", { address: "10.0.0.2:8300", match: 99 }),
    member("c", { address: "10.0.0.33:8300", isVoter: false, match: 5 }),
  ]);
  const { port } = await listenHttp(catalog.app, { host: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${port}`;
  return { catalog, address, [Symbol.asyncDispose]: () => catalog.app.close() };
}

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const io = createFakeIo();
  const code = await dispatch(args, commands, { ...io, env });
  return { code, out: io.out(), err: io.err() };
}

test("list-peers prints Consul's table", async () => {
  await using server = await start();
  const { code, out } = await run(["operator", "raft", "list-peers", `-http-addr=${server.address}`]);
  expect(code).toBe(0);
  expect(out.split("\n")).toEqual([
    "Node       ID  Address         State     Voter  RaftProtocol  Commit Index  Trails Leader By",
    "(unknown)  a   10.0.0.1:8300   leader    true   3             100           -",
    "(unknown)  bb  10.0.0.2:8300   follower  true   3             99            1 commit",
    "(unknown)  c   10.0.0.33:8300  follower  false  3             5             95 commits",
    "",
  ]);
});

test.each([
  [["remove-peer", "-id=bb"], "remove bb", 'Removed peer with id "bb"\n'],
  [["remove-peer", "-address=10.0.0.33:8300"], "remove c", 'Removed peer with address "10.0.0.33:8300"\n'],
  [["transfer-leader"], "transfer anybody", "Success\n"],
  [["transfer-leader", "-id", "bb"], "transfer bb", "Success\n"],
  [["add-learner", "-id=d", "-address=db:8300"], "add-learner d db:8300", 'Added learner with id "d"\n'],
  [["promote", "-id=c"], "promote c", 'Promoted server with id "c"\n'],
])("operator raft %p asks the engine for it", async (args, call, text) => {
  await using server = await start();
  const env = { CONSUL_HTTP_ADDR: `http://${server.address}` };
  expect(await run(["operator", "raft", ...args], env)).toEqual({ code: 0, out: text, err: "" });
  expect(server.catalog.operator.calls).toEqual([call]);
});

test("ATOLL_HTTP_ADDR wins over CONSUL_HTTP_ADDR, and the flag over both", async () => {
  await using server = await start();
  const args = ["operator", "raft", "transfer-leader"];
  expect((await run(args, { ATOLL_HTTP_ADDR: server.address, CONSUL_HTTP_ADDR: "127.0.0.1:1" })).code).toBe(0);
  expect((await run([...args, `-http-addr=${server.address}`], { ATOLL_HTTP_ADDR: "127.0.0.1:1" })).code).toBe(0);
  const wrong = await run(args, { ATOLL_HTTP_ADDR: "127.0.0.1:1" });
  expect(wrong).toMatchObject({ code: 1, out: "" });
  expect(wrong.err).toStartWith("error: no answer from http://127.0.0.1:1: ");
});

test("what a server refuses is one line in its words", async () => {
  await using server = await start();
  const { code, err } = await run(["operator", "raft", "remove-peer", "-id=zz", `-http-addr=${server.address}`]);
  expect(code).toBe(1);
  expect(err).toBe(`error: http://${server.address} answered 500: id "zz" was not found in the Raft configuration\n`);
});

test.each([
  [["operator", "raft", "remove-peer"], "give either -id or -address"],
  [["operator", "raft", "remove-peer", "-id=a", "-address=b:1"], "give either -id or -address"],
  [
    ["operator", "raft", "list-pears"],
    'unknown subcommand "atoll operator raft list-pears" (did you mean "list-peers"?)',
  ],
  [["operator", "raft", "promote"], "give the -id"],
  [["operator", "raft", "recover"], "give both -data-dir and -peers"],
  [["operator", "raft", "list-peers", "-http-addr=ftp://x"], 'HTTP address "ftp://x" is none'],
  [["snapshot", "save"], "name the snapshot's file"],
  [["snapshot", "inspect", "/does/not/exist"], "cannot read /does/not/exist"],
])("%p is refused with what is missing", async (args, text) => {
  const { code, err } = await run(args);
  expect(code).toBe(1);
  expect(err).toContain(text);
});

test("groups list their commands, and each command has its usage", async () => {
  const group = await run(["operator", "raft"]);
  expect(group.code).toBe(1);
  expect(group.err).toContain("transfer-leader    Hand leadership to another server.");
  expect((await run(["operator", "raft", "remove-peer", "-h"])).out).toContain("-address=<host:port>");
  expect((await run(["snapshot", "--help"])).out).toContain("inspect");
});

test("a snapshot is saved for its owner only, inspected, and restored", async () => {
  await using server = await start();
  using dir = createTempDir();
  const file = join(dir.path, "backup.snap");
  const env = { ATOLL_HTTP_ADDR: server.address };
  await server.catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "vm1", service: "web" }));
  const index = server.catalog.state.reader.appliedIndex();
  const saved = await run(["snapshot", "save", file], env);
  expect(saved).toEqual({ code: 0, out: `Saved and verified snapshot to index ${index}\n`, err: "" });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const inspected = await run(["snapshot", "inspect", file]);
  expect(inspected.out).toMatch(/^Cluster {5}9f1c7a52-0000-4000-8000-000000000001$/m);
  expect(inspected.out).toMatch(/^services +1 +\d+$/m);
  expect(inspected.out).not.toContain("request-id");

  await server.catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "vm2", service: "web" }));
  expect(await run(["snapshot", "restore", file], env)).toEqual({ code: 0, out: "Restored snapshot\n", err: "" });
  expect((await server.catalog.get("/v1/catalog/nodes")).json).toMatchObject([{ Node: "vm1" }]);

  const bytes = readFileSync(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
  writeFileSync(file, bytes);
  for (const verb of ["inspect", "restore"]) {
    const damaged = await run(["snapshot", verb, file], env);
    expect(damaged).toMatchObject({ code: 1, out: "" });
    expect(damaged.err).toContain("the snapshot cannot be used");
  }
});
