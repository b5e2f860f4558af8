import { describe, expect, test } from "bun:test";
import { MemoryMesh, trustDomain } from "../memory-mesh.ts";
import { answer, deliver, get, ok } from "../exchange/talk.ts";

const web = `spiffe://${trustDomain}/ns/default/dc/dc1/svc/web`;
const api = `spiffe://${trustDomain}/ns/default/dc/dc1/svc/api`;

function call(mesh: MemoryMesh, response = ok("hello")): void {
  const client = mesh.client();
  deliver(mesh, client, get);
  answer(mesh, client, response);
  client.connection.destroy();
  mesh.settle();
}

/** The samples of a page whose name is `name`, without comments. */
function samples(page: string, name: string): string[] {
  return page.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}

describe("golden metrics", () => {
  test("are not there unless a name is asked for; the listeners' totals are", () => {
    const mesh = new MemoryMesh();
    call(mesh);
    const page = mesh.metricsOfCallee();
    expect(samples(page, "request_total")[0]).toBe(
      'request_total{direction="inbound",service="api",listener="127.0.0.1:20000"} 1',
    );
    expect(page).not.toContain("istio_");
    expect(page).not.toContain("atoll_proxy_requests_total");
    expect(page).toContain("\natoll_proxy_metric_series 0\n");
  });

  test("have our own names, with caller, cluster and status", () => {
    const mesh = new MemoryMesh({ telemetry: { metrics: { names: ["own"] } } });
    call(mesh);
    call(mesh);
    const labels = `direction="inbound",service="api",listener="127.0.0.1:20000",caller="${web}",route="",cluster="local_app",protocol="http",status_code="200",grpc_status="",response_flags=""`;
    const page = mesh.metricsOfCallee();
    expect(samples(page, "atoll_proxy_requests_total")).toEqual([`atoll_proxy_requests_total{${labels}} 2`]);
    expect(samples(page, "atoll_proxy_response_bytes_total")).toEqual([
      `atoll_proxy_response_bytes_total{${labels}} 10`,
    ]);
    expect(samples(page, "atoll_proxy_request_duration_seconds_count")).toEqual([
      `atoll_proxy_request_duration_seconds_count{${labels}} 2`,
    ]);
    expect(page).toContain(`atoll_proxy_request_duration_seconds_bucket{${labels},le="0.001"} 2\n`);
    expect(page).toContain(`atoll_proxy_request_duration_seconds_bucket{${labels},le="+Inf"} 2\n`);
    expect(samples(mesh.metrics(), "atoll_proxy_requests_total")[0]).toContain('direction="outbound",service="api"');
  });

  test("take the place of the totals that have Linkerd's names", () => {
    const mesh = new MemoryMesh({ telemetry: { metrics: { names: ["linkerd"] } } });
    call(mesh);
    call(mesh, "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
    const edge = `direction="inbound",service="api",listener="127.0.0.1:20000",tls="true",client_id="${web}",dst_service="local_app",rt_route=""`;
    const page = mesh.metricsOfCallee();
    expect(samples(page, "request_total")).toEqual([`request_total{${edge}} 2`]);
    expect(samples(page, "response_total")).toEqual([
      `response_total{${edge},status_code="200",grpc_status_code="",classification="success"} 1`,
      `response_total{${edge},status_code="503",grpc_status_code="",classification="failure"} 1`,
    ]);
    expect(samples(page, "response_latency_ms_count").length).toBe(2);
    expect(page.match(/^# TYPE request_total /gm)?.length).toBe(1);
  });

  test("have Istio's names and labels, reported from both ends", () => {
    const mesh = new MemoryMesh({ telemetry: { metrics: { names: ["istio"] } } });
    call(mesh);
    const [source = ""] = samples(mesh.metrics(), "istio_requests_total");
    const [destination = ""] = samples(mesh.metricsOfCallee(), "istio_requests_total");
    for (const label of [
      'reporter="source"',
      `source_principal="${web}"`,
      'source_workload="web"',
      'destination_service_name="api"',
      'connection_security_policy="unknown"',
      'response_code="200"',
      'response_flags="-"',
      'request_protocol="http"',
    ]) {
      expect(source).toContain(label);
    }
    for (const label of [
      'reporter="destination"',
      `source_principal="${web}"`,
      `destination_principal="${api}"`,
      'source_canonical_service="web"',
      'destination_canonical_service="api"',
      'connection_security_policy="mutual_tls"',
    ]) {
      expect(destination).toContain(label);
    }
    expect(samples(mesh.metrics(), "istio_request_duration_milliseconds_count").length).toBe(1);
    expect(samples(mesh.metrics(), "istio_response_bytes_sum")[0]).toEndWith(" 5");
  });

  test("stay within their budget whoever calls, and a series that is idle for ten minutes is gone", async () => {
    const mesh = new MemoryMesh({ telemetry: { metrics: { names: ["own"], maxSeries: 2 } } });
    for (const status of [200, 201, 404, 500]) call(mesh, `HTTP/1.1 ${status} X\r\ncontent-length: 0\r\n\r\n`);
    const page = mesh.metricsOfCallee();
    const lines = samples(page, "atoll_proxy_requests_total");
    expect(lines.length).toBe(3);
    expect(lines[2]).toContain('caller="overflow"');
    expect(lines[2]).toEndWith(" 2");
    expect(page).toContain("\natoll_proxy_metric_series 2\n");
    expect(page).toContain("\natoll_proxy_metric_series_overflow_total 2\n");
    await mesh.pass(612_000);
    expect(samples(mesh.metricsOfCallee(), "atoll_proxy_requests_total").length).toBe(1);
  });
});
