import { join } from "node:path";
import { systemProcesses } from "../../agent/proxies/processes.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { eventually } from "../fakes/eventually.ts";

const atoll = join(import.meta.dirname, "..", "..", "bin", "atoll");
const startTimeoutMs = 40_000;
const exitTimeoutMs = 20_000;

/** A real `atoll agent` process and its HTTP API. */
export interface AgentProcess {
  readonly pid: number;
  readonly output: () => string;
  hangUp(): void;
  /** Calls the API; the answer's JSON, or its text when it is none. Rejects for anything but 2xx. */
  api(method: "GET" | "PUT" | "DELETE", path: string, body?: unknown): Promise<unknown>;
  /** Sends a signal and resolves with the exit code when the process has ended. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null>;
}

/** Starts an agent and waits for its API. Its first port is HTTP; without a port for them there is no DNS, and no gRPC without a file that may ask for it. */
export async function startAgentProcess(options: {
  readonly args: readonly string[];
  readonly httpPort: number;
  /** Sent with every call of `api`. */
  readonly token?: string;
}): Promise<AgentProcess> {
  const isSet = (flag: string): boolean => options.args.some((arg) => arg.startsWith(flag));
  const others = [...(isSet("-dns-port") ? [] : ["-dns-port=-1"]), ...(isSet("-config-file") ? [] : ["-grpc-port=-1"])];
  const child = Bun.spawn({
    cmd: [atoll, "agent", ...options.args, `-http-port=${options.httpPort}`, ...others],
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) output += decoder.decode(chunk, { stream: true });
  };
  void collect(child.stdout);
  void collect(child.stderr);
  const api: AgentProcess["api"] = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${options.httpPort}/v1/${path}`, {
      method,
      ...(options.token !== undefined && { headers: { "X-Consul-Token": options.token } }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return response.headers.get("content-type")?.includes("json") === true ? JSON.parse(text) : text;
  };
  await eventually(
    "the agent's API",
    async () => {
      if (child.exitCode !== null) throw new Error(`the agent ended with ${child.exitCode}: ${output}`);
      return await api("GET", "agent/self").catch(() => undefined);
    },
    startTimeoutMs,
  ).catch((thrown: unknown) => {
    child.kill("SIGKILL");
    throw new Error(`${thrown instanceof Error ? thrown.message : String(thrown)}\n${output}`);
  });
  return {
    pid: child.pid,
    output: () => output,
    hangUp: () => child.kill("SIGHUP"),
    api,
    async end(signal) {
      child.kill(signal);
      const timeout = Bun.sleep(exitTimeoutMs).then(() => {
        throw new Error(`the agent did not end after ${signal}: ${output}`);
      });
      return await Promise.race([child.exited, timeout]);
    },
  };
}

/** Every proxy process of the agent that keeps its data below `dataDir`, by reading all command lines. */
export async function proxyPids(dataDir: string): Promise<Map<string, number>> {
  const list = Bun.spawnSync(["ps", "-eo", "pid=,args="]).stdout.toString().split("\n");
  const pids = new Map<string, number>();
  for (const line of list) {
    const match = new RegExp(`^\\s*(\\d+) .* proxy --agent-socket ${dataDir}\\S* --id (\\S+)`).exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) pids.set(match[2], Number(match[1]));
  }
  return pids;
}

/** Kills what a failed test may have left. */
export async function killProxies(dataDir: string): Promise<void> {
  for (const pid of (await proxyPids(dataDir)).values()) systemProcesses.kill(pid, "SIGKILL");
}

/** The ports of web and api with their sidecars, free at this moment. */
export interface MeshPorts {
  readonly http: number;
  readonly rpc: number;
  readonly api: number;
  readonly apiSidecar: number;
  readonly apiAdmin: number;
  readonly webSidecar: number;
  readonly webAdmin: number;
  /** Where web's proxy takes calls to api. */
  readonly upstream: number;
}

export async function findMeshPorts(): Promise<MeshPorts> {
  const [http = 0, rpc = 0, api = 0, apiSidecar = 0, apiAdmin = 0, webSidecar = 0, webAdmin = 0, upstream = 0] =
    await findFreePorts("127.0.0.1", 8);
  return { http, rpc, api, apiSidecar, apiAdmin, webSidecar, webAdmin, upstream };
}

/** The bodies that register api, and web with api as its upstream, each with a managed sidecar. */
export function registrations(ports: MeshPorts): { readonly api: object; readonly web: object } {
  const admin = (port: number): object => ({ admin_bind_address: "127.0.0.1", admin_bind_port: port });
  // The default check looks after up to 10 s for the first time.
  const checks = (port: number): object[] => [{ Name: "listens", TCP: `127.0.0.1:${port}`, Interval: "1s" }];
  return {
    api: {
      Name: "api",
      Port: ports.api,
      Connect: {
        SidecarService: {
          Port: ports.apiSidecar,
          Checks: checks(ports.apiSidecar),
          Proxy: { Config: admin(ports.apiAdmin) },
        },
      },
    },
    web: {
      Name: "web",
      Port: 1,
      Connect: {
        SidecarService: {
          Port: ports.webSidecar,
          Checks: checks(ports.webSidecar),
          Proxy: {
            Config: admin(ports.webAdmin),
            Upstreams: [{ DestinationName: "api", LocalBindPort: ports.upstream }],
          },
        },
      },
    },
  };
}

/** One call of web to api through both proxies; the answer's text, or undefined when it did not get through. */
export async function callApi(ports: MeshPorts): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${ports.upstream}/hello`, {
      // A connection that is kept would only be waited for when its proxy drains.
      headers: { connection: "close" },
      signal: AbortSignal.timeout(5_000),
    });
    return response.ok ? await response.text() : undefined;
  } catch {
    return undefined;
  }
}

/** The intention from web to api, as `consul intention create` writes it. */
export async function setIntention(agent: AgentProcess, action: "allow" | "deny"): Promise<void> {
  await agent.api("PUT", "connect/intentions/exact?source=web&destination=api", {
    SourceName: "web",
    DestinationName: "api",
    SourceType: "consul",
    Action: action,
  });
}
