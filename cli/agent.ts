import { Registry } from "prom-client";
import { type AgentOptions, resolveAgentOptions } from "../agent/config/agent-options.ts";
import { type AgentSettings, mergeSettings } from "../agent/config/agent-settings.ts";
import { readConfigFiles } from "../agent/config/config-file.ts";
import { withJoinToken } from "../agent/config/join-token-file.ts";
import { errorMessage } from "../lib/base/errors.ts";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import { agentFlags, settingsOfFlags } from "./agent-flags.ts";
import { readHostFacts } from "./agent-process.ts";
import { type RunningAgent, startAgentProcess } from "./agent-start.ts";
import type { CliCommand, CommandIo } from "./command.ts";
import { formatUsage, parseFlags } from "./flags.ts";

/** How long an orderly end may take. */
const stopDeadlineMs = 8_000;

/** `atoll agent`: the agent of one node and, with `-server` or `-dev`, a server in the same process. */
export const agentCommand: CliCommand = {
  usage: formatUsage({
    synopsis: "atoll agent [options]",
    description:
      "Runs the agent of this node until it is told to stop. SIGHUP reads the services and checks of the configuration files again. SIGINT and SIGTERM end it: a client or -dev agent ends its proxies and leaves the catalog, a server leaves its proxies running for the next start (leave_on_terminate in a file changes that).",
    flags: agentFlags,
    examples: [
      "atoll agent -dev",
      "atoll agent -server -bootstrap-expect=1 -data-dir=/var/lib/atoll -bind=10.0.0.1",
      "atoll agent -server -bootstrap-expect=3 -join=10.0.0.1 -join=10.0.0.2 -join=10.0.0.3 -data-dir=/var/lib/atoll -bind=10.0.0.1",
      "atoll agent -join=10.0.0.1 -join-token-file=join-token -data-dir=/var/lib/atoll -bind=10.0.0.2",
    ],
  }),
  async run(args, io) {
    const shutdown = io.shutdownSignal();
    const { flags } = parseFlags({ args, flags: agentFlags });
    const paths = [...flags["config-file"], ...flags["config-dir"]];
    const fromFlags = settingsOfFlags(flags);
    const { options, warnings } = await readOptions(paths, fromFlags);
    const runtime: MeteredRuntime = {
      ...io.createRuntime({ component: "atoll", logLevel: options.logLevel, isLogJson: options.isLogJson }),
      metrics: new Registry(),
    };
    for (const warning of warnings) runtime.logger.warn(warning);
    const running = await startUnlessStopped({ runtime, options, io, shutdown });
    if (running === undefined) return 0;
    let isLeaving = options.leaveOnTerminate;
    const hangup = io.onHangup(() => void reload({ running, paths, fromFlags, runtime }));
    try {
      if (!options.isLogJson) io.stdout(running.banner);
      const left = running.leaving.then(() => {
        isLeaving = true;
      });
      await Promise.race([aborted(shutdown), running.failed, left]);
      runtime.logger.info("stopping", { isLeaving });
    } finally {
      hangup.close();
      await running.stop({ isLeaving, deadlineMs: stopDeadlineMs });
    }
    return 0;
  },
};

async function readOptions(
  paths: readonly string[],
  fromFlags: AgentSettings,
): Promise<{ readonly options: AgentOptions; readonly warnings: readonly string[] }> {
  const files = await readConfigFiles(paths);
  const settings = await withJoinToken(mergeSettings(files.settings, fromFlags));
  return { options: resolveAgentOptions(settings, readHostFacts()), warnings: files.warnings };
}

/** Undefined when the agent was told to stop before it was up: whatever then failed is of no interest. */
async function startUnlessStopped(start: {
  readonly runtime: MeteredRuntime;
  readonly options: AgentOptions;
  readonly io: CommandIo;
  readonly shutdown: AbortSignal;
}): Promise<RunningAgent | undefined> {
  try {
    return await startAgentProcess({ ...start, env: start.io.env });
  } catch (thrown) {
    if (start.shutdown.aborted) return undefined;
    throw thrown;
  }
}

/** A mistake in a file leaves everything as it was and is logged. */
async function reload(parts: {
  readonly running: RunningAgent;
  readonly paths: readonly string[];
  readonly fromFlags: AgentSettings;
  readonly runtime: MeteredRuntime;
}): Promise<void> {
  const { logger } = parts.runtime;
  try {
    const { options, warnings } = await readOptions(parts.paths, parts.fromFlags);
    for (const warning of warnings) logger.warn(warning);
    await parts.running.reload(options);
    logger.info("read the services and checks of the configuration files again");
  } catch (thrown) {
    logger.error("the configuration files were not taken over", { error: errorMessage(thrown) });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
