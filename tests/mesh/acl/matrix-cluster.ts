import { startAgentProcess, type RunningAgent } from "../../../cli/agent-start.ts";
import { resolveAgentOptions } from "../../../agent/config/agent-options.ts";
import { noSettings } from "../../../agent/config/agent-settings.ts";
import { createLogTaps } from "../../../lib/base/log-taps.ts";
import { findFreePorts } from "../../../tools/free-ports.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

export const management = "11111111-2222-3333-4444-555555555555";

/** Answers that go on for as long as somebody reads them. */
const endless: readonly string[] = ["/v1/agent/metrics/stream", "/v1/agent/monitor"];

export interface AclAgent {
  readonly running: RunningAgent;
  /** Calls the API over a socket, with a token or without. */
  call(method: string, url: string, token?: string, body?: unknown): Promise<AclAnswer>;
  /** A token with these rules and no others; its secret. */
  token(rules: string): Promise<string>;
  /** Puts back what the routes are about; the ids that were made. */
  setUp(): Promise<Readonly<Record<string, string>>>;
  stop(): Promise<void>;
}

export interface AclAnswer {
  readonly status: number;
  readonly text: string;
}

/** A server and agent in this process, with ACLs on and everything denied by default. */
export async function startAclAgent({ isBootstrapped = true } = {}): Promise<AclAgent> {
  const [sidecarMinPort = 0] = await findFreePorts("127.0.0.1", 1);
  const options = resolveAgentOptions(
    {
      ...noSettings,
      isDev: true,
      httpPort: 0,
      rpcPort: 0,
      sidecarMinPort,
      adminMinPort: sidecarMinPort,
      acl: { enabled: true, ...(isBootstrapped && { tokens: { initial_management: management } }) },
    },
    { hostName: "vm1", addresses: [], workingDir: "/" },
  );
  const running = await startAgentProcess({
    runtime: createTestRuntime(),
    options,
    env: process.env,
    shutdown: new AbortController().signal,
    logs: createLogTaps(Date.now),
    reload: async () => undefined,
  });
  const { host, port } = running.http.address;
  const call: AclAgent["call"] = async (method, url, token, body) => {
    const response = await fetch(`http://${host}:${port}${url}`, {
      method,
      headers: token === undefined ? {} : { "X-Consul-Token": token },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    if (!response.ok || !endless.includes(url)) return { status: response.status, text: await response.text() };
    await response.body?.cancel();
    return { status: response.status, text: "" };
  };
  const must = async (method: string, url: string, body: unknown): Promise<string> => {
    const answer = await call(method, url, management, body);
    if (answer.status !== 200) throw new Error(`${method} ${url}: ${answer.status} ${answer.text}`);
    return answer.text;
  };
  if (isBootstrapped) await must("PUT", "/v1/agent/service/register", { Name: "Capital" });
  let made = 0;
  return {
    running,
    call,
    async token(rules) {
      const Name = `matrix-${made++}`;
      await must("PUT", "/v1/acl/policy", { Name, Rules: rules });
      return JSON.parse(await must("PUT", "/v1/acl/token", { Policies: [{ Name }] })).SecretID;
    },
    async setUp() {
      await must("PUT", "/v1/agent/service/register", {
        Name: "web",
        Port: 8080,
        Connect: { Native: true },
        Check: { CheckID: "web-ttl", TTL: "10m" },
      });
      await call("PUT", "/v1/agent/check/deregister/disk", management);
      // Critical instances are in no answer of a query.
      await must("PUT", "/v1/agent/check/pass/web-ttl", undefined);
      await must("PUT", "/v1/config", { Kind: "service-defaults", Name: "web", Protocol: "http" });
      await must("PUT", "/v1/event/fire/web", "");
      await must("PUT", "/v1/coordinate/update", { Node: "vm1", Coord: { Vec: [0, 0, 0, 0, 0, 0, 0, 0] } });
      await call("DELETE", "/v1/connect/intentions/exact?source=web&destination=web", management);
      await call("DELETE", "/v1/connect/intentions/exact?source=api&destination=web", management);
      const pair = { SourceName: "web", DestinationName: "web", Action: "allow" };
      const intention = JSON.parse(await must("POST", "/v1/connect/intentions", pair)).ID;
      for (const { ID } of JSON.parse(await must("GET", "/v1/query", undefined))) {
        await must("DELETE", `/v1/query/${ID}`, undefined);
      }
      const query = JSON.parse(await must("POST", "/v1/query", { Name: "web", Service: { Service: "web" } })).ID;
      await must("PUT", "/v1/kv/web", "x");
      for (const { ID } of JSON.parse(await must("GET", "/v1/session/list", undefined))) {
        await must("PUT", `/v1/session/destroy/${ID}`, undefined);
      }
      const session = JSON.parse(await must("PUT", "/v1/session/create", { NodeChecks: [] })).ID;
      return { intention, query, session };
    },
    stop: () => running.stop({ isLeaving: true, deadlineMs: 2_000 }),
  };
}
