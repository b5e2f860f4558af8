import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commands } from "../../cli/commands.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";
import { createFakeIo } from "./fake-io.ts";

/** The commands as a person sees them: what they print and their exit codes, against a real agent. */
let agent: AgentProcess;
let address: string;
let dir: TempDir;

beforeAll(async () => {
  dir = createTempDir();
  const [httpPort = 0] = await findFreePorts("127.0.0.1", 1);
  address = `127.0.0.1:${httpPort}`;
  agent = await startAgentProcess({
    httpPort,
    args: ["-dev", "-node=vm-1", "-server-port=0", "-sidecar-min-port=24000"],
  });
}, 40_000);

afterAll(async () => {
  await agent?.end("SIGKILL");
  dir[Symbol.dispose]();
});

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function consul(...args: string[]): Promise<Result> {
  const io = createFakeIo();
  const env = { ...process.env, CONSUL_HTTP_ADDR: address };
  const code = await dispatch(args, commands, { ...io, env, program: "consul" });
  return { code, out: io.out(), err: io.err() };
}

const prints = (out: string): Result => ({ code: 0, out, err: "" });

function write(name: string, text: string): string {
  const path = join(dir.path, name);
  writeFileSync(path, text);
  return path;
}

test("services are registered from files and flags, listed, and deregistered", async () => {
  const file = write(
    "web.hcl",
    'service { name = "web" id = "web1" port = 80 tags = ["v1", "eu"] check { ttl = "10s" } }',
  );
  expect(await consul("services", "register", file)).toEqual(prints("Registered service: web\n"));
  expect(await consul("services", "register", "-name=api", "-port=81", "-meta", "k=v")).toEqual(
    prints("Registered service: api\n"),
  );
  await eventually(
    "both in the catalog",
    async () => (await consul("catalog", "services")).out === "api\nweb\n" || undefined,
  );
  expect(await consul("catalog", "services", "-tags")).toEqual(prints("api\nweb  eu,v1\n"));
  expect(await consul("catalog", "services", "-node=vm-1", "-tags")).toEqual(prints("api\nweb  eu,v1\n"));
  expect((await consul("catalog", "nodes", "-service=web")).out).toMatch(
    /^Node {2}ID {8}Address {4}DC\nvm-1 {2}\w{8} {2}127\.0\.0\.1 {2}dc1\n$/,
  );
  expect(await consul("catalog", "nodes", "-node-meta=rack=7")).toEqual(
    prints("No nodes match the given query - try expanding your search.\n"),
  );
  expect(await consul("catalog", "datacenters")).toEqual(prints("dc1\n"));
  expect(await consul("services", "deregister", "-id=api")).toEqual(prints("Deregistered service: api\n"));
  expect(await consul("services", "deregister", file)).toEqual(prints("Deregistered service: web1\n"));
});

test("intentions are created, checked, changed and deleted, with Consul's exit codes", async () => {
  expect(await consul("intention", "list")).toEqual({ code: 0, out: "", err: "There are no intentions.\n" });
  expect(await consul("intention", "create", "web", "db")).toEqual(prints("Created: web => db (allow)\n"));
  expect(await consul("intention", "check", "web", "db")).toEqual(prints("Allowed\n"));
  const again = await consul("intention", "create", "-deny", "web", "db");
  expect(again.code).toBe(1);
  expect(again.err).toStartWith('error: Error creating intention "web => db (deny)": ');
  expect(await consul("intention", "create", "-deny", "-replace", "web", "db")).toEqual(
    prints("Created: web => db (deny)\n"),
  );
  expect(await consul("intention", "check", "web", "db")).toEqual({ code: 2, out: "Denied\n", err: "" });
  expect((await consul("intention", "get", "web", "db")).out).toBe(
    "Source:         web\nDestination:    db\nAction:         deny\n",
  );
  expect(await consul("intention", "match", "db")).toEqual(prints("web => db (deny)\n"));
  expect((await consul("intention", "list")).out).toBe(
    "ID  Source  Action  Destination  Precedence\n    web     deny    db           9\n",
  );
  expect(await consul("intention", "delete", "web", "db")).toEqual(prints("Intention deleted.\n"));
  expect((await consul("intention", "get", "web", "db")).code).toBe(1);
});

test("config entries are written from HCL, read, listed and deleted, with compare-and-set", async () => {
  const file = write("web-defaults.hcl", 'Kind = "service-defaults" Name = "web" Protocol = "http"');
  expect(await consul("config", "write", file)).toEqual(prints("Config entry written: service-defaults/web\n"));
  const which = ["-kind=service-defaults", "-name", "web"];
  expect(JSON.parse((await consul("config", "read", ...which)).out)).toMatchObject({ Name: "web", Protocol: "http" });
  expect(await consul("config", "list", "-kind=service-defaults")).toEqual(prints("web\n"));
  expect(await consul("config", "write", "-cas", "-modify-index=1", file)).toEqual({
    code: 1,
    out: "",
    err: "error: Config entry not updated: service-defaults/web\n",
  });
  expect(await consul("config", "delete", ...which)).toEqual(prints("Config entry deleted: service-defaults/web\n"));
  const gone = await consul("config", "read", ...which);
  expect([gone.code, gone.err]).toEqual([
    1,
    `error: http://${address} answered 404: Config entry not found for "service-defaults" / "web"\n`,
  ]);
  expect((await consul("config", "read")).err).toBe("error: Must specify the -kind parameter\n");
});

test("a watch prints what is there, or runs a handler at once and after each change", async () => {
  expect(await consul("watch", "-type=key", "-key=app/a")).toEqual(prints("null\n"));
  const seen = join(dir.path, "seen");
  const child = Bun.spawn({
    cmd: [
      join(import.meta.dirname, "..", "..", "bin", "atoll"),
      "watch",
      "-type=key",
      "-key=app/a",
      `(echo "$CONSUL_INDEX"; cat) >> ${seen}; echo done >> ${seen}`,
    ],
    env: { ...process.env, ATOLL_HTTP_ADDR: address },
    stdout: "ignore",
    stderr: "ignore",
  });
  const runs = (count: number) => async () =>
    (existsSync(seen) && readFileSync(seen, "utf8").split("done\n").length > count) || undefined;
  await eventually("the first run", runs(1), 10_000);
  await fetch(`http://${address}/v1/kv/app/a`, { method: "PUT", body: "hello" });
  await eventually("the run after the change", runs(2), 10_000);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  const [, second = ""] = readFileSync(seen, "utf8").split("done\n");
  const [index = "", body = ""] = second.split("\n");
  expect(Number(index)).toBeGreaterThan(0);
  expect(JSON.parse(body)).toMatchObject({ Key: "app/a", Value: Buffer.from("hello").toString("base64") });
});

test("events, figures and autopilot are Consul's commands", async () => {
  expect((await consul("event", "-name=deploy", "v2")).out).toMatch(/^Event ID: [0-9a-f-]{36}\n$/);
  expect((await consul("info")).out).toContain("agent:\n\tcheck_monitors = 0\n");
  expect((await consul("operator", "autopilot", "set-config", "-min-quorum=1")).out).toBe("Configuration updated!\n");
  expect((await consul("operator", "autopilot", "get-config")).out).toContain("MinQuorum = 1\n");
  expect((await consul("operator", "autopilot", "state")).out).toStartWith("Healthy:           true\n");
  expect((await consul("keygen")).out).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
});

test("a configuration is validated as a start would, and what is wrong is named", async () => {
  const good = write("good.hcl", 'data_dir = "/tmp/x" bind_addr = "127.0.0.1" colour = "red"');
  expect(await consul("validate", good)).toEqual({
    code: 0,
    out: "Configuration is valid!\n",
    err: `warning: config file ${good}: "colour" is not a known key and is ignored\n`,
  });
  const bad = write("bad.json", '{ "data_dir": "/tmp/x", "bind_addr": "web" }');
  expect(await consul("validate", bad)).toEqual({
    code: 1,
    out: "",
    err: 'error: Config validation failed: bind_addr must be an IP address, found "web"\n',
  });
});

test("under the name consul the texts say so, and the version is the one that scripts compare", async () => {
  expect((await consul("catalog", "nodes", "--help")).out).toStartWith("Usage: consul catalog nodes [options]\n");
  expect((await consul("version")).out).toMatch(/^Consul v1\.\d+\.\d+\nAtoll v/);
  expect(JSON.parse((await consul("version", "-format=json")).out)).toMatchObject({
    Version: "1.21.4",
    Prerelease: "",
  });
  expect((await consul("exec", "ls")).err).toStartWith('error: this version has no command "exec": there is no remote');
});

test("the round trip between two nodes is estimated from where they are", async () => {
  const far = { Node: "far", Address: "10.0.0.9" };
  const Coord = { Vec: [0.03, 0, 0, 0, 0, 0, 0, 0], Error: 0.1, Adjustment: 0, Height: 0.001 };
  await agent.api("PUT", "catalog/register", far);
  expect(await consul("rtt", "far")).toMatchObject({ code: 1, err: expect.stringContaining('for node "far"') });
  await agent.api("PUT", "coordinate/update", { Node: "far", Coord });
  // A server that has nobody to measure its way to is at the origin.
  const out = "Estimated far <-> vm-1 rtt: 31.010 ms (using LAN coordinates)\n";
  await eventually("the agent's own place", async () => (await consul("rtt", "far")).code === 0);
  expect(await consul("rtt", "far")).toEqual(prints(out));
  expect(await consul("rtt", "far", "FAR")).toEqual(
    prints("Estimated far <-> FAR rtt: 2.000 ms (using LAN coordinates)\n"),
  );
  expect(await consul("rtt")).toMatchObject({ code: 1, err: expect.stringContaining("One or two node names") });
  expect((await consul("rtt", "-wan", "far")).err).toContain("<node name>.<datacenter> with -wan");
  expect((await consul("rtt", "-wan", "far.dc1")).err).toContain('Could not find a coordinate for node "far.dc1"');
});
