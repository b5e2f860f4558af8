import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { eventually } from "../../fakes/eventually.ts";
import { startProxy } from "../transport/bun-mesh.ts";

/** Two sidecars on real sockets, an app, and a collector that keeps what it gets. */
interface ReceivedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly kind: number;
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly startMs: number;
  readonly endMs: number;
  readonly code: number | undefined;
}

const directory = mkdtempSync(join(tmpdir(), "atoll-traces-"));
const authority = new TestAuthority();
const stops: (() => void)[] = [];
const spans: ReceivedSpan[] = [];
const contentTypes = new Set<string | undefined>();
let appSaw: string | undefined;
let callerPort = 0;
let appPort = 0;
let meshPort = 0;

beforeAll(async () => {
  const collector = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      contentTypes.add(`${request.method} ${request.url} ${request.headers["content-type"]}`);
      spans.push(...readSpans(body));
      response.end("{}");
    });
  });
  const app = createServer((request, response) => {
    appSaw = request.headers["traceparent"]?.toString();
    response.statusCode = request.url?.startsWith("/broken") ? 500 : 200;
    response.end("fine");
  });
  appPort = await listen(app);
  const collectorPort = await listen(collector);
  stops.push(
    () => app.close(),
    () => collector.close(),
  );
  const files = (service: string) => writeLeaf(authority.leaf(service), mkdtempSync(join(directory, service)));
  const telemetry = (name: string) => ({
    tracing: { propagate: true, sample: 1, otlpEndpoint: `http://127.0.0.1:${collectorPort}` },
    accessLog: { enabled: true, path: join(directory, `${name}.log`), format: "json" },
  });
  const callee = startProxy({
    identity: files("api"),
    inbound: [
      {
        service: "api",
        listen: "127.0.0.1:0",
        app: `127.0.0.1:${appPort}`,
        protocol: "http",
        intentions: { default: "allow", rules: [] },
      },
    ],
    admin: { listen: "127.0.0.1:0" },
    telemetry: telemetry("api"),
  });
  meshPort = callee.proxy.portOf("127.0.0.1:0") ?? 0;
  const caller = startProxy({
    identity: files("web"),
    outbound: [
      {
        service: "api",
        listen: "127.0.0.1:0",
        protocol: "http",
        endpoints: [{ address: `127.0.0.1:${meshPort}` }],
      },
    ],
    admin: { listen: "127.0.0.1:0" },
    telemetry: telemetry("web"),
  });
  stops.push(callee.stop, caller.stop);
  callerPort = caller.proxy.portOf("127.0.0.1:0") ?? 0;
});

afterAll(() => {
  for (const stop of stops.toReversed()) stop();
  rmSync(directory, { recursive: true });
});

test("a call through two sidecars is a client's span over a server's, both children of whoever called", async () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const parent = "b7ad6b7169203331";
  const headers = { traceparent: `00-${traceId}-${parent}-01` };
  await (await fetch(`http://127.0.0.1:${callerPort}/pay?card=1`, { headers })).text();
  const [client, server] = await spansOf(traceId);
  expect(client).toMatchObject({ service: "web", parentSpanId: parent, kind: 3, name: "GET", code: undefined });
  expect(server).toMatchObject({ service: "api", parentSpanId: client?.spanId, kind: 2, code: undefined });
  expect(appSaw).toBe(`00-${traceId}-${server?.spanId}-01`);
  expect(client?.attributes).toMatchObject({
    "http.request.method": "GET",
    "http.response.status_code": "200",
    "url.path": "/pay",
    "network.peer.address": `127.0.0.1:${meshPort}`,
    "atoll.direction": "outbound",
  });
  expect(server?.attributes).toMatchObject({
    "atoll.caller": expect.stringMatching(/\/svc\/web$/),
    "network.peer.address": `127.0.0.1:${appPort}`,
    "network.protocol.version": "2",
  });
  // Two clocks of one machine: the server's span lies within the client's, but for the coarse beginning.
  expect((client?.endMs ?? 0) - (client?.startMs ?? 0)).toBeGreaterThanOrEqual(
    (server?.endMs ?? 0) - (server?.startMs ?? 0),
  );
  expect([...contentTypes]).toEqual(["POST /v1/traces application/json"]);
});

test("a failure is an error of both spans, and a call without a trace begins one", async () => {
  await (await fetch(`http://127.0.0.1:${callerPort}/broken`)).text();
  const traceId = appSaw?.split("-")[1] ?? "";
  const [client, server] = await spansOf(traceId);
  expect(client).toMatchObject({ parentSpanId: "", code: 2 });
  expect(server).toMatchObject({ parentSpanId: client?.spanId, code: 2 });
});

test("the access log of real files has real addresses, one line per request", async () => {
  const response = await fetch(`http://127.0.0.1:${callerPort}/logged`);
  await response.text();
  const path = join(directory, "api.log");
  const lines = (): string[] => (existsSync(path) ? readFileSync(path, "utf8").split("\n") : []);
  const line = await eventually("a line", () => lines().find((one) => one.includes("/logged")));
  expect(JSON.parse(line)).toMatchObject({
    path: "/logged",
    response_code: 200,
    bytes_sent: 4,
    upstream_host: `127.0.0.1:${appPort}`,
    downstream_remote_address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    downstream_peer: expect.stringMatching(/\/svc\/web$/),
  });
});

/** Both spans of a trace, the client's first. */
async function spansOf(traceId: string): Promise<ReceivedSpan[]> {
  return eventually("both spans", () => {
    const found = spans.filter((span) => span.traceId === traceId);
    return found.length === 2 && found.toSorted((a, b) => b.kind - a.kind);
  });
}

async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address: string | AddressInfo | null = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

/** The part of OTLP that the tests look at. */
interface ExportedTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly ExportedSpan[] }[];
  }[];
}
interface OtlpAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string };
}
interface ExportedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly kind: number;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly OtlpAttribute[];
  readonly status: { readonly code?: number };
}

function readSpans(body: string): ReceivedSpan[] {
  const traces: ExportedTraces = JSON.parse(body);
  return traces.resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map(({ status, attributes, startTimeUnixNano, endTimeUnixNano, ...span }) => ({
        ...span,
        service: record(resource.attributes)["service.name"] ?? "",
        attributes: record(attributes),
        startMs: Number(startTimeUnixNano) / 1e6,
        endMs: Number(endTimeUnixNano) / 1e6,
        code: status.code,
      })),
    ),
  );
}

function record(attributes: readonly OtlpAttribute[]): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue ?? ""]));
}
