import { createHttpApp, type HttpApp } from "../../../lib/http/http-app.ts";
import { registerServerRoutes } from "../../../server/http/server-routes.ts";
import { type Server, startServer } from "../../../server/server.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime, type TestRuntime } from "../../fakes/test-runtime.ts";

/** A whole server with access control on, asked as its clients ask it. */
export interface LoginWorld extends AsyncDisposable {
  readonly app: HttpApp;
  readonly server: Server;
  readonly runtime: TestRuntime;
  /** With the management token, unless another is given. */
  call(method: "GET" | "PUT" | "POST" | "DELETE", url: string, body?: unknown, token?: string): Promise<LoginAnswer>;
  login(authMethod: string, bearerToken: string, meta?: Record<string, string>): Promise<LoginAnswer>;
}

export interface LoginAnswer {
  readonly status: number;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

export const managementToken = "8ea9a4e5-5a4d-4b4a-9c3c-5f0a0b1c2d3e";

export async function startLoginWorld(): Promise<LoginWorld> {
  const dir = createTempDir();
  const runtime = createTestRuntime({ seed: Math.floor(performance.now() * 1000) });
  const server = await startServer({
    datacenter: "dc1",
    dataDir: dir.path,
    rpcHost: "127.0.0.1",
    rpcPort: 0,
    acl: { isEnabled: true, defaultPolicy: "deny", initialManagementToken: managementToken },
    runtime,
    onFatal: (error) => {
      throw error;
    },
  });
  const app = createHttpApp({ runtime });
  registerServerRoutes(app, { server, runtime });
  await app.ready();
  const call: LoginWorld["call"] = async (method, url, body, token = managementToken) => {
    const answer = await app.inject({
      method,
      url,
      headers: token === "" ? {} : { "x-consul-token": token },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    });
    const isJson = answer.body.startsWith("{");
    return { status: answer.statusCode, text: answer.body, json: isJson ? JSON.parse(answer.body) : {} };
  };
  await eventually("the management token", async () => (await call("GET", "/v1/acl/token/self")).status === 200);
  return {
    app,
    server,
    runtime,
    call,
    login: (AuthMethod, BearerToken, Meta) => call("POST", "/v1/acl/login", { AuthMethod, BearerToken, Meta }, ""),
    async [Symbol.asyncDispose]() {
      await app.close();
      await server.stop(5_000);
      dir[Symbol.dispose]();
    },
  };
}
