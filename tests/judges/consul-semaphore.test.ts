import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { commands } from "../../cli/commands.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { createFakeIo } from "../cli/fake-io.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";
import { goClient } from "./programs.ts";

/** `atoll lock -n` and the semaphore of HashiCorp's Go client share the slots of a prefix. */
const go = await goClient();

describe.skipIf(go.isMissing)(`the slots of a prefix${go.note}`, () => {
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
    dir?.[Symbol.dispose]();
  });

  async function lock(...args: string[]): Promise<string> {
    const io = createFakeIo();
    const code = await dispatch(["lock", ...args], commands, {
      ...io,
      env: { ...process.env, CONSUL_HTTP_ADDR: address },
    });
    return `${code} ${io.err()}`;
  }

  /** Our command, until it is released. */
  async function holdWithCommand(prefix: string) {
    const file = join(dir.path, prefix);
    const ended = lock("-n=2", prefix, `touch ${file}; while [ -e ${file} ]; do sleep 0.02; done`);
    await eventually("the program of the command", () => existsSync(file));
    const release = (): Promise<string> => {
      rmSync(file);
      return ended;
    };
    return { ended, release };
  }

  /** The Go client: what it says of its try, and all that it has said once it is released. */
  async function tryWithClient(prefix: string, limit: number, wait: string) {
    const child = Bun.spawn([go.path, "slot", address, prefix, String(limit), wait], { stdin: "pipe", stdout: "pipe" });
    let said = "";
    const ended = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of child.stdout) said += decoder.decode(chunk, { stream: true });
      return said.trim().split("\n");
    })();
    await eventually("a word of the client", () => said.includes("\n"), 20_000);
    const release = (): Promise<readonly string[]> => {
      child.stdin.end();
      return ended;
    };
    return { first: said.split("\n", 1)[0], ended, release };
  }

  const keys = (prefix: string): Promise<unknown> => agent.api("GET", `kv/${prefix}/?keys`).catch(() => []);

  test("are one for both, and whoever comes last removes what is left", async () => {
    const ours = await holdWithCommand("shared");
    const theirs = await tryWithClient("shared", 2, "5s");
    expect(theirs.first).toBe("held");
    expect(await lock("-n=2", "-timeout=100ms", "shared", "true")).toContain("timeout during lock acquisition");
    expect((await tryWithClient("shared", 2, "100ms")).first).toBe("full");

    const waiting = lock("-n=2", "shared", "true");
    expect(await theirs.release()).toEqual(["held", "released", "Semaphore in use"]);
    expect(await waiting).toBe("0 ");
    const next = await tryWithClient("shared", 2, "5s");
    expect(next.first).toBe("held");
    expect(await ours.release()).toBe("0 ");
    expect(await next.release()).toEqual(["held", "released", "destroyed"]);
  }, 60_000);

  test("are free when the session of a holder ends, and both see that theirs is lost", async () => {
    const ours = await holdWithCommand("ended");
    const theirs = await tryWithClient("ended", 2, "5s");
    expect(theirs.first).toBe("held");
    const sessions = await agent.api("GET", "session/list");
    const ids = Array.isArray(sessions) ? sessions.map(({ ID }) => ID) : [];
    for (const id of ids) await agent.api("PUT", `session/destroy/${id}`);
    expect(await ours.ended).toBe("1 Lock lost, the program was ended\n");
    expect(await theirs.ended).toEqual(["held", "lost"]);
    expect(await lock("-n=2", "ended", "true")).toBe("0 ");
    expect(await keys("ended")).toEqual([]);
  }, 60_000);

  test("have one limit, and are no lock", async () => {
    const ours = await holdWithCommand("limit");
    expect((await tryWithClient("limit", 3, "5s")).first).toBe("semaphore limit conflict (lock: 2, local: 3)");
    await ours.release();
    const file = join(dir.path, "kind");
    const one = lock("kind", `touch ${file}; while [ -e ${file} ]; do sleep 0.02; done`);
    await eventually("the program under the lock", () => existsSync(file));
    expect((await tryWithClient("kind", 2, "5s")).first).toBe("Existing key does not match semaphore use");
    rmSync(file);
    expect(await one).toBe("0 ");
    const theirs = await tryWithClient("limit-2", 3, "5s");
    expect(await lock("-n=2", "limit-2", "true")).toContain("semaphore limit conflict (lock: 3, local: 2)");
    await theirs.release();
  }, 60_000);
});
