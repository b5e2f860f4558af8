import { Type } from "typebox";
import { compileRegex } from "../../lib/base/linear-regex.ts";
import { parseDurationMs } from "../../lib/base/duration.ts";
import { metaIssues } from "../../lib/contract/catalog-rules.ts";
import { type EntryBase, type Protocol, protocols } from "../../lib/contract/config-entries.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { formatIssues } from "../../lib/contract/schema-issues.ts";

/** What the bodies of config entries are made of; rules with sentences are in the decoders. */
export const Text = Type.Optional(Type.String());
export const Count = Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 }));
export const TextMap = Type.Optional(Type.Record(Type.String(), Type.String()));
export const OpenMap = Type.Optional(Type.Record(Type.String(), Type.Unknown()));
export const Flag = Type.Optional(Type.Boolean());
export const Anything = Type.Optional(Type.Unknown());
/** Text such as `5s`, or nanoseconds: read by {@link durationMs}, which words the error better than a union could. */
export const Duration = Anything;

/** Set by the server; sent back by clients that read, change and write an entry. */
const readOnly = { CreateIndex: Anything, ModifyIndex: Anything, Hash: Anything, Status: Anything };

export const common = { Kind: Text, Name: Text, Meta: TextMap, Namespace: Text, Partition: Text, ...readOnly };

export interface CommonBody {
  readonly Name?: string;
  readonly Meta?: Readonly<Record<string, string>>;
  readonly Namespace?: string;
  readonly Partition?: string;
}

/** What every entry has. Throws `INVALID_ARGUMENT`, as all here do. */
export function entryBase(body: CommonBody, name: string): EntryBase {
  const meta = body.Meta ?? {};
  const issues = metaIssues("Meta", meta);
  if (issues.length > 0) throw refusal(formatIssues(issues));
  if (name === "") throw refusal("Name is required");
  refuseTenancy(body, "");
  return { Name: name, Meta: meta };
}

/** There are no namespaces and partitions but the default ones. `path` is put before the field, as in `Splits[0].`. */
export function refuseTenancy(body: Pick<CommonBody, "Namespace" | "Partition">, path: string): void {
  for (const [field, value] of [["Namespace", body.Namespace] as const, ["Partition", body.Partition] as const]) {
    if (value && value !== "default")
      throw refusal(`${path}${field}: "${value}" - ${field}s are a Consul Enterprise feature`);
  }
}

/** With a subset's name before it, it is the name of a proxy's cluster, and a part of identities. */
const serviceName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,178}[A-Za-z0-9])?$/;

/** The name of a service that a proxy can call; empty where none is given. */
export function calledService(given: string | undefined, path: string): string {
  if (given === undefined || given === "" || serviceName.test(given)) return given ?? "";
  const found = JSON.stringify(given);
  throw refusal(
    `${path} must be 1 to 180 letters, digits, ".", "-" and "_", with a letter or digit at each end, found ${found}`,
  );
}

const nanosecondsPerMs = 1e6;

/** Whole milliseconds from 0 to `largestMs`; what is shorter than one is one. */
export function durationMs(given: unknown, path: string, largestMs: number): number {
  if (given === undefined || given === "" || given === 0) return 0;
  const ms = typeof given === "number" ? given / nanosecondsPerMs : parseDurationMs(String(given));
  const found = JSON.stringify(given);
  if (ms === undefined || !Number.isFinite(ms)) {
    throw refusal(`${path} must be a duration such as "5s", or a whole number of nanoseconds, found ${found}`);
  }
  if (ms < 0 || ms > largestMs)
    throw refusal(`${path} must be between 0s and ${largestMs / 3_600_000}h, found ${found}`);
  return Math.ceil(ms);
}

/** What a proxy could not compile must not get as far as its document. */
export function checkRegex(pattern: string, path: string): void {
  if (pattern === "") return;
  const compiled = compileRegex(pattern);
  if (!compiled.ok) throw refusal(`${path} is not a valid regex: "${pattern}": ${compiled.message}`);
}

export const httpMethods: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "CONNECT",
  "OPTIONS",
  "TRACE",
]);

export function mustProtocol(field: string, given: unknown): Protocol {
  const protocol = protocols.find((known) => typeof given === "string" && known === given.toLowerCase());
  if (protocol !== undefined) return protocol;
  throw refusal(`${field} must be one of ${protocols.join(", ")}, found ${JSON.stringify(given)}`);
}

export function refusal(message: string): AtollError {
  return new AtollError("INVALID_ARGUMENT", message);
}
