import { type Authorizer, unrestricted } from "../../../lib/acl/authorizer.ts";
import type { AgentApi } from "../../../agent/agent-api.ts";
import { openTokenStore } from "../../../agent/acl/token-store.ts";
import { createAgentService } from "../../../agent/agent-service.ts";
import { registerAgentRoutes } from "../../../agent/http/agent-routes.ts";
import type { AgentControl } from "../../../agent/agent-control.ts";
import { readHostReport } from "../../../agent/host-report.ts";
import { createLogTaps } from "../../../lib/base/log-taps.ts";
import type { Logger } from "../../../lib/base/logger.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { createHttpApp, type HttpApp } from "../../../lib/http/http-app.ts";
import { listenHttp } from "../../../lib/http/listen.ts";
import { startTestAgent, type TestAgent } from "../test-registrations.ts";

export type Method = "GET" | "PUT" | "POST";

export interface TestAgentApp {
  readonly agent: TestAgent;
  readonly app: HttpApp;
  readonly control: AgentControl;
  /** Its lines reach the readers of the log. */
  readonly logger: Logger;
  /** One entry each time the agent was asked to leave. */
  readonly leaves: readonly string[];
  /** One request; a body other than text is sent as JSON. */
  call(method: Method, path: string, body?: unknown): Promise<Answer>;
  /** The base URL, once something has to be asked over a socket. */
  listen(): Promise<string>;
  stop(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
  json(): Record<string, unknown>;
}

/** The agent's routes over real registrations; the certificate side is a stand-in that `certificates` replaces. */
export async function startTestAgentApp(options: {
  readonly dataDir: string;
  readonly certificates?: Partial<Pick<AgentApi, "leaf" | "caRoots">>;
  readonly intentions?: AgentApi["intentions"];
  readonly authorizer?: Authorizer;
  readonly isAclEnabled?: boolean;
  readonly reload?: () => Promise<void>;
  /** Absent: no server can be reached. */
  readonly forward?: AgentApi["forward"];
}): Promise<TestAgentApp> {
  const agent = await startTestAgent({ dataDir: options.dataDir });
  const unused = async (): Promise<never> => {
    throw new Error("not a part of this test");
  };
  const away = () => Promise.reject(new AtollError("UNAVAILABLE", "no server in this test"));
  const leaves: string[] = [];
  const api = createAgentService({
    clock: agent.clock,
    identity: {
      nodeName: "vm1",
      nodeId: "7a1f9d0e-7f0c-4c53-9d53-1f8f0f8f0001",
      datacenter: "dc1",
      address: "10.0.0.1",
      version: "1.2.3",
      revision: "abc",
      buildDate: "2026-01-01T00:00:00Z",
      isServer: false,
    },
    registrations: agent,
    leaf: options.certificates?.leaf ?? unused,
    caRoots: options.certificates?.caRoots ?? unused,
    intentions: options.intentions ?? unused,
    link: { forward: options.forward ?? away, addServer: away },
    onLeave: () => leaves.push("asked"),
  });
  const app = createHttpApp({ runtime: agent.runtime });
  const logs = createLogTaps(agent.clock.nowMs);
  const runtime = { ...agent.runtime, logger: logs.tap(agent.runtime.logger, "test") };
  const control: AgentControl = {
    tokens: await openTokenStore({
      isAclEnabled: options.isAclEnabled ?? false,
      configured: {},
      isPersistent: true,
      dataDir: options.dataDir,
      logger: runtime.logger,
    }),
    logs,
    debugConfig: () => ({ ConnectEnabled: true }),
    nodeMeta: { rack: "7" },
    reload: options.reload ?? (async () => undefined),
    hostReport: () => readHostReport({ dataDir: options.dataDir, nowMs: agent.clock.nowMs() }),
  };
  const authorize = async () => options.authorizer ?? unrestricted;
  registerAgentRoutes(app, { agent: api, control, runtime, authorize });
  return {
    agent,
    app,
    control,
    logger: runtime.logger,
    leaves,
    async call(method, path, body) {
      const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
      const options = { method, url: path, ...(payload !== undefined && { payload }) };
      const answer = await app.inject(options);
      return {
        status: answer.statusCode,
        text: answer.payload,
        headers: answer.headers,
        json: () => JSON.parse(answer.payload),
      };
    },
    async listen() {
      const { port } = await listenHttp(app, { host: "127.0.0.1", port: 0 });
      return `http://127.0.0.1:${port}`;
    },
    async stop() {
      await app.close();
      await agent.stop();
    },
  };
}
