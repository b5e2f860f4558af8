import type { SchemaIssue } from "../../lib/contract/schema-issues.ts";
import { schemaIssues } from "../../lib/contract/schema-issues.ts";
import { type CheckStatus, checkStatuses } from "../../lib/contract/catalog.ts";
import type { CheckDefinition } from "../service-definition.ts";
import { canonicalKeys } from "../../lib/contract/canonical-keys.ts";
import type { Decoded } from "./decode-result.ts";
import { readDurationMs } from "./durations.ts";
import { nameIssues } from "./name-issues.ts";
import { readProbe } from "./read-probe.ts";
import { CheckSchema, type RawCheck, checkValidator } from "./schemas.ts";

/** Consul's limits and defaults for checks. */
export const maxCheckOutputBytes = 4_096;
export const minDeregisterAfterMs = 60_000;

/** Decodes a check of its own: the body of `/v1/agent/check/register` or a member of a `checks` block. */
export function decodeCheck(document: unknown): Decoded<CheckDefinition> {
  const canonical = canonicalKeys(CheckSchema, document);
  const shape = [...canonical.issues, ...schemaIssues(checkValidator, canonical.value)];
  if (shape.length > 0 || !checkValidator.Check(canonical.value)) return { ok: false, stage: "shape", issues: shape };
  const issues: SchemaIssue[] = [];
  const raw = canonical.value;
  if (blank(raw.Name)) issues.push({ path: "", message: "Missing check name" });
  const value = readCheck(raw, { isServiceCheck: false }, issues);
  if (value === undefined || issues.length > 0) return { ok: false, stage: "rules", issues };
  return { ok: true, value, unknownFields: canonical.unknownFields };
}

/**
 * Reads a check whose shape is right. Adds what is wrong to `issues`; undefined when there is no usable probe. A check
 * inside a service belongs to that service, so its own `ServiceID` has no meaning and is dropped.
 */
export function readCheck(
  raw: RawCheck,
  options: { readonly isServiceCheck: boolean },
  issues: SchemaIssue[],
): CheckDefinition | undefined {
  const checkId = raw.CheckID ?? raw.ID ?? "";
  issues.push(...nameIssues("CheckID", checkId), ...nameIssues("Name", raw.Name ?? ""));
  const initialStatus = readStatus(raw.Status ?? "", options, issues);
  const probe = readProbe(raw, issues);
  const failuresBeforeCritical = raw.FailuresBeforeCritical ?? 0;
  const failuresBeforeWarning = raw.FailuresBeforeWarning ?? failuresBeforeCritical;
  if (failuresBeforeWarning > failuresBeforeCritical) {
    issues.push({
      path: "",
      message: "Invalid check: FailuresBeforeWarning can't be higher than FailuresBeforeCritical",
    });
  }
  const after = "DeregisterCriticalServiceAfter";
  const deregisterAfterMs = readDurationMs(after, raw.DeregisterCriticalServiceAfter, issues);
  if (probe === undefined) return undefined;
  return {
    checkId: checkId === "" && !options.isServiceCheck ? (raw.Name ?? "") : checkId,
    name: raw.Name ?? "",
    notes: raw.Notes ?? "",
    serviceId: options.isServiceCheck ? "" : (raw.ServiceID ?? ""),
    initialStatus,
    successBeforePassing: raw.SuccessBeforePassing ?? 0,
    failuresBeforeWarning,
    failuresBeforeCritical,
    deregisterCriticalServiceAfterMs: deregisterAfterMs === 0 ? 0 : Math.max(deregisterAfterMs, minDeregisterAfterMs),
    outputMaxBytes: Math.min(
      raw.OutputMaxSize === undefined || raw.OutputMaxSize === 0 ? maxCheckOutputBytes : raw.OutputMaxSize,
      maxCheckOutputBytes,
    ),
    probe,
  };
}

function readStatus(
  text: string,
  { isServiceCheck }: { readonly isServiceCheck: boolean },
  issues: SchemaIssue[],
): CheckStatus {
  const status = checkStatuses.find((known) => known === text);
  if (status !== undefined || text === "") return status ?? "critical";
  const words = isServiceCheck ? "Status for checks must 'passing', 'warning', 'critical'" : "Bad check status";
  issues.push({ path: "", message: `${words}, found ${JSON.stringify(text)}` });
  return "critical";
}

function blank(text: string | undefined): boolean {
  return text === undefined || text === "";
}
