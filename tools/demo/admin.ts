import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { Type } from "typebox";
import Value from "typebox/value";
import type { InstancePlan } from "./layout.ts";

const timeoutMs = 5_000;

export function adminUrl(instance: InstancePlan): string {
  return `http://${instance.node.address}:${instance.adminPort}`;
}

/** The lines of a sidecar's /metrics that count something and match `pattern`. */
export async function readMetrics(instance: InstancePlan, pattern: RegExp): Promise<string[]> {
  const response = await fetch(`${adminUrl(instance)}/metrics`, { signal: AbortSignal.timeout(timeoutMs) });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`/metrics of the sidecar of ${instance.id} answered ${response.status}`);
  return text.split("\n").filter((line) => !line.startsWith("#") && pattern.test(line));
}

/** The value at the end of a metric's line. */
export function metricValue(line: string): number {
  return Number(line.slice(line.lastIndexOf(" ") + 1));
}

const Rule = Type.Object({ source: Type.String(), action: Type.String() });
const InForce = Type.Object({
  config: Type.Object({
    identity: Type.Object({ certFile: Type.String() }),
    inbound: Type.Array(Type.Object({ intentions: Type.Object({ rules: Type.Array(Rule) }) })),
  }),
});

/** What the sidecar has in force: the SPIFFE id of the certificate that it presents, and its rules for callers. */
export async function readInForce(instance: InstancePlan): Promise<{
  readonly spiffeId: string;
  readonly rules: readonly { readonly source: string; readonly action: string }[];
}> {
  const response = await fetch(`${adminUrl(instance)}/config`, { signal: AbortSignal.timeout(timeoutMs) });
  const inForce: unknown = await response.json();
  if (!Value.Check(InForce, inForce)) {
    throw new Error(`/config of the sidecar of ${instance.id}: ${JSON.stringify(inForce)}`);
  }
  const { config } = inForce;
  const names = new X509Certificate(readFileSync(config.identity.certFile)).subjectAltName ?? "";
  const spiffeId = /URI:(spiffe:[^, ]+)/.exec(names)?.[1];
  if (spiffeId === undefined) throw new Error(`no SPIFFE id in the certificate of the sidecar of ${instance.id}`);
  return { spiffeId, rules: config.inbound.flatMap((inbound) => inbound.intentions.rules) };
}
