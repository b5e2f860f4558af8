import { Type } from "typebox";
import type { Clock } from "../../../lib/base/clock.ts";
import { sendJson } from "../../../lib/http/answers.ts";
import { createHttpApp } from "../../../lib/http/http-app.ts";
import type { HttpApp, HttpAppOptions } from "../../../lib/http/http-app.ts";
import { requestSignal } from "../../../lib/http/open-requests.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import type { TestRuntime } from "../../fakes/test-runtime.ts";

export interface TestApp {
  readonly app: HttpApp;
  readonly runtime: TestRuntime;
}

const Body = Type.Object({
  ServiceID: Type.String(),
  Port: Type.Optional(Type.Integer()),
  Meta: Type.Optional(Type.Record(Type.String(), Type.String())),
  Addresses: Type.Optional(Type.Record(Type.String(), Type.Object({ Port: Type.Integer() }))),
});
const StrictBody = Type.Object({ Name: Type.String() }, { additionalProperties: false });

/** An app with a few routes of each sort. */
export function createTestApp(options: Omit<HttpAppOptions, "runtime"> & { readonly clock?: Clock } = {}): TestApp {
  const { clock, ...appOptions } = options;
  const runtime = createTestRuntime(clock === undefined ? {} : { clock });
  const app = createHttpApp({ runtime, ...appOptions });
  app.put("/v1/thing/register", { schema: { body: Body } }, async (request, reply) => sendJson(reply, request.body));
  app.put("/v1/thing/strict", { schema: { body: StrictBody } }, async (request, reply) =>
    sendJson(reply, request.body),
  );
  app.get("/v1/thing/:id", async (request, reply) => sendJson(reply, { params: request.params }));
  app.delete("/v1/thing/:id", async (_request, reply) => sendJson(reply, true));
  app.get("/v1/broken", async () => {
    throw new TypeError("secret detail");
  });
  app.get("/v1/wait", async (_request, reply) => {
    const signal = requestSignal(reply);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    return sendJson(reply, "ended");
  });
  return { app, runtime };
}
