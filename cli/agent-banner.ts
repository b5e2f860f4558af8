import type { AgentIdentity } from "../agent/agent-api.ts";
import type { AgentOptions } from "../agent/config/agent-options.ts";
import type { ProgramName } from "./command.ts";
import { formatHostPort, type HostPort } from "../lib/contract/address.ts";

/** What a person wants to know of an agent that has just started. */
export function agentBanner(parts: {
  readonly program: ProgramName;
  readonly options: AgentOptions;
  readonly identity: AgentIdentity;
  readonly dataDir: string;
  readonly urls: readonly string[];
  /** Absent when it is turned off. */
  readonly dns: HostPort | undefined;
  readonly grpc: readonly { readonly isTls: boolean; readonly at: HostPort }[];
  /** Of the server in this process, if there is one: where it listens, and as whom list-peers and remove-peer know it. */
  readonly server: { readonly rpcAddress: HostPort; readonly operator: { readonly nodeId: string } } | undefined;
}): string {
  const { options, identity, dataDir, urls, dns, grpc, server } = parts;
  const rows: (readonly [string, string])[] = [
    ["Version", identity.version],
    ["Node name", identity.nodeName],
    ["Node ID", identity.nodeId],
    ["Datacenter", identity.datacenter],
    ["Role", options.isServer ? "server and agent" : `agent of ${options.servers.join(", ")}`],
    ...urls.map((url) => ["HTTP API", url.startsWith("unix:") ? url : `${url}/v1`] as const),
    ...grpc.map(({ isTls, at }) => [isTls ? "gRPC over TLS" : "gRPC", formatHostPort(at)] as const),
    ["DNS", dns === undefined ? "off" : formatHostPort(dns)],
    ...(server === undefined
      ? []
      : ([
          ["Server ID", server.operator.nodeId],
          ["For agents", formatHostPort(server.rpcAddress)],
        ] as const)),
    ["Sidecar ports", `${options.sidecarPorts.min} to ${options.sidecarPorts.max}`],
    ["Data directory", options.dataDir === undefined ? `${dataDir} (removed at the end)` : dataDir],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `  ${name.padStart(width)}: ${value}\n`);
  return `==> ${parts.program === "consul" ? "Consul" : "Atoll"} agent running!\n${lines.join("")}==> Log data will now stream in as it occurs:\n`;
}
