import type { LogTaps } from "../lib/base/log-taps.ts";
import type { StringMap } from "../lib/contract/catalog.ts";
import type { HostReport } from "./host-report.ts";
import type { AgentTokenStore } from "./acl/token-store.ts";

/** What operators ask of the process that an agent runs in. The composition root makes it; routes are a thin layer over it. */
export interface AgentControl {
  readonly tokens: AgentTokenStore;
  readonly logs: LogTaps;
  /** The settings in force by Consul's names, without secrets: `DebugConfig` of `/v1/agent/self`. */
  debugConfig(): Readonly<Record<string, unknown>>;
  readonly nodeMeta: StringMap;
  /** Reads the configuration files again. Rejects with `CONFIG_INVALID`; then everything is as it was. */
  reload(): Promise<void>;
  /** Facts of the machine, read anew each time. */
  hostReport(): Promise<HostReport>;
}
