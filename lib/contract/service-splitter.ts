import type { EntryBase } from "./config-entries.ts";
import type { HeaderModifiers } from "./header-modifiers.ts";

/** How the requests to a service are divided: Consul's `service-splitter` entry. */
export interface ServiceSplitterEntry extends EntryBase {
  readonly Kind: "service-splitter";
  /** Their weights add up to 100. */
  readonly Splits: readonly ServiceSplit[];
}

export interface ServiceSplit {
  /** Of a hundred, in steps of 0.01. */
  readonly Weight: number;
  /** Empty for the service itself. */
  readonly Service: string;
  readonly ServiceSubset: string;
  readonly RequestHeaders?: HeaderModifiers;
  readonly ResponseHeaders?: HeaderModifiers;
}

/** As Consul rounds it. */
export function roundWeight(weight: number): number {
  return Math.round(weight * 100) / 100;
}
