import { Type } from "typebox";
import type { Static } from "typebox";
import { formatDurationMs, parseDurationMs } from "../../lib/base/duration.ts";
import { type AutopilotConfig, type AutopilotRecord, defaultAutopilotConfig } from "../../lib/contract/autopilot.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";

const Duration = Type.Optional(Type.Union([Type.String(), Type.Integer()]));
const Count = Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000_000 }));
const Anything = Type.Optional(Type.Unknown());

/** The body of `PUT /v1/operator/autopilot/configuration`; what is left out gets its default, as in Consul. */
export const AutopilotBody = Type.Object({
  CleanupDeadServers: Type.Optional(Type.Boolean()),
  LastContactThreshold: Duration,
  MaxTrailingLogs: Count,
  MinQuorum: Count,
  ServerStabilizationTime: Duration,
  DeadServerTimeout: Duration,
  RedundancyZoneTag: Anything,
  DisableUpgradeMigration: Anything,
  UpgradeVersionTag: Anything,
  CreateIndex: Anything,
  ModifyIndex: Anything,
});

export function autopilotConfigOf(body: Static<typeof AutopilotBody>): AutopilotConfig {
  const fallback = defaultAutopilotConfig;
  return {
    isCleaningUpDeadServers: body.CleanupDeadServers ?? fallback.isCleaningUpDeadServers,
    lastContactThresholdMs: durationOf(body, "LastContactThreshold", fallback.lastContactThresholdMs),
    maxTrailingLogs: body.MaxTrailingLogs ?? fallback.maxTrailingLogs,
    minQuorum: body.MinQuorum ?? fallback.minQuorum,
    stabilizationTimeMs: durationOf(body, "ServerStabilizationTime", fallback.stabilizationTimeMs),
    deadServerTimeoutMs: durationOf(body, "DeadServerTimeout", fallback.deadServerTimeoutMs),
  };
}

export function autopilotConfigAnswer(record: AutopilotRecord | undefined): object {
  const config = record ?? defaultAutopilotConfig;
  return {
    CleanupDeadServers: config.isCleaningUpDeadServers,
    LastContactThreshold: formatDurationMs(config.lastContactThresholdMs),
    MaxTrailingLogs: config.maxTrailingLogs,
    MinQuorum: config.minQuorum,
    ServerStabilizationTime: formatDurationMs(config.stabilizationTimeMs),
    DeadServerTimeout: formatDurationMs(config.deadServerTimeoutMs),
    RedundancyZoneTag: "",
    DisableUpgradeMigration: false,
    UpgradeVersionTag: "",
    CreateIndex: record?.CreateIndex ?? 0,
    ModifyIndex: record?.ModifyIndex ?? 0,
  };
}

/** Go's text, or whole nanoseconds. */
function durationOf(
  body: Static<typeof AutopilotBody>,
  name: "LastContactThreshold" | "ServerStabilizationTime" | "DeadServerTimeout",
  fallbackMs: number,
): number {
  const value = body[name];
  if (value === undefined) return fallbackMs;
  const durationMs = typeof value === "number" ? value / 1e6 : parseDurationMs(value);
  if (durationMs !== undefined && durationMs >= 0) return Math.round(durationMs);
  throw new AtollError("INVALID_ARGUMENT", `Request decode failed: ${name}: "${value}" is no duration such as "10s"`);
}
