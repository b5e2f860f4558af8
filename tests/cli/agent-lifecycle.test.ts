import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestAuthority } from "../fakes/certificates.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";

/** A real agent under the name `consul`, started from files, reloaded and stopped as a service manager does. */
let dir: TempDir;
const authority = new TestAuthority();
let agent: Bun.Subprocess<"ignore", "pipe", "pipe"> | undefined;
let output = "";

const startTimeoutMs = 30_000;
const file = (name: string): string => join(dir.path, name);

function writeLeaf(name: string): void {
  const leaf = authority.leaf(name, { dnsNames: ["localhost"] });
  writeFileSync(file("api.crt"), leaf.certPem);
  writeFileSync(file("api.key"), leaf.keyPem);
}

function writeConfig(logLevel: string, service: string): void {
  writeFileSync(
    file("10-agent.hcl"),
    `node_name = "vm-1"
     server = true
     bootstrap = true
     data_dir = "${file("data")}"
     bind_addr = "127.0.0.1"
     addresses { http = "127.0.0.1 unix://${file("api.sock")}" }
     ports { http = 0 https = 0 server = 0 serf_lan = 8301 dns = -1 grpc = -1 }
     tls { defaults { cert_file = "${file("api.crt")}" key_file = "${file("api.key")}" } }
     log_level = "${logLevel}"
     log_file = "${file("log")}/"
     pid_file = "${file("agent.pid")}"
     skip_leave_on_interrupt = true
     raft_protocol = 3
     config_entries { bootstrap { kind = "service-defaults" name = "web" protocol = "http" } }
     colour = "blue"`,
  );
  writeFileSync(file("20-services.json"), JSON.stringify({ service: { name: service, port: 8080 } }));
}

beforeAll(async () => {
  dir = createTempDir();
  writeLeaf("first");
  writeConfig("INFO", "web");
  symlinkSync(join(import.meta.dirname, "..", "..", "bin", "atoll"), file("consul"));
  agent = Bun.spawn({
    cmd: [file("consul"), "agent", "--config-file", file("10-agent.hcl"), "-config-file", file("20-services.json")],
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  for (const stream of [agent.stdout, agent.stderr]) {
    void (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of stream) output += decoder.decode(chunk, { stream: true });
    })();
  }
  await seen("agent running");
}, startTimeoutMs);

afterAll(() => {
  agent?.kill("SIGKILL");
  dir[Symbol.dispose]();
});

async function seen(text: string): Promise<void> {
  await eventually(`"${text}" in ${output}`, async () => output.includes(text) || undefined, startTimeoutMs);
}

function url(scheme: string): string {
  const found = new RegExp(`HTTP API: (${scheme}://[\\d.:]+)`).exec(output)?.[1];
  if (found === undefined) throw new Error(`no ${scheme} address in ${output}`);
  return found;
}

async function services(base: string, how: BunFetchRequestInit = {}): Promise<string[]> {
  const body: unknown = await (await fetch(`${base}/v1/agent/services`, how)).json();
  return Object.keys(typeof body === "object" && body !== null ? body : {});
}

test("its listeners are there, and the log tells which keys are unknown and which have no effect", async () => {
  expect(await services(url("http"))).toEqual(["web"]);
  const tls = { ca: authority.root.certPem, serverName: "localhost" };
  expect(await services(url("https"), { tls })).toEqual(["web"]);
  expect(await services("http://x", { unix: file("api.sock") })).toEqual(["web"]);
  expect(output).toContain('10-agent.hcl: "colour" is not a known key and is ignored');
  expect(output).toContain('"raft_protocol" has no effect: Atoll\'s Raft has timers and storage of its own');
  expect(output).toContain('"ports.serf_lan" has no effect: nodes hold leases with the servers');
});

test("the config entries of the configuration are written", async () => {
  const entry = await eventually("the entry", async () => {
    const answer = await fetch(`${url("http")}/v1/config/service-defaults/web`);
    return answer.ok ? await answer.text() : undefined;
  });
  expect(JSON.parse(entry)).toMatchObject({ Kind: "service-defaults", Name: "web", Protocol: "http" });
});

test("the pid file and the log file are written, the latter under the name that it was started by", async () => {
  expect(readFileSync(file("agent.pid"), "utf8")).toMatch(/^\d+$/);
  const [log = "", ...more] = readdirSync(file("log"));
  expect(more).toEqual([]);
  expect(log).toMatch(/^consul-\d+\.log$/);
  expect(readFileSync(join(file("log"), log), "utf8")).toContain("the HTTP API is up");
});

test("SIGHUP takes over services, the log level and certificates, and keeps all when a file is wrong", async () => {
  writeLeaf("second");
  writeConfig("DEBUG", "web2");
  process.kill(Number(readFileSync(file("agent.pid"), "utf8")), "SIGHUP");
  await seen("read the configuration files again");
  expect(await services(url("http"))).toEqual(["web2"]);
  const port = new URL(url("https")).port;
  const shown = Bun.spawnSync(["openssl", "s_client", "-connect", `127.0.0.1:${port}`], { stdin: Buffer.from("") });
  expect(shown.stdout.toString()).toMatch(/subject=\s*CN\s*=\s*second/);
  writeFileSync(file("20-services.json"), "{");
  process.kill(Number(readFileSync(file("agent.pid"), "utf8")), "SIGHUP");
  await seen("the configuration files were not taken over");
  expect(await services(url("http"))).toEqual(["web2"]);
});

test("SIGINT stops it within seconds, and nothing is left of its files", async () => {
  const pid = Number(readFileSync(file("agent.pid"), "utf8"));
  const startedMs = performance.now();
  process.kill(pid, "SIGINT");
  expect(await agent?.exited).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  expect(output).toContain("stopping: isLeaving=false");
  expect([existsSync(file("agent.pid")), existsSync(file("api.sock"))]).toEqual([false, false]);
});
