import { formatDurationMs } from "../../lib/base/duration.ts";
import { formatHostPort } from "../../lib/contract/address.ts";
import { defaultCheckUpdateIntervalMs } from "../anti-entropy.ts";
import type { AgentOptions } from "./agent-options.ts";

/** What a client must not see but may know to be there, as Consul writes it. */
const hidden = "hidden";

/**
 * The settings in force under the names of Consul's `DebugConfig`, which tools look into (Nomad for the ports and for Connect). A
 * listener that there is not has port -1, as one that is switched off has in Consul.
 */
export function debugConfig(options: AgentOptions): Readonly<Record<string, unknown>> {
  const { clientAddress, httpPort } = options;
  return {
    AdvertiseAddrLAN: options.advertiseAddress,
    BindAddr: options.bindAddress,
    Bootstrap: options.isServer && options.bootstrapExpect === 1,
    BootstrapExpect: options.isServer ? options.bootstrapExpect : 0,
    CheckUpdateInterval: formatDurationMs(options.checkUpdateIntervalMs ?? defaultCheckUpdateIntervalMs),
    ClientAddrs: [clientAddress],
    ConnectEnabled: true,
    ConnectSidecarMaxPort: options.sidecarPorts.max,
    ConnectSidecarMinPort: options.sidecarPorts.min,
    DNSAddrs: [],
    DNSPort: -1,
    DataDir: options.dataDir ?? "",
    Datacenter: options.datacenter,
    DevMode: options.isDev,
    EnableLocalScriptChecks: options.scripts.fromFiles,
    EnableRemoteScriptChecks: options.scripts.fromApi,
    GRPCAddrs: [],
    GRPCPort: -1,
    GRPCTLSAddrs: [],
    GRPCTLSPort: -1,
    HTTPAddrs: [`tcp://${formatHostPort({ host: clientAddress, port: httpPort })}`],
    HTTPPort: httpPort,
    HTTPSAddrs: [],
    HTTPSPort: -1,
    LeaveOnTerm: options.leaveOnTerminate,
    Logging: { LogJSON: options.isLogJson, LogLevel: options.logLevel.toUpperCase() },
    NodeID: options.nodeId ?? "",
    NodeMeta: options.nodeMeta,
    NodeName: options.nodeName,
    PrimaryDatacenter: options.datacenter,
    RetryJoinLAN: options.servers,
    JoinToken: options.joinToken === "" ? "" : hidden,
    ServerMode: options.isServer,
    ServerPort: options.rpcPort,
  };
}
