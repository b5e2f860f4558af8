import { describe, expect, test } from "bun:test";
import { MemoryMesh } from "../memory-mesh.ts";
import { answer, deliver, ok } from "../exchange/talk.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const clientSpan = "b7ad6b7169203331";

function tracingMesh(tracing: object = {}, rest: object = {}): MemoryMesh {
  return new MemoryMesh({ telemetry: { tracing: { propagate: true, ...tracing }, ...rest } });
}

/** What the app read of the trace that a request with these fields belongs to. */
function seenByApp(mesh: MemoryMesh, ...fields: string[]): { parent: string; state: string } {
  const client = mesh.client();
  const lines = ["GET / HTTP/1.1", "Host: api", ...fields, "", ""].join("\r\n");
  const text = deliver(mesh, client, lines);
  answer(mesh, client, ok(""));
  client.connection.destroy();
  mesh.settle();
  const all = (name: string): string =>
    text
      .split("\r\n")
      .filter((line) => line.startsWith(`${name}: `))
      .map((line) => line.slice(name.length + 2))
      .join("|");
  return { parent: all("traceparent"), state: all("tracestate") };
}

describe("the trace of a request", () => {
  test("goes through untouched unless it is asked for", () => {
    const mesh = new MemoryMesh();
    expect(seenByApp(mesh, "traceparent: what", "tracestate: ever")).toEqual({ parent: "what", state: "ever" });
    expect(seenByApp(mesh)).toEqual({ parent: "", state: "" });
  });

  test("goes on with a new span per proxy, the decision of whoever began it, and its state", () => {
    const mesh = tracingMesh({ sample: 0 });
    const first = seenByApp(mesh, `traceparent: 00-${traceId}-${clientSpan}-01`, "tracestate: a=1", "tracestate: b=2");
    expect(first.parent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    expect(first.parent).not.toContain(clientSpan);
    expect(first.state).toBe("a=1,b=2");
    const second = seenByApp(mesh, `traceparent: 00-${traceId}-${clientSpan}-01`);
    expect(second.parent).not.toBe(first.parent);
    expect(seenByApp(tracingMesh({ sample: 1 }), `traceparent: 00-${traceId}-${clientSpan}-00`).parent).toEndWith(
      "-00",
    );
  });

  test("is a new one when there is none or it cannot be read, and takes no state along", () => {
    const mesh = tracingMesh({ sample: 1 });
    for (const fields of [
      [],
      ["traceparent: 00-zz", "tracestate: a=1"],
      ["tracestate: a=1"],
      [`traceparent: 00-${traceId}-${clientSpan}-01`, `traceparent: 00-${traceId}-${clientSpan}-01`, "tracestate: a=1"],
    ]) {
      const { parent, state } = seenByApp(mesh, ...fields);
      expect(parent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      expect(parent).not.toContain(traceId);
      expect(state).toBe("");
    }
    expect(seenByApp(tracingMesh({ sample: 0 })).parent).toEndWith("-00");
  });

  test("goes on without a state that breaks the rules", () => {
    const seen = seenByApp(tracingMesh(), `traceparent: 00-${traceId}-${clientSpan}-01`, "tracestate: a=1,a=2");
    expect(seen.parent).toContain(traceId);
    expect(seen.state).toBe("");
  });

  test("is in the access log", () => {
    const accessLog = { enabled: true, format: "text", textFormat: "%TRACE_ID%" };
    const mesh = tracingMesh({}, { accessLog });
    seenByApp(mesh, `traceparent: 00-${traceId}-${clientSpan}-00`);
    expect(mesh.outputs.lines()).toEqual([traceId, traceId]);
  });

  test("is not decided again for the second of two equal requests of one connection", () => {
    const mesh = tracingMesh({ sample: 1 });
    const client = mesh.client();
    const parents = [1, 2, 3].map(() => {
      const text = deliver(mesh, client, "GET / HTTP/1.1\r\nHost: api\r\n\r\n");
      answer(mesh, client, ok(""));
      return /traceparent: (\S+)/.exec(text)?.[1];
    });
    expect(new Set(parents).size).toBe(3);
  });
});

describe("spans", () => {
  test("of what a collector does not take are dropped, counted, and hold no request up", async () => {
    const mesh = tracingMesh({ sample: 1, otlpEndpoint: "http://127.0.0.1:4318", maxWaitingSpans: 3 });
    mesh.outputs.answers = [503];
    for (let i = 0; i < 5; i++) seenByApp(mesh);
    expect(mesh.metrics()).toContain("\natoll_proxy_spans_dropped_total 2\n");
    await mesh.pass(20_000);
    expect(mesh.metrics()).toContain("\natoll_proxy_spans_exported_total 3\n");
    expect(mesh.outputs.posts[0]?.url).toBe("http://127.0.0.1:4318/v1/traces");
  });

  test("that are not sampled go nowhere", async () => {
    const mesh = tracingMesh({ sample: 1, otlpEndpoint: "http://127.0.0.1:4318/own/path" });
    seenByApp(mesh, `traceparent: 00-${traceId}-${clientSpan}-00`);
    await mesh.pass(5_000);
    expect(mesh.outputs.posts).toEqual([]);
    seenByApp(mesh, `traceparent: 00-${traceId}-${clientSpan}-01`);
    await mesh.pass(5_000);
    expect(mesh.outputs.posts.map(({ url }) => url)).toEqual([
      "http://127.0.0.1:4318/own/path",
      "http://127.0.0.1:4318/own/path",
    ]);
  });
});
