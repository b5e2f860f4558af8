import { expect, test } from "bun:test";
import { proxyArguments, proxyDirName, proxyIdOf } from "../../../agent/proxies/proxy-command.ts";

const options = { socketPath: "/data/agent.sock", proxyId: "web-sidecar-proxy", exitWithAgent: false };

test("a process is known again by the arguments that it was started with", () => {
  for (const exitWithAgent of [false, true]) {
    const commandLine = ["/usr/bin/bun", "cli/main.ts", ...proxyArguments({ ...options, exitWithAgent })];
    expect(proxyIdOf(commandLine, "/data/agent.sock")).toBe("web-sidecar-proxy");
    expect(proxyIdOf(commandLine, "/other/agent.sock")).toBeUndefined();
  }
});

test.each([
  ["another program", ["/usr/bin/nginx", "-c", "proxy"]],
  ["a proxy that runs from a file", ["atoll", "proxy", "-config", "proxy.json"]],
  ["no arguments", []],
])("%s is nobody's proxy", (_what, commandLine) => {
  expect(proxyIdOf(commandLine, "/data/agent.sock")).toBeUndefined();
});

test("a directory's name is one path segment, and different for different ids", () => {
  const long = "x".repeat(300);
  const ids = ["web", "..", ".", "a/b", "a%2fb", "é", "\u{1f600}", "\u{1f601}", "", long, `${long}y`];
  const names = ids.map(proxyDirName);
  expect(new Set(names).size).toBe(ids.length);
  for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_%~-]{0,200}$/);
  expect(proxyDirName("web-sidecar-proxy")).toBe("web-sidecar-proxy");
});
