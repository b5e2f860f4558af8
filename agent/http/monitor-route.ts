import { demand } from "../../lib/acl/authorizer.ts";
import { type LogLevel, logLevels } from "../../lib/base/logger.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { parseFlag } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { startStream } from "./stream-answer.ts";

/** Lines that wait for a reader; Consul keeps as many. */
const maxQueued = 512;

/** `/v1/agent/monitor`: the agent's log from now on, at a level of the reader's own. */
export function registerMonitorRoute(app: HttpApp, { agent, authorize, control }: AgentRouteContext): void {
  app.get("/v1/agent/monitor", async (request, reply) => {
    demand(await authorize(request), "agent", "read", agent.identity.nodeName);
    const query = queryOf(request);
    const level = mustLevel(query.get("loglevel") || "info");
    const format = parseFlag(query, "logjson") ? "json" : "text";
    const stream = startStream(reply, {
      contentType: format === "json" ? "application/json" : "text/plain; charset=utf-8",
      maxQueued,
      missed: (count) => missedLine(count, format),
    });
    const tap = control.logs.open({ level, format, onLine: (line) => stream.send(`${line}\n`) });
    stream.signal.addEventListener("abort", () => tap.close(), { once: true });
    if (stream.signal.aborted) tap.close();
    return reply;
  });
}

function missedLine(count: number, format: "text" | "json"): string {
  const message = `Monitor dropped ${count} logs during monitor request`;
  return format === "json" ? `${JSON.stringify({ "@level": "warn", "@message": message })}\n` : `[WARN] ${message}\n`;
}

function mustLevel(text: string): LogLevel {
  const lower = text.toLowerCase() === "err" ? "error" : text.toLowerCase();
  const level = logLevels.find((candidate) => candidate === lower);
  if (level !== undefined) return level;
  throw new AtollError("INVALID_ARGUMENT", `Unknown log level: ${text}`);
}
