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
