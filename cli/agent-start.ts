import { mkdir } from "node:fs/promises";
import { createAgentAccess } from "../agent/acl/agent-access.ts";
import { createRemoteResolver, type ResolveToken } from "../agent/acl/remote-resolver.ts";
import { type AgentTokenStore, openTokenStore } from "../agent/acl/token-store.ts";
import { type Agent, type AgentStop, startAgent } from "../agent/agent.ts";
import type { AgentControl } from "../agent/agent-control.ts";
import type { AgentOptions } from "../agent/config/agent-options.ts";
import { debugConfig } from "../agent/config/debug-config.ts";
import { afterReload } from "../agent/config/needs-restart.ts";
import { type DnsServer, startDnsServer } from "../agent/dns/dns-server.ts";
import type { GrpcListeners } from "../agent/grpc/grpc-listeners.ts";
import { readHostReport } from "../agent/host-report.ts";
import { registerAgentRoutes } from "../agent/http/agent-routes.ts";
import { registerForwardRoutes } from "../agent/http/forward.ts";
import { openEnrolment, type Enrolment } from "../agent/identity/enrolment.ts";
import { loadNodeId } from "../agent/node-id.ts";
import { refuseSecondAgent } from "../agent/proxy-sessions.ts";
import { errorMessage } from "../lib/base/errors.ts";
import type { LogTaps } from "../lib/base/log-taps.ts";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import { connectServer } from "../lib/client/grpc-link.ts";
import type { ServerLink } from "../lib/client/server-link.ts";
import type { HostPort } from "../lib/contract/address.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { longestForwardMs } from "../lib/contract/request-limits.ts";
import { addAccessRules } from "../lib/http/access-rules.ts";
import { openEdge } from "../lib/http/edge-listeners.ts";
import { giveDefaultToken } from "../lib/http/default-token.ts";
import { createHttpApp, type HttpApp, type RegisteredRoute } from "../lib/http/http-app.ts";
import { registerOpenApiRoute } from "../lib/http/openapi-route.ts";
import { tokenOf } from "../lib/http/request-token.ts";
import type { AgentWriteAudit } from "../server/agent-write-audit.ts";
import { createForwardHandler } from "../server/http/forward-handler.ts";
import { registerServerRoutes } from "../server/http/server-routes.ts";
import { type Server, startServer } from "../server/server.ts";
import { auditHttp, openAudit } from "./agent-audit.ts";
import { openGrpc } from "./agent-grpc.ts";
import { agentBanner } from "./agent-banner.ts";
import {
  checkEnvironment,
  createTemporaryDataDir,
  dockerAddress,
  proxyLaunch,
  temporaryDir,
  userId,
} from "./agent-process.ts";
import { writeBootstrapEntries } from "./bootstrap-entries.ts";
import type { ProgramName } from "./command.ts";
import { buildInfo } from "./build-info.ts";

/**
 * The composition root of `atoll agent`: the one place that knows both servers and agents. In order: data directory,
 * server (when it is one), link, agent, HTTP, DNS, and last the proxies, when nothing else can fail any more.
 */
export interface RunningAgent {
  readonly banner: string;
  /** Where the HTTP API listens and what it has. */
  readonly http: RunningHttp;
  /** Where gRPC listens. */
  readonly grpc: GrpcListeners["addresses"];
  /** Where DNS listens; undefined when it is off. */
  readonly dns: HostPort | undefined;
  /** Never resolves; rejects when the server in this process cannot go on. */
  readonly failed: Promise<never>;
  /** Resolves when somebody asks over HTTP that this agent leaves. */
  readonly leaving: Promise<void>;
  /** Takes over what can change under a running agent: see needs-restart.ts for what cannot. */
  reload(options: AgentOptions): Promise<void>;
  /** Stops everything in the opposite order. */
  stop(options: AgentStop): Promise<void>;
}

export interface RunningHttp {
  /** The first plain address; port 0 when there is none. */
  readonly address: HostPort;
  readonly routes: readonly RegisteredRoute[];
}

export interface AgentProcessOptions {
  readonly runtime: MeteredRuntime;
  readonly options: AgentOptions;
  readonly program?: ProgramName;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly shutdown: AbortSignal;
  /** Readers of the log that `runtime` writes. */
  readonly logs: LogTaps;
  /** Reads the configuration files again, as SIGHUP does; rejects with what is wrong with them. */
  readonly reload: () => Promise<void>;
}

type Closer = (stop: AgentStop) => Promise<void>;

/** Rejects with an error for the person who started it; then nothing is left running. */
export async function startAgentProcess(start: AgentProcessOptions): Promise<RunningAgent> {
  const closers: Closer[] = [];
  const closeAll = async (stop: AgentStop): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close(stop);
  };
  try {
    return { ...(await startParts(start, closers)), stop: closeAll };
  } catch (thrown) {
    await closeAll({ isLeaving: false, deadlineMs: 1_000 });
    throw thrown;
  }
}

async function startParts(start: AgentProcessOptions, closers: Closer[]): Promise<Omit<RunningAgent, "stop">> {
  const { options, program = "atoll" } = start;
  const failure = Promise.withResolvers<never>();
  // Nobody may be waiting yet when it happens.
  failure.promise.catch(() => undefined);
  const dataDir = await openDataDir(options, closers);
  const audit = openAudit(options, start.runtime);
  // Closed last but for the directory: what the others do while they stop is told as well.
  if (audit !== undefined) closers.push(() => audit.log.close());
  const server = options.isServer
    ? await openServer({ start, dataDir, audit, closers, onFatal: (error) => failure.reject(error) })
    : undefined;
  const { link, enrolment } = await openLink({ start, dataDir, server, closers });
  const tokens = await openTokenStore({
    isAclEnabled: options.acl.isEnabled,
    configured: options.acl.tokens,
    isPersistent: options.acl.isTokenPersistent,
    dataDir,
    logger: start.runtime.logger.child("acl"),
  });
  const agent = await openAgent({ start, dataDir, link, tokens, closers });
  if (enrolment !== undefined) {
    const renewal = enrolment.keepRenewed({ link, roots: agent.roots });
    closers.push(async () => renewal.close());
  }
  let inForce = options;
  const control = createControl({ start, dataDir, tokens, inForce: () => inForce });
  const {
    app,
    http,
    urls,
    reload: reloadHttp,
  } = await openHttp({ start, agent, control, link, server, audit, closers });
  const grpc = await openGrpc({ options, runtime: start.runtime, app, server });
  closers.push((stop) => grpc.close(Math.round(stop.deadlineMs / 8)));
  const dns = await openDns({ start, link, tokens, closers });
  await agent.startProxies();
  const banner = agentBanner({
    program,
    options,
    identity: agent.api.identity,
    dataDir,
    urls,
    dns: dns?.address,
    grpc: grpc.addresses,
    server,
  });
  const reload = async (next: AgentOptions): Promise<void> => {
    inForce = afterReload(inForce, next);
    reloadHttp(next);
    grpc.reload(next.grpc);
    dns?.reload(inForce.dns);
    tokens.configure(next.acl.tokens);
    await agent.reload(next);
  };
  return {
    banner,
    http,
    grpc: grpc.addresses,
    dns: dns?.address,
    failed: failure.promise,
    leaving: agent.leaving,
    reload,
  };
}

async function openDataDir(options: AgentOptions, closers: Closer[]): Promise<string> {
  if (options.dataDir === undefined) {
    const temporary = await createTemporaryDataDir();
    closers.push(() => temporary.remove());
    return temporary.path;
  }
  try {
    await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    const message = `data_dir ${options.dataDir} cannot be used: ${errorMessage(thrown)}`;
    throw new AtollError("CONFIG_INVALID", message, { cause: thrown });
  }
  await refuseSecondAgent({ dataDir: options.dataDir, temporaryDir, userId });
  return options.dataDir;
}

async function openServer(parts: {
  readonly start: AgentProcessOptions;
  readonly dataDir: string;
  readonly audit: AgentWriteAudit | undefined;
  readonly closers: Closer[];
  readonly onFatal: (error: AtollError) => void;
}): Promise<Server> {
  const { options, runtime } = parts.start;
  const server = await startServer({
    datacenter: options.datacenter,
    dataDir: parts.dataDir,
    rpcHost: options.bindAddress,
    rpcPort: options.rpcPort,
    advertiseHost: options.advertiseAddress,
    bootstrapExpect: options.bootstrapExpect,
    join: options.servers,
    joinToken: options.joinToken,
    acl: options.acl,
    coordinates: options.coordinates,
    ...(parts.audit === undefined ? {} : { audit: parts.audit }),
    signal: parts.start.shutdown,
    ...(options.maxBlockingQueries === undefined ? {} : { maxWatches: options.maxBlockingQueries }),
    forwardTimeoutMs: longestForwardMs(options.requests),
    ...(options.defaultIntentionPolicy !== undefined && { defaultIntentionPolicy: options.defaultIntentionPolicy }),
    runtime,
    onFatal: parts.onFatal,
  });
  parts.closers.push((stop) => server.stop(Math.round(stop.deadlineMs / 4)));
  return server;
}

async function openLink(parts: {
  readonly start: AgentProcessOptions;
  readonly dataDir: string;
  readonly server: Server | undefined;
  readonly closers: Closer[];
}): Promise<{ readonly link: ServerLink; readonly enrolment?: Enrolment }> {
  const { options, runtime, shutdown: signal } = parts.start;
  // The server closes its own link.
  if (parts.server !== undefined) return { link: parts.server.linkOf(options.nodeName) };
  const { servers } = options;
  const enrolment = await openEnrolment({
    dataDir: parts.dataDir,
    servers,
    node: options.nodeName,
    datacenter: options.datacenter,
    joinToken: options.joinToken,
    runtime,
    signal,
  });
  const { explainFailure } = enrolment;
  const link = await connectServer({
    servers,
    credentials: enrolment,
    explainFailure,
    runtime,
    signal,
    forwardTimeoutMs: longestForwardMs(options.requests),
  });
  parts.closers.push(() => link.close());
  return { link, enrolment };
}

async function openAgent(parts: {
  readonly start: AgentProcessOptions;
  readonly dataDir: string;
  readonly link: ServerLink;
  readonly tokens: AgentTokenStore;
  readonly closers: Closer[];
}): Promise<Agent> {
  const { options, runtime, env } = parts.start;
  const { dataDir, link, tokens } = parts;
  const wanted = options.nodeId === undefined ? {} : { wanted: options.nodeId };
  const nodeId = await loadNodeId({ dataDir, random: runtime.random, ...wanted });
  const agent = await startAgent({
    runtime,
    link,
    options,
    identity: {
      nodeName: options.nodeName,
      nodeId,
      datacenter: options.datacenter,
      address: options.advertiseAddress,
      version: buildInfo.version,
      revision: buildInfo.revision,
      buildDate: buildInfo.date,
      isServer: options.isServer,
      ...(options.isServer && { serverPort: options.rpcPort }),
    },
    tokens,
    dataDir,
    temporaryDir,
    userId,
    launch: proxyLaunch({ env, exitWithAgent: options.isDev }),
    checks: { env: checkEnvironment(env), docker: dockerAddress(env) },
  });
  parts.closers.push((stop) => agent.stop(stop));
  return agent;
}

function createControl(parts: {
  readonly start: AgentProcessOptions;
  readonly dataDir: string;
  readonly tokens: AgentTokenStore;
  readonly inForce: () => AgentOptions;
}): AgentControl {
  const { options, runtime, logs, reload } = parts.start;
  const { dataDir, tokens } = parts;
  return {
    tokens,
    logs,
    debugConfig: () => debugConfig(parts.inForce()),
    nodeMeta: options.nodeMeta,
    reload,
    hostReport: () => readHostReport({ dataDir, nowMs: runtime.clock.nowMs() }),
  };
}

async function openHttp(parts: {
  readonly start: AgentProcessOptions;
  readonly agent: Agent;
  readonly control: AgentControl;
  readonly link: ServerLink;
  readonly server: Server | undefined;
  readonly audit: AgentWriteAudit | undefined;
  readonly closers: Closer[];
}): Promise<{
  readonly app: HttpApp;
  readonly http: RunningHttp;
  readonly urls: readonly string[];
  readonly reload: (next: AgentOptions) => void;
}> {
  const { options, runtime } = parts.start;
  const { server, link } = parts;
  const { tokens } = parts.control;
  const { acl, requests: limits } = options;
  const { maxHeaderBytes } = options.edge;
  const app = createHttpApp({
    runtime,
    isAlwaysPretty: options.isDev,
    defaultAclPolicy: acl.defaultPolicy,
    discoveryMaxStaleMs: limits.discoveryMaxStaleMs,
    ...(maxHeaderBytes !== undefined && { maxHeaderBytes }),
  });
  const rules = addAccessRules(app, options.edge.access);
  if (acl.isEnabled) giveDefaultToken(app, () => tokens.get("default"));
  parts.closers.push(() => app.close());
  const tokenChanges = tokens.onChange(() => app.hotAnswers.clear());
  parts.closers.push(async () => tokenChanges.close());
  const resolve: ResolveToken =
    server === undefined ? createRemoteResolver({ link, acl, runtime }) : (secret) => server.resolveToken(secret);
  const rights = createAgentAccess({ acl, tokens, nodeName: options.nodeName, resolve });
  if (parts.audit !== undefined) auditHttp(app, parts.audit, { server, runtime, rights });
  registerAgentRoutes(app, {
    agent: parts.agent.api,
    control: parts.control,
    runtime,
    authorize: (request) => rights(tokenOf(request)),
  });
  if (server === undefined) {
    registerForwardRoutes(app, { link, runtime, nodeName: options.nodeName, limits });
  } else {
    registerOpenApiRoute(app, { version: buildInfo.version });
    registerServerRoutes(app, { server, runtime, nodeName: options.nodeName, limits });
  }
  const edge = await openEdge(app, options.edge, runtime);
  parts.closers.push(() => edge.close());
  server?.setForwardHandler(createForwardHandler(app));
  if (server !== undefined && options.bootstrapEntries !== undefined) {
    const writer = writeBootstrapEntries({ server, documents: options.bootstrapEntries, runtime });
    parts.closers.push(() => writer.close());
  }
  for (const address of edge.urls) runtime.logger.info("the HTTP API is up", { address });
  return {
    app,
    http: { address: edge.http ?? { host: options.clientAddress, port: 0 }, routes: app.routeList() },
    urls: edge.urls,
    reload(next) {
      edge.reload(next.edge);
      rules.change(next.edge.access);
    },
  };
}

/** After HTTP: a server answers its own agent's questions through the app. */
async function openDns(parts: {
  readonly start: AgentProcessOptions;
  readonly link: ServerLink;
  readonly tokens: AgentTokenStore;
  readonly closers: Closer[];
}): Promise<DnsServer | undefined> {
  const { options, runtime } = parts.start;
  const { tokens } = parts;
  const { dnsPort, dnsAddress, dns: settings } = options;
  if (dnsPort === -1) return undefined;
  const listen = { host: dnsAddress, port: dnsPort };
  // It may be set while the agent runs.
  const token = (): string | undefined => tokens.get("dns") || tokens.get("default") || undefined;
  try {
    const dns = await startDnsServer({ runtime, link: parts.link, settings, listen, token });
    parts.closers.push(() => dns.close());
    return dns;
  } catch (thrown) {
    if (!options.isDnsOptional) throw thrown;
    runtime.logger.warn("there is no DNS", { error: errorMessage(thrown) });
    return undefined;
  }
}
