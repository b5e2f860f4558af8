import type { Timer } from "../../lib/base/clock.ts";
import { demand } from "../../lib/acl/authorizer.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { metricsAnswer } from "./metrics-answer.ts";
import { startStream } from "./stream-answer.ts";

/** go-metrics' interval in Consul's agent. */
const streamIntervalMs = 10_000;
/** Who does not read two of them needs no third. */
const maxQueued = 2;

/** `/v1/agent/metrics`: once, as JSON or for Prometheus, and every ten seconds as a stream of JSON lines. */
export function registerMetricsRoutes(app: HttpApp, { agent, runtime, authorize }: AgentRouteContext): void {
  const { metrics, clock } = runtime;
  const { nodeName } = agent.identity;

  app.get("/v1/agent/metrics", async (request, reply) => {
    demand(await authorize(request), "agent", "read", nodeName);
    if (queryOf(request).get("format") !== "prometheus") {
      return sendJson(reply, await metricsAnswer(metrics, clock.nowMs()));
    }
    return reply.header("content-type", metrics.contentType).send(await metrics.metrics());
  });

  app.get("/v1/agent/metrics/stream", async (request, reply) => {
    demand(await authorize(request), "agent", "read", nodeName);
    const stream = startStream(reply, { contentType: "application/json", maxQueued, missed: () => "" });
    let timer: Timer | undefined;
    const sendNext = async (): Promise<void> => {
      stream.send(`${JSON.stringify(await metricsAnswer(metrics, clock.nowMs()))}\n`);
      if (!stream.signal.aborted) timer = clock.after(streamIntervalMs, () => void sendNext());
    };
    stream.signal.addEventListener("abort", () => timer?.cancel(), { once: true });
    await sendNext();
    return reply;
  });
}
