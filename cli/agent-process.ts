import { mkdtemp, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { hostname } from "node:os";
import { join } from "node:path";
import { type DockerAddress, parseDockerHost } from "../agent/checks/docker-probe.ts";
import type { HostFacts } from "../agent/config/agent-options.ts";
import type { ProxyLaunch } from "../agent/proxy-sessions.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { buildInfo } from "./build-info.ts";
import { thisProgram } from "./this-program.ts";

/** What an agent takes from its process and machine, read in one place. */
export function readHostFacts(): HostFacts {
  const interfaces = Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? []).map(({ address, cidr, internal }) => ({
      name,
      address,
      prefixBits: Number(cidr?.split("/")[1] ?? 0),
      isLoopback: internal,
    })),
  );
  return {
    hostName: hostname(),
    addresses: interfaces.filter((one) => !one.isLoopback).map((one) => one.address),
    interfaces,
    workingDir: process.cwd(),
  };
}

/** Names of variables that hold secrets of the agent: a proxy has no use for them. */
const secretVariables = /TOKEN|SECRET|PASSWORD/i;

/** Proxies run from the same executable, or from the same sources on the same runtime, as this process. */
export function proxyLaunch(options: {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly exitWithAgent: boolean;
}): ProxyLaunch {
  return {
    program: thisProgram(),
    revision: buildInfo.revision,
    env: Object.fromEntries(Object.entries(options.env).filter(([name]) => !secretVariables.test(name))),
    exitWithAgent: options.exitWithAgent,
  };
}

/** Variables that programs of checks get to see. The agent's own hold tokens, and settings that are none of theirs. */
const checkVariables = /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR)$/;

export function checkEnvironment(env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  const kept = Object.entries(env).filter(([name]) => checkVariables.test(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? ""]));
}

/** As Docker's own client finds its daemon. */
export function dockerAddress(env: Readonly<Record<string, string | undefined>>): DockerAddress {
  const text = env["DOCKER_HOST"] ?? "";
  const address = parseDockerHost(text);
  if (address !== undefined) return address;
  throw new AtollError("CONFIG_INVALID", `DOCKER_HOST must be unix:///path or tcp://host:port, found "${text}"`);
}

export const temporaryDir: string = tmpdir();

/** The user that owns what this process makes; 0 where there are no such numbers. */
export const userId: number = process.getuid?.() ?? 0;

/** The data directory of a `-dev` agent, gone when it is disposed of. */
export async function createTemporaryDataDir(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(temporaryDir, "atoll-dev-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
