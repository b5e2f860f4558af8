import { Type } from "typebox";
import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import Value from "typebox/value";
import { accessLogConfig, type AccessLogs, accessLogTypes, parseJsonFormat } from "../../lib/contract/access-logs.ts";
import { ProxyTelemetrySchema, telemetryIssues } from "../../lib/contract/proxy-telemetry.ts";
import { formatIssues, schemaIssues } from "../../lib/contract/schema-issues.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { Flag, refusal, Text } from "./entry-fields.ts";

/** `AccessLogs` of the `proxy-defaults` entry. */
export const AccessLogsBody = Type.Optional(
  Type.Object({
    Enabled: Flag,
    DisableListenerLogs: Flag,
    Type: Text,
    Path: Text,
    JSONFormat: Text,
    TextFormat: Text,
  }),
);

const validator = Compile(ProxyTelemetrySchema);

/** Undefined where nothing is said. */
export function decodeAccessLogs(body: Static<typeof AccessLogsBody> | undefined): AccessLogs | undefined {
  if (body === undefined || isZeroValue(body)) return undefined;
  const { Path = "", JSONFormat = "", TextFormat = "" } = body;
  const type = accessLogTypes.find((known) => known === (body.Type ?? ""));
  if (type === undefined) throw refusal(`invalid access log type: "${body.Type}", must be stdout, stderr or file`);
  if (type === "file" && Path === "") throw refusal("AccessLogs.Path must be specified when Type is file");
  if (type !== "file" && Path !== "") throw refusal("AccessLogs.Path must be left out unless Type is file");
  if (JSONFormat !== "" && TextFormat !== "") throw refusal("AccessLogs cannot specify both JSONFormat and TextFormat");
  if (JSONFormat !== "" && parseJsonFormat(JSONFormat) === undefined) {
    throw refusal("AccessLogs.JSONFormat must be the JSON of an object");
  }
  const logs: AccessLogs = {
    Enabled: body.Enabled ?? false,
    DisableListenerLogs: body.DisableListenerLogs ?? false,
    Type: type,
    Path,
    JSONFormat,
    TextFormat,
  };
  checkAsDocument(logs);
  return logs;
}

/** Formats that a proxy could not write, those with secrets among them: said when the entry is written, not by every proxy. */
function checkAsDocument(logs: AccessLogs): void {
  const telemetry: unknown = Value.Default(ProxyTelemetrySchema, { accessLog: accessLogConfig(logs) });
  const issues = validator.Check(telemetry) ? telemetryIssues(telemetry, "") : schemaIssues(validator, telemetry);
  const [issue] = issues;
  if (issue !== undefined)
    throw refusal(`a proxy could not write these AccessLogs: ${formatIssues([issue]).replace(/^\./, "")}`);
}

/** Consul's JSON. */
export function accessLogsAnswer(logs: AccessLogs | undefined): object {
  if (logs === undefined) return {};
  return {
    ...(logs.Enabled && { Enabled: true }),
    ...(logs.DisableListenerLogs && { DisableListenerLogs: true }),
    ...unlessEmpty("Type", logs.Type),
    ...unlessEmpty("Path", logs.Path),
    ...unlessEmpty("JSONFormat", logs.JSONFormat),
    ...unlessEmpty("TextFormat", logs.TextFormat),
  };
}
