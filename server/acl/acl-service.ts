import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DefaultPolicy } from "../../lib/acl/compile.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ReplicatedLog } from "../log/replicated-log.ts";
import type { StateReader } from "../state/reader.ts";
import { startAclKeeper } from "./keeper.ts";
import { type AclResolver, createAclResolver } from "./resolver.ts";

/** Access control of one server: tokens resolved from its state, and what its leader has to see to. */
export interface AclService extends AclResolver {
  /**
   * The index in the reset file on this server's disk, which allows a second bootstrap; 0 without one. The file has
   * served its purpose then and is removed.
   */
  takeBootstrapReset(): Promise<number>;
}

/** How ACLs are set on a server; all servers of a cluster should agree. */
export interface AclServerSettings {
  readonly isEnabled: boolean;
  readonly defaultPolicy: DefaultPolicy;
  /** A management token that there shall be from the beginning; empty for none. */
  readonly initialManagementToken: string;
  readonly demandsKeyList?: boolean;
}

export const aclsOff: AclServerSettings = { isEnabled: false, defaultPolicy: "allow", initialManagementToken: "" };

/** Consul's name for it, in the data directory. */
const resetFileName = "acl-bootstrap-reset";

export function startAclService(options: {
  readonly settings: AclServerSettings;
  readonly datacenter: string;
  readonly dataDir: string;
  readonly reader: StateReader;
  readonly log: Pick<ReplicatedLog, "propose" | "readIndex" | "leadership" | "onLeadershipChange">;
  readonly runtime: Runtime;
}): AclService & { close(): void } {
  const { settings, reader, runtime, dataDir } = options;
  const { isEnabled, defaultPolicy, demandsKeyList = false } = settings;
  const resolver = createAclResolver({
    reader,
    settings: { isEnabled, defaultPolicy, demandsKeyList, datacenter: options.datacenter },
    clock: runtime.clock,
  });
  const keeper = isEnabled
    ? startAclKeeper({ ...options, initialManagementToken: settings.initialManagementToken })
    : undefined;
  return {
    ...resolver,
    takeBootstrapReset: () => takeIndex(join(dataDir, resetFileName)),
    close: () => keeper?.close(),
  };
}

async function takeIndex(path: string): Promise<number> {
  const text = await readFile(path, "utf8").catch(() => "");
  if (!/^\s*\d{1,15}\s*$/.test(text)) return 0;
  await rm(path, { force: true });
  return Number(text);
}
