import { type Static, Type } from "typebox";
import { type AuditSettings, type AuditSink, defaultAuditMode } from "../../lib/audit/audit-settings.ts";
import { parseDurationMs } from "../../lib/base/duration.ts";
import type { SchemaIssue } from "../../lib/contract/schema-issues.ts";

/** The `audit` block of a configuration file, as Consul Enterprise has it: one sink per name. */
const Sink = Type.Object({
  type: Type.Optional(Type.String()),
  format: Type.Optional(Type.String()),
  path: Type.Optional(Type.String()),
  delivery_guarantee: Type.Optional(Type.String()),
  mode: Type.Optional(Type.Union([Type.String(), Type.Integer()])),
  rotate_bytes: Type.Optional(Type.Integer({ minimum: 0 })),
  rotate_duration: Type.Optional(Type.String()),
  rotate_max_files: Type.Optional(Type.Integer({ minimum: 0 })),
});

export const AuditBlock = Type.Object({
  enabled: Type.Optional(Type.Boolean()),
  sink: Type.Optional(Type.Record(Type.String(), Sink)),
});

/** Adds what is wrong to `issues`, with its path in the file. */
export function readAudit(block: Static<typeof AuditBlock>, issues: SchemaIssue[]): AuditSettings {
  const isEnabled = block.enabled ?? false;
  const sinks = Object.entries(block.sink ?? {}).map(([name, sink]) => readSink(name, sink, issues));
  if (isEnabled && sinks.length === 0)
    issues.push({ path: "audit.sink", message: "is missing: name a file to write to" });
  const paths = sinks.map((sink) => sink.path);
  const twice = paths.find((path, i) => paths.indexOf(path) !== i);
  if (twice !== undefined) issues.push({ path: "audit.sink", message: `"${twice}" is the path of two sinks` });
  return { isEnabled, sinks };
}

function readSink(name: string, sink: Static<typeof Sink>, issues: SchemaIssue[]): AuditSink {
  const at = `audit.sink.${JSON.stringify(name)}`;
  const only = (field: "type" | "format" | "delivery_guarantee", value: string): void => {
    const given = sink[field] ?? value;
    if (given !== value) issues.push({ path: `${at}.${field}`, message: `must be "${value}", found "${given}"` });
  };
  only("type", "file");
  only("format", "json");
  only("delivery_guarantee", "best-effort");
  const rotateDurationMs = sink.rotate_duration === undefined ? 0 : parseDurationMs(sink.rotate_duration);
  if (rotateDurationMs === undefined || rotateDurationMs < 0) {
    const message = `must be a duration such as "24h", found ${JSON.stringify(sink.rotate_duration)}`;
    issues.push({ path: `${at}.rotate_duration`, message });
  }
  const { path = "", rotate_bytes: rotateBytes = 0 } = sink;
  if (path === "") issues.push({ path: `${at}.path`, message: "is missing: name the file to write to" });
  if (rotateBytes === 0 && rotateDurationMs === 0) {
    issues.push({ path: at, message: "needs rotate_bytes or rotate_duration, so that its files end some day" });
  }
  return {
    name,
    path,
    rotateBytes,
    rotateDurationMs: rotateDurationMs ?? 0,
    rotateMaxFiles: sink.rotate_max_files ?? 0,
    mode: readMode(sink.mode, `${at}.mode`, issues),
  };
}

/** `"0640"`, or the number that HCL makes of 0640. */
function readMode(mode: string | number | undefined, path: string, issues: SchemaIssue[]): number {
  if (mode === undefined) return defaultAuditMode;
  const bits = typeof mode === "number" ? mode : /^0?[0-7]{3}$/.test(mode) ? Number.parseInt(mode, 8) : -1;
  if (bits >= 0 && bits <= 0o777 && (bits & 0o600) === 0o600) return bits;
  issues.push({ path, message: `must be permissions such as "0600", read and write for the owner, found ${mode}` });
  return defaultAuditMode;
}
