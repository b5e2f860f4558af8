import { type AgentSettings, noSettings } from "../agent/config/agent-settings.ts";
import { present } from "../agent/config/config-file.ts";
import { dnsSettings } from "../agent/config/dns-options.ts";
import type { FlagValues } from "./flags.ts";

/** The flags of `atoll agent`, with Consul's names where Consul has the same thing. */
export const agentFlags = {
  dev: {
    type: "boolean",
    summary: "Run a server and an agent in one process, on loopback, keeping nothing: for trying things out.",
  },
  server: { type: "boolean", summary: "Run a server beside the agent." },
  "bootstrap-expect": {
    type: "integer",
    placeholder: "count",
    summary: "With -server: how many servers begin the cluster together, 1, 3 or 5; each joins the others.",
  },
  "config-file": {
    type: "string",
    placeholder: "path",
    multiple: true,
    summary: "Read settings and services from this JSON or HCL file; a later file wins, flags win over files.",
  },
  "config-dir": {
    type: "string",
    placeholder: "path",
    multiple: true,
    sameAs: "config-file",
    summary: "Read the .json and .hcl files of this directory, by name; -config-file and -config-dir count in order.",
  },
  "config-format": {
    type: "string",
    placeholder: "json|hcl",
    summary: "Form of all configuration files, whatever their names; by default their names say it.",
  },
  hcl: {
    type: "string",
    placeholder: "fragment",
    multiple: true,
    summary: "A piece of configuration in HCL, after the files.",
  },
  bootstrap: { type: "boolean", summary: "With -server: begin a cluster alone, as -bootstrap-expect=1." },
  join: {
    type: "string",
    placeholder: "address",
    multiple: true,
    summary: "A server to join: host or host:port, 8300 if left out. With -server: the other servers.",
  },
  "retry-join": { type: "string", placeholder: "address", multiple: true, summary: "The same as -join." },
  "join-token": {
    type: "string",
    placeholder: "token",
    summary: "What the server asks of a new node. Other users of this machine can see flags: prefer the file.",
  },
  "join-token-file": { type: "string", placeholder: "path", summary: "Read the join token from this file." },
  node: {
    type: "string",
    placeholder: "name",
    summary: "Name of this node, unique in the datacenter; by default the host's.",
  },
  "node-id": { type: "string", placeholder: "uuid", summary: "ID of this node; by default made once and kept." },
  "data-dir": { type: "string", placeholder: "path", summary: "Where the agent keeps its state." },
  bind: {
    type: "string",
    placeholder: "address",
    summary: "IP address for other nodes and for sidecars; 0.0.0.0 for all.",
  },
  advertise: {
    type: "string",
    placeholder: "address",
    summary: "IP address that other nodes are told; by default that of -bind.",
  },
  client: {
    type: "string",
    placeholder: "address",
    summary: "IP address of the HTTP API, or several with spaces between; by default 127.0.0.1.",
  },
  "http-port": { type: "integer", placeholder: "port", summary: "Port of the HTTP API; by default 8500, -1 for none." },
  "https-port": {
    type: "integer",
    placeholder: "port",
    summary: "Port of HTTPS; by default none. Needs tls.https of a configuration file.",
  },
  "grpc-port": {
    type: "integer",
    placeholder: "port",
    summary: "Port of gRPC without TLS; by default none, 8502 with -dev.",
  },
  "grpc-tls-port": {
    type: "integer",
    placeholder: "port",
    summary: "Port of gRPC over TLS; by default none, 8503 on servers with tls.grpc of a configuration file.",
  },
  "dns-port": { type: "integer", placeholder: "port", summary: "Port of DNS; by default 8600, -1 for none." },
  domain: { type: "string", placeholder: "name", summary: "Zone that DNS answers besides consul and mesh." },
  "alt-domain": { type: "string", placeholder: "name", summary: "One more zone that DNS answers." },
  recursor: {
    type: "string",
    placeholder: "address",
    multiple: true,
    summary: "Resolver for names of other zones: an IP address, with a port or without.",
  },
  "allow-write-http-from": {
    type: "string",
    placeholder: "network",
    multiple: true,
    summary: "Take writes over HTTP from this network only, in CIDR form.",
  },
  "node-meta": { type: "string", placeholder: "key:value", multiple: true, summary: "Metadata of the node." },
  "server-port": { type: "integer", placeholder: "port", summary: "With -server: port for agents; by default 8300." },
  "rpc-port": { type: "integer", placeholder: "port", summary: "The same as -server-port." },
  "sidecar-min-port": { type: "integer", placeholder: "port", summary: "First port for sidecars; by default 21000." },
  "sidecar-max-port": {
    type: "integer",
    placeholder: "port",
    summary: "Last port for sidecars; by default 255 above the first.",
  },
  "proxy-admin-min-port": {
    type: "integer",
    placeholder: "port",
    summary:
      "Admin port of the first sidecar's proxy, the others follow; by default 2000 below the first sidecar port.",
  },
  datacenter: { type: "string", placeholder: "name", summary: "Name of the datacenter; by default dc1." },
  "default-query-time": {
    type: "string",
    placeholder: "duration",
    summary: "How long a blocking query waits that does not say it; by default 300s.",
  },
  "max-query-time": {
    type: "string",
    placeholder: "duration",
    summary: "How long a blocking query waits at most; by default 600s.",
  },
  "enable-script-checks": {
    type: "boolean",
    summary:
      "Run programs for checks, whoever registers them: whoever reaches the HTTP API can then run programs here.",
  },
  "enable-local-script-checks": {
    type: "boolean",
    summary: "Run programs for checks of the configuration files only.",
  },
  "log-level": { type: "string", placeholder: "level", summary: "trace, debug, info (the default), warn or error." },
  "log-json": { type: "boolean", summary: "Log one JSON object per line." },
  "log-file": { type: "string", placeholder: "path", summary: "Also log to files that begin with this path." },
  "log-rotate-bytes": { type: "integer", placeholder: "count", summary: "A new log file after this many bytes." },
  "log-rotate-duration": {
    type: "string",
    placeholder: "duration",
    summary: "A new log file after this long; by default 24h.",
  },
  "log-rotate-max-files": {
    type: "integer",
    placeholder: "count",
    summary: "How many older log files are kept: 0 (the default) for all, -1 for none.",
  },
  "pid-file": { type: "string", placeholder: "path", summary: "Write the number of the process there." },
} as const;

export type AgentFlagValues = FlagValues<typeof agentFlags>;

/** What the command line set. */
export function settingsOfFlags(flags: AgentFlagValues): AgentSettings {
  return {
    ...noSettings,
    ...present({
      isDev: flags.dev,
      isServer: flags.server,
      bootstrapExpect: flags.bootstrap === true ? 1 : flags["bootstrap-expect"],
      datacenter: flags.datacenter,
      nodeName: flags.node,
      nodeId: flags["node-id"],
      dataDir: flags["data-dir"],
      bindAddress: flags.bind,
      advertiseAddress: flags.advertise,
      clientAddress: flags.client,
      httpPort: flags["http-port"],
      dnsPort: flags["dns-port"],
      dns: dnsSettings({
        domain: flags.domain,
        altDomain: flags["alt-domain"],
        recursors: flags.recursor,
        config: undefined,
      }),
      rpcPort: flags["server-port"] ?? flags["rpc-port"],
      sidecarMinPort: flags["sidecar-min-port"],
      sidecarMaxPort: flags["sidecar-max-port"],
      adminMinPort: flags["proxy-admin-min-port"],
      joinToken: flags["join-token"],
      joinTokenFile: flags["join-token-file"],
      enableScriptChecks: flags["enable-script-checks"],
      enableLocalScriptChecks: flags["enable-local-script-checks"],
      logLevel: flags["log-level"],
      isLogJson: flags["log-json"],
    }),
    ...(flags["node-meta"].length > 0 && { nodeMeta: readMeta(flags["node-meta"]) }),
    edge: present({
      httpsPort: flags["https-port"],
      allowWriteFrom: flags["allow-write-http-from"].length > 0 ? flags["allow-write-http-from"] : undefined,
    }),
    grpc: present({ port: flags["grpc-port"], tlsPort: flags["grpc-tls-port"] }),
    requests: present({ defaultQueryTime: flags["default-query-time"], maxQueryTime: flags["max-query-time"] }),
    process: present({
      pidFile: flags["pid-file"],
      logFile: flags["log-file"],
      logRotateBytes: flags["log-rotate-bytes"],
      logRotateDuration: flags["log-rotate-duration"],
      logRotateMaxFiles: flags["log-rotate-max-files"],
    }),
    join: [...flags.join, ...flags["retry-join"]],
  };
}

function readMeta(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, key = pair, value = ""] = /^([^:=]+)[:=](.*)$/s.exec(pair) ?? [];
      return [key, value];
    }),
  );
}
