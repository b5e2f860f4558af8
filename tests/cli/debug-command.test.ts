import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { archiveDirectory } from "../../cli/client/debug/archive.ts";
import { capture, type CaptureOptions, captureTargets } from "../../cli/client/debug/capture.ts";
import { commands } from "../../cli/commands.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { openHttpApi } from "../../cli/http-api.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";
import { createFakeIo } from "./fake-io.ts";

/** `atoll debug` against a real agent. */
const token = "8ea9a4e5-5a4d-4b4a-9c3c-5f0a0b1c2d3e";
let agent: AgentProcess;
let address: string;
let dir: TempDir;

beforeAll(async () => {
  dir = createTempDir();
  const [httpPort = 0] = await findFreePorts("127.0.0.1", 1);
  address = `127.0.0.1:${httpPort}`;
  const config = join(dir.path, "agent.hcl");
  await Bun.write(config, `acl { enabled = true default_policy = "deny" tokens { initial_management = "${token}" } }`);
  const args = ["-dev", "-node=vm-1", "-server-port=0", `-config-file=${config}`];
  agent = await startAgentProcess({ httpPort, token, args });
  await eventually("the member", async () => {
    const members = await agent.api("GET", "agent/members").catch(() => undefined);
    return Array.isArray(members) && members.length > 0;
  });
}, 40_000);

afterAll(async () => {
  await agent?.end("SIGKILL");
  dir[Symbol.dispose]();
});

function startCapture(name: string, given: Partial<CaptureOptions> & { readonly token?: string }) {
  const directory = join(dir.path, name);
  mkdirSync(directory);
  const missing: string[] = [];
  const counts: number[] = [];
  const { token: as = token, ...options } = given;
  const done = capture({
    api: openHttpApi({ flags: { "http-addr": address, token: as }, env: {} }),
    directory,
    targets: new Set(captureTargets),
    durationMs: 300,
    intervalMs: 100,
    signal: new AbortController().signal,
    onInterval: (count) => void counts.push(count),
    onMissing: (target, reason) => void missing.push(`${target}: ${reason}`),
    ...options,
  });
  return { directory, missing, counts, done };
}

describe("what is captured", () => {
  test("is the agent, its host, its members, metrics at each interval and the log, in one archive", async () => {
    const captured = startCapture("all", { durationMs: 600, intervalMs: 200 });
    await eventually("the log's file", () => readdirSync(captured.directory).includes("consul.log"));
    const log = (): string => readFileSync(join(captured.directory, "consul.log"), "utf8");
    // Which is logged.
    const noise = setInterval(() => void agent.api("PUT", "agent/reload").catch(() => undefined), 50);
    await captured.done.finally(() => clearInterval(noise));
    expect(captured.missing).toEqual([]);
    expect(captured.counts).toEqual([0, 1, 2, 3]);
    expect(log()).toMatch(/^\d{4}-\d\d-\d\dT\S+ \[[A-Z]+\] /m);

    await archiveDirectory(captured.directory, Date.now());
    const archive = `${captured.directory}.tar.gz`;
    expect(statSync(archive).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir.path)).not.toContain("all");
    const unpacked = join(dir.path, "unpacked");
    mkdirSync(unpacked);
    expect(Bun.spawnSync(["tar", "xzf", archive, "-C", unpacked]).exitCode).toBe(0);
    const files = readdirSync(join(unpacked, "all")).toSorted();
    expect(files).toEqual(["agent.json", "consul.log", "host.json", "members.json", "metrics.json"]);
    const read = (name: string): string => readFileSync(join(unpacked, "all", name), "utf8");
    expect(JSON.parse(read("agent.json"))).toMatchObject({ Config: { NodeName: "vm-1" } });
    expect(JSON.parse(read("members.json"))).toMatchObject([{ Name: "vm-1" }]);
    expect(Object.keys(JSON.parse(read("host.json")))).toContain("Memory");
    expect(read("metrics.json").match(/"Timestamp"/g)).toHaveLength(4);
    for (const name of files) expect(read(name)).not.toContain(token);
  }, 20_000);

  test("ends early when it is told so, with what is there", async () => {
    const stop = new AbortController();
    const captured = startCapture("stopped", { durationMs: 60_000, intervalMs: 30_000, signal: stop.signal });
    await eventually("the first metrics", () => readdirSync(captured.directory).includes("metrics.json"));
    stop.abort();
    await captured.done;
    expect(captured.missing).toEqual([]);
    expect(readdirSync(captured.directory)).toContain("agent.json");
  }, 20_000);

  test("lacks what may not be read, and says so", async () => {
    const captured = startCapture("denied", { token: "00000000-0000-4000-8000-000000000002" });
    await captured.done;
    const targets = captured.missing.map((text) => text.split(":", 1)[0]).toSorted();
    expect(targets).toEqual(["agent", "host", "logs", "members", "metrics"]);
    expect(captured.missing.every((text) => text.includes("answered 403"))).toBe(true);
  }, 20_000);
});

describe("the command", () => {
  const debug = async (stop: AbortSignal, ...args: string[]) => {
    const io = createFakeIo();
    const flags = [`-http-addr=${address}`, `-token=${token}`];
    const code = await dispatch(["debug", ...flags, ...args], commands, { ...io, shutdownSignal: () => stop });
    return { code, out: io.out(), err: io.err() };
  };
  const never = new AbortController().signal;

  test("says what it does and leaves an archive, or the directory", async () => {
    const output = join(dir.path, "out");
    const stopped = AbortSignal.abort();
    const { code, out, err } = await debug(stopped, `-output=${output}`, "-capture=pprof", "-capture=metrics");
    expect([code, err]).toEqual([0, "there are no profiles (pprof)\n"]);
    expect(out).toMatch(
      /^==> Starting debugger and capturing static information...\n {5}Agent Version: '\S+'\n {10}Interval: '30s'\n {10}Duration: '5m0s'\n/,
    );
    expect(out).toEndWith(`    Saved debug archive: ${output}.tar.gz\n`);
    expect((await debug(stopped, `-output=${output}`)).err).toContain(`output is there already: ${output}.tar.gz`);
    const folder = join(dir.path, "folder");
    expect((await debug(stopped, `-output=${folder}`, "-archive=false", "-capture=metrics")).code).toBe(0);
    expect(JSON.parse(readFileSync(join(folder, "index.json"), "utf8"))).toMatchObject({
      Version: 1,
      Interval: "30s",
      Duration: "5m0s",
      Targets: ["metrics"],
    });
  });

  test.each([
    [["-duration=5s"], "duration must be at least 10s"],
    [["-interval=1s"], "interval must be at least 5s"],
    [["-duration=20s", "-interval=30s"], "duration (20s) must be longer than interval (30s)"],
    [["-duration=soon"], '-duration must be a duration such as "30s", found "soon"'],
    [["-capture=cpu"], "target not found: cpu; there are agent, host, logs, members, metrics"],
    [["-output=/tmp/ä"], "-output must end with a name of at most 80 letters, digits and signs"],
  ])("refuses %p", async (args, reason) => {
    expect(await debug(never, ...args)).toEqual({ code: 1, out: "", err: `error: ${reason}\n` });
  });

  test("says that there are no profiles", async () => {
    expect((await debug(never, "-h")).out).toContain("there are no profiles");
  });
});
