import { AtollError } from "../lib/contract/error-codes.ts";
import { type RunProxyOptions, runProxyFromAgent, runProxyFromFile } from "../proxy/run.ts";
import type { CliCommand } from "./command.ts";
import { formatUsage, parseFlags } from "./flags.ts";

const flags = {
  config: { type: "string", placeholder: "file", summary: "Run from this ProxyConfig file (JSON), without any agent." },
  "agent-socket": {
    type: "string",
    placeholder: "path",
    summary: "Take the configuration from the agent on this socket.",
  },
  id: { type: "string", placeholder: "proxy id", summary: "With -agent-socket: service ID of the sidecar." },
  "exit-with-agent": { type: "boolean", summary: "With -agent-socket: end when the agent goes away." },
  "log-level": { type: "string", placeholder: "level", summary: "trace, debug, info (the default), warn or error." },
  "log-json": { type: "boolean", summary: "Log one JSON object per line." },
} as const;

/** `atoll proxy`: one data plane process. */
export const proxyCommand: CliCommand = {
  usage: formatUsage({
    synopsis: "atoll proxy -config=<file> | -agent-socket=<path> -id=<proxy id>",
    description:
      "Runs one proxy. With a file it reads it again on SIGHUP and whenever it or a certificate in it changes; a configuration that cannot be used is refused whole and the previous one stays in force. SIGTERM lets requests under way finish.",
    flags,
    examples: ["atoll proxy -config=proxy.json", "curl http://127.0.0.1:19000/metrics"],
  }),
  async run(args, io) {
    const given = parseFlags({ args, flags }).flags;
    const runtime = io.createRuntime({
      component: "proxy",
      logLevel: given["log-level"] ?? "info",
      isLogJson: given["log-json"] ?? false,
    });
    const options: RunProxyOptions = {
      runtime,
      shutdown: io.shutdownSignal(),
      onHangup: (listener) => io.onHangup(listener),
      residentBytes: () => process.memoryUsage.rss(),
    };
    const { config, id } = given;
    const socketPath = given["agent-socket"];
    if (config !== undefined && socketPath === undefined) await runProxyFromFile(config, options);
    else if (config === undefined && socketPath !== undefined && id !== undefined) {
      const exitsWithAgent = given["exit-with-agent"] ?? false;
      await runProxyFromAgent({ socketPath, proxyId: id, pid: process.pid, exitsWithAgent }, options);
    } else {
      throw new AtollError("INVALID_ARGUMENT", "give either -config, or -agent-socket together with -id");
    }
    return 0;
  },
};
