import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";

let dir: TempDir;
let holder: Server;
let takenPort: number;

beforeAll(async () => {
  dir = createTempDir();
  writeFileSync(join(dir.path, "file"), "");
  holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  const address = holder.address();
  takenPort = typeof address === "object" && address !== null ? address.port : 0;
});

afterAll(() => {
  holder.close();
  dir[Symbol.dispose]();
});

async function runAgent(...args: string[]): Promise<{ readonly code: number; readonly error: string }> {
  const atoll = join(import.meta.dirname, "..", "..", "bin", "atoll");
  const child = Bun.spawn({
    cmd: [atoll, "agent", ...args],
    cwd: dir.path,
    env: { ...process.env, TMPDIR: dir.path },
    stdout: "ignore",
    stderr: "pipe",
  });
  const [code, error] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  return { code, error };
}

test.each([
  ["the HTTP API", (port: number) => [`-http-port=${port}`, "-server-port=0"], "HTTP address"],
  ["DNS", (port: number) => ["-http-port=0", "-server-port=0", `-dns-port=${port}`], "DNS cannot listen on"],
  ["agents", (port: number) => ["-http-port=0", `-server-port=${port}`], "cannot listen for agents on"],
])(
  "a port in use for %s stops the start and names its holder",
  async (_what, flags, words) => {
    const { code, error } = await runAgent("-dev", ...flags(takenPort));
    expect(code).toBe(1);
    expect(error).toStartWith(`error: ${words} 127.0.0.1:${takenPort}`);
    if (process.platform === "linux") expect(error).toContain(`process ${process.pid} (`);
    // Nothing of the start is left behind.
    expect(readdirSync(dir.path)).toEqual(["file"]);
  },
  20_000,
);

test.each([
  ["a directory that is a file", ["-data-dir=file"], /^error: data_dir \S+file cannot be used: EEXIST/],
  ["settings that do not fit", ["-bootstrap-expect=1"], /^error: bootstrap_expect is 1, but only a server/],
  ["an unknown flag", ["-data-dri=x"], /^error: unknown flag -data-dri \(did you mean -data-dir\?\)/],
])(
  "%s is one line and exit code 1",
  async (_what, flags, message) => {
    const { code, error } = await runAgent("-join=127.0.0.1:1", "-bind=127.0.0.1", ...flags);
    expect(code).toBe(1);
    expect(error).toMatch(message);
    expect(error.trim().split("\n")).toHaveLength(1);
  },
  20_000,
);
