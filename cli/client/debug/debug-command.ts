import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { Type } from "typebox";
import { formatDurationMs, parseDurationMs } from "../../../lib/base/duration.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { clientCommand, mustBe } from "../client-command.ts";
import { archiveDirectory, archivePath } from "./archive.ts";
import { capture, type CaptureTarget, captureTargets } from "./capture.ts";

const minDurationMs = 10_000;
const minIntervalMs = 5_000;
/** The version of the layout, which is Consul's. */
const layoutVersion = 1;
/** Names in an archive are ASCII and have room for those of the files. */
const namePattern = /^[\x21-\x7e]{1,80}$/;

const Self = Type.Object({ Config: Type.Object({ Version: Type.String() }) });

/** `atoll debug`: what an agent says of itself for a while, in one file for somebody else to read. */
export const debugCommand = clientCommand({
  synopsis: "debug [options]",
  summary: "Record what an agent says of itself for a while into an archive.",
  description:
    "Its configuration, host, members, metrics and log, in the files that Consul's command writes; there are no profiles. Needs operator:read and agent:read where access control is on. Ctrl-C ends it early and keeps what is there. Secrets are left out, but look through it before you hand it on.",
  examples: ["debug -duration=1m -interval=10s", "debug -capture=logs -capture=metrics -output=/tmp/agent-1"],
  flags: {
    duration: { type: "string", placeholder: "duration", summary: "How long; 5m by default, at least 10s." },
    interval: {
      type: "string",
      placeholder: "duration",
      summary: "How often metrics are read; 30s by default, at least 5s.",
    },
    output: {
      type: "string",
      placeholder: "path",
      summary: "The directory that is written, and the archive without its .tar.gz; by default a name with the time.",
    },
    capture: {
      type: "string",
      placeholder: "target",
      multiple: true,
      summary: "Only this: agent, host, logs, members or metrics.",
    },
    archive: { type: "boolean", summary: "Pack the directory and remove it; on unless =false." },
  },
  async run({ api, flags, io }) {
    const durationMs = readDurationMs("duration", flags.duration ?? "5m", minDurationMs);
    const intervalMs = readDurationMs("interval", flags.interval ?? "30s", minIntervalMs);
    if (durationMs < intervalMs) {
      const text = `duration (${formatDurationMs(durationMs)}) must be longer than interval (${formatDurationMs(intervalMs)})`;
      throw new AtollError("INVALID_ARGUMENT", text);
    }
    const { targets, hasProfiles } = readTargets(flags.capture);
    const startedAt = new Date().toISOString().replace(/\.\d+/, "").replaceAll(":", "-");
    const directory = readOutput(flags.output ?? `${io.program}-debug-${startedAt}`);
    const self = await api.json({ method: "GET", path: "/v1/agent/self" });
    const version = mustBe(Self, self, "an agent's own description").Config.Version;
    await mkdir(directory, { mode: 0o700 });

    const isArchived = flags.archive !== false;
    const output = isArchived ? archivePath(directory) : directory;
    const say = (text: string): void => io.stdout(`${text}\n`);
    say("==> Starting debugger and capturing static information...");
    say(`     Agent Version: '${version}'`);
    say(`          Interval: '${formatDurationMs(intervalMs)}'`);
    say(`          Duration: '${formatDurationMs(durationMs)}'`);
    say(`            Output: '${output}'`);
    say(`           Capture: '${targets.join(", ")}'`);
    if (hasProfiles) io.stderr("there are no profiles (pprof)\n");
    await capture({
      api,
      directory,
      targets: new Set(targets),
      durationMs,
      intervalMs,
      signal: io.shutdownSignal(),
      onInterval: (count) => say(`==> Capture of ${new Date().toISOString()} (${count})`),
      onMissing: (target, reason) => io.stderr(`${target} could not be captured: ${reason}\n`),
    });
    const index = {
      Version: layoutVersion,
      AgentVersion: version,
      Interval: formatDurationMs(intervalMs),
      Duration: formatDurationMs(durationMs),
      Targets: targets,
    };
    await writeFile(join(directory, "index.json"), `${JSON.stringify(index, null, "\t")}\n`, { mode: 0o600 });
    if (isArchived) await archiveDirectory(directory, Date.now());
    say(`    Saved debug ${isArchived ? "archive" : "directory"}: ${output}`);
    return 0;
  },
});

function readDurationMs(name: string, text: string, minMs: number): number {
  const durationMs = parseDurationMs(text);
  if (durationMs === undefined) {
    throw new AtollError("INVALID_ARGUMENT", `-${name} must be a duration such as "30s", found "${text}"`);
  }
  if (durationMs >= minMs) return durationMs;
  throw new AtollError("INVALID_ARGUMENT", `${name} must be at least ${formatDurationMs(minMs)}`);
}

/** Consul's scripts may ask for profiles, so these alone are no mistake. */
function readTargets(given: readonly string[]): {
  readonly targets: readonly CaptureTarget[];
  readonly hasProfiles: boolean;
} {
  if (given.length === 0) return { targets: captureTargets, hasProfiles: false };
  const wanted = new Set(given);
  const hasProfiles = wanted.delete("pprof");
  const targets = captureTargets.filter((target) => wanted.delete(target));
  const [unknown] = wanted;
  if (unknown === undefined) return { targets, hasProfiles };
  throw new AtollError("INVALID_ARGUMENT", `target not found: ${unknown}; there are ${captureTargets.join(", ")}`);
}

function readOutput(given: string): string {
  const directory = resolve(given);
  if (!namePattern.test(basename(directory))) {
    throw new AtollError("INVALID_ARGUMENT", "-output must end with a name of at most 80 letters, digits and signs");
  }
  for (const path of [directory, archivePath(directory)]) {
    if (existsSync(path)) throw new AtollError("INVALID_ARGUMENT", `output is there already: ${path}`);
  }
  return directory;
}
