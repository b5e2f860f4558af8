import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import type { Family } from "../telemetry/exposition.ts";
import type { TapFilter } from "../telemetry/tap/tap-filter.ts";

/** Between the main process of a proxy and its workers, over the channel that a child process is born with. */
export type ToWorker =
  | {
      readonly type: "config";
      readonly version: number;
      readonly config: ProxyConfig;
      /** What the main process was given where the configuration asks for any port. */
      readonly ports: Readonly<Record<string, number>>;
      /** How many there are, the main one included. */
      readonly processes: number;
    }
  | { readonly type: "metrics" }
  /** Requests that match `filter` are told from now on, until `untap`. */
  | { readonly type: "tap"; readonly id: number; readonly filter: TapFilter }
  | { readonly type: "untap"; readonly id: number }
  | { readonly type: "drain"; readonly drainMs: number };

export type FromWorker =
  | { readonly type: "started" }
  | { readonly type: "applied"; readonly version: number }
  | { readonly type: "rejected"; readonly version: number; readonly message: string }
  | { readonly type: "metrics"; readonly families: readonly Family[] }
  | { readonly type: "tapped"; readonly id: number; readonly lines: readonly string[]; readonly dropped: number };

/**
 * Both ends are one executable, started by one another: only that it is one of these messages is checked, so that a stray line of
 * another library on the channel does no harm.
 */
export function isToWorker(value: unknown): value is ToWorker {
  return hasType(value, ["config", "metrics", "tap", "untap", "drain"]);
}

export function isFromWorker(value: unknown): value is FromWorker {
  return hasType(value, ["started", "applied", "rejected", "metrics", "tapped"]);
}

function hasType(value: unknown, types: readonly string[]): boolean {
  return typeof value === "object" && value !== null && "type" in value && types.includes(String(value.type));
}
