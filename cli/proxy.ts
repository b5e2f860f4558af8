import { systemErrorCode } from "../lib/base/errors.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { type RunProxyOptions, runProxyFromAgent, runProxyFromFile } from "../proxy/run.ts";
import type { MemoryUsage } from "../proxy/telemetry/proxy-families.ts";
import { runWorker } from "../proxy/workers/run-worker.ts";
import { buildInfo } from "./build-info.ts";
import type { CliCommand } from "./command.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import { explainCommand } from "./proxy-explain.ts";
import { thisProgram } from "./this-program.ts";
import { processChannel } from "./worker-channel.ts";

const flags = {
  config: { type: "string", placeholder: "file", summary: "Run from this ProxyConfig file (JSON), without any agent." },
  "agent-socket": {
    type: "string",
    placeholder: "path",
    summary: "Take the configuration from the agent on this socket.",
  },
  id: { type: "string", placeholder: "proxy id", summary: "With -agent-socket: service ID of the sidecar." },
  replace: {
    type: "string",
    placeholder: "pid",
    summary: "Take over from this running proxy with the same addresses; it drains once this one serves.",
  },
  "exit-with-agent": { type: "boolean", summary: "With -agent-socket: end when the agent goes away." },
  "log-level": { type: "string", placeholder: "level", summary: "trace, debug, info (the default), warn or error." },
  "log-json": { type: "boolean", summary: "Log one JSON object per line." },
  worker: { type: "boolean", summary: "For processes that a proxy with several workers starts itself." },
} as const;

/** `atoll proxy`: one data plane process. */
export const proxyCommand: CliCommand = {
  usage: formatUsage({
    synopsis: "atoll proxy -config=<file> | -agent-socket=<path> -id=<proxy id>",
    description:
      "Runs one proxy. With a file it reads it again on SIGHUP and whenever it or a certificate in it changes; a configuration that cannot be used is refused whole and the previous one stays in force. SIGTERM lets requests under way finish, for drainTimeoutMs at most. SIGUSR2, or POST /restart on the admin address, starts a new process from the executable as it is now; it takes over without losing a connection. With an agent it is the agent that starts it.",
    flags,
    examples: [
      "atoll proxy -config=proxy.json",
      "curl http://127.0.0.1:19000/metrics",
      "atoll proxy explain -config=proxy.json GET http://web/   # what it would do; see atoll proxy explain --help",
    ],
  }),
  usageOf: (args) => (args[0] === "explain" ? explainCommand.usage : proxyCommand.usage),
  async run(args, io) {
    if (args[0] === "explain") return await explainCommand.run(args.slice(1), io);
    const given = parseFlags({ args, flags }).flags;
    const logLevel = given["log-level"] ?? "info";
    const isLogJson = given["log-json"] ?? false;
    const runtime = io.createRuntime({ component: "proxy", logLevel, isLogJson });
    const shutdown = io.shutdownSignal();
    const memoryUsage = (): MemoryUsage => process.memoryUsage();
    if (given.worker === true) {
      await runWorker({ runtime, shutdown, memoryUsage, channel: processChannel() });
      return 0;
    }
    const replaces = given.replace === undefined ? undefined : readPid(given.replace);
    const options: RunProxyOptions = {
      runtime,
      shutdown,
      onHangup: (listener) => io.onHangup(listener),
      onReplaceSignal: (listener) => io.onReplaceSignal(listener),
      memoryUsage,
      program: { command: thisProgram(), env: io.env },
      logFlags: [`-log-level=${logLevel}`, ...(isLogJson ? ["-log-json"] : [])],
      ...(replaces === undefined ? {} : { replaces }),
    };
    const { config, id } = given;
    const socketPath = given["agent-socket"];
    if (config !== undefined && socketPath === undefined) {
      const ownArgs = ["proxy", `-config=${config}`, ...options.logFlags];
      await runProxyFromFile({ path: config, args: ownArgs, pid: process.pid, endPredecessor: tellToEnd }, options);
    } else if (config === undefined && socketPath !== undefined && id !== undefined) {
      const exitsWithAgent = given["exit-with-agent"] ?? false;
      const { revision } = buildInfo;
      await runProxyFromAgent({ socketPath, proxyId: id, pid: process.pid, revision, exitsWithAgent }, options);
    } else {
      throw new AtollError("INVALID_ARGUMENT", "give either -config, or -agent-socket together with -id");
    }
    return 0;
  },
};

/** One that is gone already needs no telling. */
function tellToEnd(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch (thrown) {
    if (systemErrorCode(thrown) !== "ESRCH") throw thrown;
  }
}

function readPid(text: string): number {
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (pid > 1) return pid;
  throw new AtollError("INVALID_ARGUMENT", `-replace must be the process id of a running proxy, found "${text}"`);
}
