import { mkdir } from "node:fs/promises";
import { type Agent, type AgentStop, startAgent } from "../agent/agent.ts";
import type { AgentOptions } from "../agent/config/agent-options.ts";
import type { Configured } from "../agent/config/reload.ts";
import { registerAgentRoutes } from "../agent/http/agent-routes.ts";
import { registerForwardRoutes } from "../agent/http/forward.ts";
import { openEnrolment, type Enrolment } from "../agent/identity/enrolment.ts";
import { loadNodeId } from "../agent/node-id.ts";
import { refuseSecondAgent } from "../agent/proxy-sessions.ts";
import { unrestricted } from "../lib/acl/authorizer.ts";
import { errorMessage } from "../lib/base/errors.ts";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import { connectServer } from "../lib/client/grpc-link.ts";
import type { ServerLink } from "../lib/client/server-link.ts";
import { formatHostPort, type HostPort } from "../lib/contract/address.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { createHttpApp } from "../lib/http/http-app.ts";
import { listenHttp } from "../lib/http/listen.ts";
import { createForwardHandler } from "../server/http/forward-handler.ts";
import { registerServerRoutes } from "../server/http/server-routes.ts";
import { type Server, startServer } from "../server/server.ts";
import { agentBanner } from "./agent-banner.ts";
import { createTemporaryDataDir, proxyLaunch, temporaryDir, userId } from "./agent-process.ts";
import { buildInfo } from "./build-info.ts";

/**
 * The composition root of `atoll agent`: the one place that knows both servers and agents. In order: data directory,
 * server (when it is one), link, agent, HTTP, and last the proxies, when nothing else can fail any more.
 */
export interface RunningAgent {
  readonly banner: string;
  /** Never resolves; rejects when the server in this process cannot go on. */
  readonly failed: Promise<never>;
  /** Resolves when somebody asks over HTTP that this agent leaves. */
  readonly leaving: Promise<void>;
  reload(configured: Configured): Promise<void>;
  /** Stops everything in the opposite order. */
  stop(options: AgentStop): Promise<void>;
}

export interface AgentProcessOptions {
  readonly runtime: MeteredRuntime;
  readonly options: AgentOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly shutdown: AbortSignal;
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
  const { options } = start;
  const failure = Promise.withResolvers<never>();
  // Nobody may be waiting yet when it happens.
  failure.promise.catch(() => undefined);
  const dataDir = await openDataDir(options, closers);
  const server = options.isServer
    ? await openServer({ start, dataDir, closers, onFatal: (error) => failure.reject(error) })
    : undefined;
  const { link, enrolment } = await openLink({ start, dataDir, server, closers });
  const agent = await openAgent({ start, dataDir, link, closers });
  if (enrolment !== undefined) {
    const renewal = enrolment.keepRenewed({ link, roots: agent.roots });
    closers.push(async () => renewal.close());
  }
  const http = await openHttp({ start, agent, link, server, closers });
  await agent.startProxies();
  const banner = agentBanner({ options, identity: agent.api.identity, dataDir, http, server });
  return { banner, failed: failure.promise, leaving: agent.leaving, reload: (configured) => agent.reload(configured) };
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
    signal: parts.start.shutdown,
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
  if (parts.server !== undefined) return { link: parts.server.link };
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
  const link = await connectServer({ servers, credentials: enrolment, explainFailure, runtime, signal });
  parts.closers.push(() => link.close());
  return { link, enrolment };
}

async function openAgent(parts: {
  readonly start: AgentProcessOptions;
  readonly dataDir: string;
  readonly link: ServerLink;
  readonly closers: Closer[];
}): Promise<Agent> {
  const { options, runtime, env } = parts.start;
  const { dataDir, link } = parts;
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
    dataDir,
    temporaryDir,
    userId,
    launch: proxyLaunch({ env, exitWithAgent: options.isDev }),
  });
  parts.closers.push((stop) => agent.stop(stop));
  return agent;
}

async function openHttp(parts: {
  readonly start: AgentProcessOptions;
  readonly agent: Agent;
  readonly link: ServerLink;
  readonly server: Server | undefined;
  readonly closers: Closer[];
}): Promise<HostPort> {
  const { options, runtime } = parts.start;
  const { server, link } = parts;
  const app = createHttpApp({ runtime, isAlwaysPretty: options.isDev });
  parts.closers.push(() => app.close());
  registerAgentRoutes(app, { agent: parts.agent.api, runtime, authorize: async () => unrestricted });
  if (server === undefined) {
    registerForwardRoutes(app, { link, runtime, nodeName: options.nodeName });
  } else {
    registerServerRoutes(app, { server, runtime, nodeName: options.nodeName });
  }
  const address = await listenHttp(app, { host: options.clientAddress, port: options.httpPort });
  server?.setForwardHandler(createForwardHandler(app));
  runtime.logger.info("the HTTP API is up", { address: formatHostPort(address) });
  return address;
}
