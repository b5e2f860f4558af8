import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { parseDockerHost, probeDocker } from "../../../agent/checks/docker-probe.ts";
import { probeOsService, stateResult } from "../../../agent/checks/os-service-probe.ts";
import { probeScript } from "../../../agent/checks/script-probe.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";

const never = new AbortController().signal;
const env = { PATH: process.env["PATH"] ?? "" };
const limits = { signal: never, outputMaxBytes: 4_096, env };

function script(line: string, more: object = {}) {
  return probeScript({ args: ["/bin/sh", "-c", line], timeoutMs: 30_000 }, { ...limits, ...more });
}

test.each([
  ["exit 0", "passing"],
  ["exit 1", "warning"],
  ["exit 2", "critical"],
  ["kill -TERM $$", "critical"],
] as const)("a script that does %j is %s", async (line, status) => {
  expect((await script(line)).status).toBe(status);
});

test("what a script writes to both outputs is kept, in order", async () => {
  const result = await script("echo one; echo two >&2; exit 1");
  expect(result).toEqual({ status: "warning", output: "one\ntwo\n" });
});

test("of much output the end is kept, and how much there was is said", async () => {
  const result = await script("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo end", {
    outputMaxBytes: 12,
  });
  expect(result).toEqual({ status: "passing", output: "Captured 12 of 220004 bytes\n...\n3456789\nend\n" });
});

test("a script sees the environment that it is given and nothing of the agent's", async () => {
  const result = await script("env | cut -d= -f1 | sort | tr '\\n' ' '");
  expect(
    result.output
      .trim()
      .split(" ")
      .filter((name) => !["PWD", "SHLVL", "_", "OLDPWD"].includes(name)),
  ).toEqual(["PATH"]);
});

test("a program that is not there is critical and says so", async () => {
  const result = await probeScript({ args: ["/nowhere/check"], timeoutMs: 1 }, limits);
  expect(result.status).toBe("critical");
  expect(result.output).toContain("ENOENT");
});

test("what takes too long is killed with all that it started", async () => {
  using dir = createTempDir();
  const pidFile = join(dir.path, "pid");
  const deadline = new AbortController();
  const running = probeScript(
    { args: ["/bin/sh", "-c", `sleep 1000 & echo $! > ${pidFile}; wait`], timeoutMs: 30_000 },
    { ...limits, signal: deadline.signal },
  );
  await eventually(
    "the script has started its child",
    () => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "",
  );
  const child = Number(readFileSync(pidFile, "utf8"));
  deadline.abort();
  expect(await running).toEqual({ status: "critical", output: "Timed out (30s) running check" });
  await eventually("the child is gone", () => !isRunning(child));
});

/** A process that was killed may stay as a zombie where nobody collects it. */
function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

test.each([
  ["LoadState=loaded\nActiveState=active\nSubState=running\n", "passing", 'Service "x" is healthy.'],
  [
    "LoadState=loaded\nActiveState=activating\nSubState=start\n",
    "warning",
    'Service "x" is not healthy: activating (start).',
  ],
  [
    "LoadState=loaded\nActiveState=failed\nSubState=failed\n",
    "critical",
    'Service "x" is not healthy: failed (failed).',
  ],
  ["LoadState=not-found\nActiveState=inactive\nSubState=dead\n", "critical", 'Service "x" was not found.'],
] as const)("systemd's %j is %s", (text, status, output) => {
  expect(stateResult("x", text, 4_096)).toEqual({ status, output });
});

test("where there is no systemd an os_service check is critical and says what is missing", async () => {
  const result = await probeOsService({ service: "x" }, { ...limits, env: { PATH: "/nowhere" } });
  expect(result.status).toBe("critical");
  expect(result.output).toMatch(/systemd|systemctl/i);
});

/** As much of Docker's API as a check asks for, on a unix socket. */
async function fakeDocker(path: string, container: { readonly exitCode: number; readonly output: string }) {
  const commands: unknown[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    const json = (status: number, value: object): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
    switch (`${request.method} ${request.url}`) {
      case "POST /containers/web%2F1/exec":
        commands.push(JSON.parse(body));
        json(201, { Id: "e1" });
        return;
      case "POST /exec/e1/start": {
        response.writeHead(200, { "content-type": "application/vnd.docker.raw-stream" });
        for (const part of container.output.match(/.{1,5}/gs) ?? []) {
          const head = Buffer.alloc(8);
          head[0] = 1;
          head.writeUInt32BE(Buffer.byteLength(part), 4);
          response.write(Buffer.concat([head, Buffer.from(part)]));
        }
        response.end();
        return;
      }
      case "GET /exec/e1/json":
        json(200, { ExitCode: container.exitCode, Running: false });
        return;
      default:
        json(404, { message: "No such container: other" });
    }
  };
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => answer(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { commands, close: () => new Promise((resolve) => server.close(resolve)) };
}

test("a Docker check runs its command in the container and takes its exit code", async () => {
  using dir = createTempDir();
  const socketPath = join(dir.path, "docker.sock");
  const docker = await fakeDocker(socketPath, { exitCode: 1, output: "disk is 91 % full" });
  const more = { ...limits, docker: { socketPath } };
  const result = await probeDocker({ container: "web/1", args: ["/check", "--disk"] }, more);
  expect(result).toEqual({ status: "warning", output: "disk is 91 % full" });
  expect(docker.commands).toEqual([
    { AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: false, Cmd: ["/check", "--disk"] },
  ]);
  const short = await probeDocker({ container: "web/1", args: ["/c"] }, { ...more, outputMaxBytes: 8 });
  expect(short.output).toBe("Captured 8 of 17 bytes\n...\n1 % full");
  const other = await probeDocker({ container: "other", args: ["/c"] }, more);
  expect(other.status).toBe("critical");
  expect(other.output).toContain("create exec failed for container other: status code: 404");
  await docker.close();
});

test("a Docker check without Docker is critical", async () => {
  const docker = { socketPath: "/nowhere/docker.sock" };
  const result = await probeDocker({ container: "c", args: ["/c"] }, { ...limits, docker });
  expect(result.status).toBe("critical");
  expect(result.output).not.toBe("");
});

test.each([
  ["", { socketPath: "/var/run/docker.sock" }],
  ["unix:///run/user/1/docker.sock", { socketPath: "/run/user/1/docker.sock" }],
  ["tcp://127.0.0.1:2375", { host: "127.0.0.1", port: 2_375 }],
  ["ssh://host", undefined],
])("DOCKER_HOST %j is %j", (text, address) => {
  expect(parseDockerHost(text)).toEqual(address);
});
