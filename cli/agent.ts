import { Registry } from "prom-client";
import { type AgentOptions, resolveAgentOptions } from "../agent/config/agent-options.ts";
import { mergeSettings } from "../agent/config/agent-settings.ts";
import { readConfigFiles } from "../agent/config/config-file.ts";
import { withJoinToken } from "../agent/config/join-token-file.ts";
import { needsRestart } from "../agent/config/needs-restart.ts";
import { errorMessage } from "../lib/base/errors.ts";
import { createLogTaps, type LogTaps } from "../lib/base/log-taps.ts";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { type AgentFlagValues, agentFlags, settingsOfFlags } from "./agent-flags.ts";
import { idleAgentFlags, idleFlagNotes } from "./agent-idle-flags.ts";
import { readHostFacts } from "./agent-process.ts";
import { type RunningAgent, startAgentProcess } from "./agent-start.ts";
import { type CliCommand, type CommandIo, StopRequest } from "./command.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import { openLogFile } from "./log-file.ts";
import { writePidFile } from "./pid-file.ts";

/** How long an orderly end may take. */
const stopDeadlineMs = 8_000;

/** `atoll agent`: the agent of one node and, with `-server` or `-dev`, a server in the same process. */
export const agentCommand: CliCommand = {
  usage: formatUsage({
    synopsis: "atoll agent [options]",
    description:
      "Runs the agent of this node until it is told to stop. SIGHUP reads the configuration files again: services, checks, log level, certificates, dns_config, http_config and limits of connections change at once. SIGINT and SIGTERM end it: a client or -dev agent ends its proxies and leaves the catalog, a server leaves its proxies running for the next start (leave_on_terminate and skip_leave_on_interrupt in a file change that).",
    flags: { ...agentFlags, ...idleAgentFlags },
    examples: [
      "atoll agent -dev",
      "atoll agent -server -bootstrap-expect=1 -data-dir=/var/lib/atoll -bind=10.0.0.1",
      "atoll agent -server -bootstrap-expect=3 -join=10.0.0.1 -join=10.0.0.2 -join=10.0.0.3 -data-dir=/var/lib/atoll -bind=10.0.0.1",
      "atoll agent -join=10.0.0.1 -join-token-file=join-token -data-dir=/var/lib/atoll -bind=10.0.0.2",
    ],
  }),
  async run(args, io) {
    const shutdown = io.shutdownSignal();
    const { flags } = parseFlags({ args, flags: allFlags });
    const read = (): Promise<ReadOptions> => readOptions(flags);
    const first = await read();
    const { options } = first;
    const { logFile: logFileOptions, pidFile: pidPath } = options.process;
    const files = { program: io.program, nowMs: Date.now };
    const logFile = logFileOptions === undefined ? undefined : openLogFile(logFileOptions, files);
    const level = { text: options.logLevel };
    const component = "atoll";
    const plain = io.createRuntime({
      component,
      logLevel: () => level.text,
      isLogJson: options.isLogJson,
      ...(logFile !== undefined && { alsoWrite: logFile.write }),
    });
    const logs = createLogTaps(plain.clock.nowMs);
    const runtime: MeteredRuntime = {
      ...plain,
      logger: logs.tap(plain.logger, component),
      metrics: new Registry(),
    };
    const said = new Set<string>();
    say(first, { runtime, said });
    const pidFile = pidPath === undefined ? undefined : writePidFile(pidPath);
    let running: RunningAgent | undefined;
    const reloadNow = (): Promise<void> => reload({ running, read, options, runtime, level, said });
    try {
      running = await startUnlessStopped({ runtime, options, io, shutdown, logs, reload: reloadNow });
      if (running === undefined) return 0;
      let isAskedToLeave = false;
      const hangup = io.onHangup(() => void reloadNow().catch(() => undefined));
      try {
        if (!options.isLogJson) io.stdout(running.banner);
        const left = running.leaving.then(() => {
          isAskedToLeave = true;
        });
        await Promise.race([aborted(shutdown), running.failed, left]);
        runtime.logger.info("stopping", { isLeaving: isAskedToLeave || isLeaving(options, shutdown) });
      } finally {
        hangup.close();
        const leaves = isAskedToLeave || isLeaving(options, shutdown);
        await running.stop({ isLeaving: leaves, deadlineMs: stopDeadlineMs });
      }
      return 0;
    } finally {
      pidFile?.remove();
      logFile?.close();
    }
  },
};

const allFlags = { ...idleAgentFlags, ...agentFlags };

interface ReadOptions {
  readonly options: AgentOptions;
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

async function readOptions(flags: AgentFlagValues & Readonly<Record<string, unknown>>): Promise<ReadOptions> {
  const format = flags["config-format"];
  if (format !== undefined && format !== "json" && format !== "hcl") {
    throw new AtollError("INVALID_ARGUMENT", `flag -config-format must be json or hcl, found "${format}"`);
  }
  const files = await readConfigFiles(flags["config-file"], { format, fragments: flags.hcl });
  const settings = await withJoinToken(mergeSettings(files.settings, settingsOfFlags(flags)));
  return {
    options: resolveAgentOptions(settings, readHostFacts()),
    warnings: files.warnings,
    notes: [...files.notes, ...idleFlagNotes(flags)],
  };
}

/** What was said before is not said again: a reload would drown its own news. */
function say(
  { warnings, notes }: ReadOptions,
  { runtime, said }: { readonly runtime: MeteredRuntime; readonly said: Set<string> },
): void {
  for (const warning of warnings) if (!said.has(warning)) runtime.logger.warn(warning);
  for (const note of notes) if (!said.has(note)) runtime.logger.info(note);
  for (const sentence of [...warnings, ...notes]) said.add(sentence);
}

function isLeaving(options: AgentOptions, shutdown: AbortSignal): boolean {
  const reason: unknown = shutdown.reason;
  const isInterrupt = reason instanceof StopRequest && reason.signal === "SIGINT";
  return isInterrupt ? !options.process.skipLeaveOnInterrupt : options.leaveOnTerminate;
}

/** Undefined when the agent was told to stop before it was up: whatever then failed is of no interest. */
async function startUnlessStopped(start: {
  readonly runtime: MeteredRuntime;
  readonly options: AgentOptions;
  readonly io: CommandIo;
  readonly shutdown: AbortSignal;
  readonly logs: LogTaps;
  readonly reload: () => Promise<void>;
}): Promise<RunningAgent | undefined> {
  try {
    return await startAgentProcess({ ...start, env: start.io.env, program: start.io.program });
  } catch (thrown) {
    if (start.shutdown.aborted) return undefined;
    throw thrown;
  }
}

/** A mistake in a file leaves everything as it was, is logged and thrown. */
async function reload(parts: {
  /** Absent while it starts. */
  readonly running: RunningAgent | undefined;
  readonly read: () => Promise<ReadOptions>;
  /** Those of the start. */
  readonly options: AgentOptions;
  readonly runtime: MeteredRuntime;
  readonly level: { text: string };
  readonly said: Set<string>;
}): Promise<void> {
  const { runtime, running } = parts;
  const { logger } = runtime;
  try {
    const next = await parts.read();
    say(next, { runtime, said: parts.said });
    await running?.reload(next.options);
    parts.level.text = next.options.logLevel;
    const waiting = needsRestart(parts.options, next.options);
    if (waiting.length > 0) logger.warn(`changed, but only read at a start: ${waiting.join(", ")}`);
    logger.info("read the configuration files again");
  } catch (thrown) {
    logger.error("the configuration files were not taken over", { error: errorMessage(thrown) });
    throw thrown;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
