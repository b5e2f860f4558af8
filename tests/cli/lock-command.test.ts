import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { watchHolding } from "../../cli/client/lock/holding.ts";
import { commands } from "../../cli/commands.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";
import { createFakeIo } from "./fake-io.ts";

/** `atoll lock` against a real agent. */
let agent: AgentProcess;
let address: string;
let dir: TempDir;

beforeAll(async () => {
  dir = createTempDir();
  const [httpPort = 0] = await findFreePorts("127.0.0.1", 1);
  address = `127.0.0.1:${httpPort}`;
  agent = await startAgentProcess({ httpPort, args: ["-dev", "-server-port=0"] });
}, 40_000);

afterAll(async () => {
  await agent?.end("SIGKILL");
  dir[Symbol.dispose]();
});

async function lock(...args: string[]) {
  const io = createFakeIo();
  const env = { ...process.env, CONSUL_HTTP_ADDR: address };
  const code = await dispatch(["lock", ...args], commands, { ...io, env });
  return { code, out: io.out(), err: io.err() };
}

/** One that holds until it is told to end, with the exit code that is given. */
async function holder(name: string, flags: readonly string[], exitCode = 0) {
  const file = join(dir.path, name);
  const ended = lock(...flags, `touch ${file}; while [ -e ${file} ]; do sleep 0.02; done; exit ${exitCode}`);
  await eventually(`the program of ${name}`, () => existsSync(file), 10_000);
  return {
    ended,
    release: () => {
      rmSync(file);
      return ended;
    },
  };
}

interface Entry {
  readonly Key: string;
  readonly Value: string;
  readonly Session?: string;
}

async function entries(prefix: string): Promise<readonly Entry[]> {
  const response = await fetch(`http://${address}/v1/kv/${prefix}/?recurse`);
  return response.status === 404 ? [] : JSON.parse(await response.text());
}

const timedOut = { code: 1, out: "", err: "error: Shutdown triggered or timeout during lock acquisition\n" };

test("a program runs under a lock that nobody else gets meanwhile, and nothing stays", async () => {
  const first = await holder("leader", ["app/leader"], 3);
  expect((await entries("app/leader")).map(({ Key }) => Key)).toEqual(["app/leader/.lock"]);
  expect(await lock("-try=200ms", "app/leader", "true")).toEqual(timedOut);
  expect(await first.release()).toEqual({ code: 0, out: "", err: "Error running handler: exit status 3\n" });
  expect(await lock("-child-exit-code", "app/leader", "/bin/sh", "-c", "exit 3")).toMatchObject({ code: 2 });
  expect(await lock("app/leader", 'test "$CONSUL_LOCK_HELD" = true')).toEqual({ code: 0, out: "", err: "" });
  expect(await entries("app/leader")).toEqual([]);
}, 30_000);

test("two hold two slots, a third waits for one of them", async () => {
  const first = await holder("slot-1", ["-n=2", "slots"]);
  const second = await holder("slot-2", ["-n=2", "slots"]);
  expect(await lock("-n=2", "-timeout=200ms", "slots", "true")).toEqual(timedOut);
  const third = lock("-n=2", "-verbose", "slots", "true");
  await eventually("three contenders", async () => (await entries("slots")).length === 4);
  expect((await first.release()).code).toBe(0);
  expect((await third).err.split("\n")).toEqual([
    "Setting up semaphore (limit 2) at prefix: slots",
    "Attempting lock acquisition",
    "Starting handler",
    "Child terminated, released the lock",
    "Cleanup aborted, lock in use",
    "",
  ]);
  expect((await second.release()).code).toBe(0);
  expect(await entries("slots")).toEqual([]);
}, 30_000);

test("a slot of somebody who is gone is free", async () => {
  const gone = await holder("gone", ["-n=2", "dead"]);
  const [contender] = (await entries("dead")).filter(({ Session }) => Session !== undefined);
  const stays = await holder("stays", ["-n=2", "dead"]);
  await agent.api("PUT", `session/destroy/${contender?.Session}`);
  expect(await gone.ended).toEqual({ code: 1, out: "", err: "Lock lost, the program was ended\n" });
  expect(await lock("-n=2", "-timeout=5s", "dead", "true")).toEqual({ code: 0, out: "", err: "" });
  await stays.release();
}, 30_000);

test("who is named as a holder without a session is passed over, and then named no more", async () => {
  const body = JSON.stringify({ Limit: 2, Holders: { "00000000-0000-4000-8000-000000000001": true, other: true } });
  await fetch(`http://${address}/v1/kv/stale/.lock?flags=16210313421097356768`, { method: "PUT", body });
  const held = await holder("stale", ["-n=2", "stale"]);
  const document = (await entries("stale")).find(({ Key }) => Key === "stale/.lock");
  const { Session } = (await entries("stale")).find(({ Key }) => Key !== "stale/.lock") ?? {};
  expect(JSON.parse(Buffer.from(document?.Value ?? "", "base64").toString())).toEqual({
    Limit: 2,
    Holders: { [Session ?? ""]: true },
  });
  await held.release();
}, 30_000);

test("a lock whose session ends takes its program with it", async () => {
  const held = await holder("lost", ["app/lost"]);
  const [key] = await entries("app/lost");
  await agent.api("PUT", `session/destroy/${key?.Session}`);
  expect(await held.ended).toMatchObject({ code: 1, err: "Lock lost, the program was ended\n" });
}, 30_000);

test("who shares a prefix agrees on what it is for", async () => {
  const slots = await holder("agreed", ["-n=2", "agreed"]);
  expect((await lock("-n=3", "agreed", "true")).err).toBe("error: semaphore limit conflict (lock: 2, local: 3)\n");
  expect((await lock("agreed", "true")).err).toBe("error: Existing key does not match lock use: agreed/.lock\n");
  await slots.release();
  const one = await holder("one", ["one"]);
  expect((await lock("-n=2", "one", "true")).err).toBe("error: Existing key does not match semaphore use: one/.lock\n");
  await one.release();
}, 30_000);

test("the program gets the standard input only when it is told so", async () => {
  const run = async (...flags: string[]): Promise<string> => {
    const file = join(dir.path, "input");
    const program = join(import.meta.dirname, "..", "..", "bin", "atoll");
    const child = Bun.spawn({
      cmd: [program, "lock", ...flags, "stdin", `cat > ${file}`],
      env: { ...process.env, ATOLL_HTTP_ADDR: address },
      stdin: Buffer.from("hello"),
    });
    expect(await child.exited).toBe(0);
    return readFileSync(file, "utf8");
  };
  expect(await run("-pass-stdin")).toBe("hello");
  expect(await run()).toBe("");
}, 30_000);

test.each([
  [["-n=0", "a", "true"], "Lock holder limit must be positive"],
  [["-monitor-retry=-1", "a", "true"], "Number for 'monitor-retry' must be >= 0"],
  [["-timeout=-1s", "a", "true"], "Timeout must be positive"],
  [["-timeout=soon", "a", "true"], '-timeout must be a duration such as "15s", found "soon"'],
  [["a"], "the program to run is missing"],
])("%p is refused", async (args, reason) => {
  expect(await lock(...args)).toEqual({ code: 1, out: "", err: `error: ${reason}\n` });
});

test("servers that cannot answer are asked again as often as said, a refusal is final", async () => {
  const watch = async (status: number, maxRetries: number): Promise<number> => {
    let asked = 0;
    const isHeld = async (): Promise<never> => {
      asked++;
      throw new AtollError("INTERNAL", "no", { status });
    };
    await watchHolding({ isHeld }, { signal: new AbortController().signal, maxRetries, retryPauseMs: 1 });
    return asked;
  };
  expect([await watch(500, 0), await watch(500, 3), await watch(403, 3)]).toEqual([1, 4, 1]);
});
