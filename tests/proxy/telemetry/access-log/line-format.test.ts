import { describe, expect, test } from "bun:test";
import { defaultTelemetry } from "../../../../lib/contract/proxy-telemetry.ts";
import { compileLineFormat } from "../../../../proxy/telemetry/access-log/line-format.ts";
import type { Observation } from "../../../../proxy/exchange/observation.ts";
import { finished, requestHead } from "../finished-request.ts";

const { accessLog } = defaultTelemetry;
const startedWallMs = Date.parse("2026-03-04T05:06:07.089Z");

function lineOf(observation: Observation, settings: Partial<typeof accessLog>): string {
  return compileLineFormat({ ...accessLog, ...settings })({ observation, startedWallMs, listen: "127.0.0.1:15001" });
}
const textOf = (observation: Observation, textFormat: string): string =>
  lineOf(observation, { format: "text", textFormat });
const jsonOf = (observation: Observation, jsonFormat = accessLog.jsonFormat): unknown =>
  JSON.parse(lineOf(observation, { jsonFormat }));

describe("a line of text", () => {
  test("begins with Envoy's default form", () => {
    const request = requestHead(["user-agent", "curl/8", "x-request-id", "r-1"], "/a?b=1");
    expect(lineOf(finished({ request }, { responseBytes: 5, cluster: "api" }), { format: "text" })).toBe(
      '[2026-03-04T05:06:07.089Z] "GET /a?b=1 HTTP/1.1" 200 - 0 5 25 12 "-" "curl/8" "r-1" "api" "127.0.0.1:8080" api via_upstream 127.0.0.1:55555 - -\n',
    );
  });

  test("is one line whatever the request holds, and its quotes end where they seem to", () => {
    const value = '" 200 -\t\xe9\xff\\"';
    const line = textOf(finished({ request: requestHead(["user-agent", value]) }), '"%REQ(USER-AGENT)%" %PROTOCOL%');
    expect(line).toBe('"\\x22 200 -\\x09\\xE9\\xFF\\x5C\\x22" HTTP/1.1\n');
    const hostile = finished({ request: requestHead() }, { endpoint: "a\r\nb\u2028", refusal: "" });
    expect(textOf(hostile, "%UPSTREAM_HOST%")).toBe("a\\x0D\\x0Ab\\u2028\n");
  });

  test("keeps to one line when the format has several", () => {
    expect(textOf(finished(), "%PROTOCOL%\n%RESPONSE_CODE%\r\n")).toBe("HTTP/1.1 200\n");
  });

  test("takes the other field when the first is absent, and cuts a value where the format says", () => {
    const request = requestHead(["b", "0123456789"]);
    expect(textOf(finished({ request }), "%REQ(A?B):4% %REQ(B?A):3% %REQ(A)%")).toBe("0123 012 -\n");
    const long = requestHead(["b", "x".repeat(10_000)]);
    expect(textOf(finished({ request: long }), "%REQ(B)%").length).toBe(4_097);
  });

  test("masks what a path or another URL says of secrets", () => {
    const request = requestHead(["referer", "https://me:pw@x/?api_key=1"], "/a?token=t&b=1");
    expect(textOf(finished({ request }), "%REQ(:PATH)% %REQ(REFERER)%")).toBe(
      "/a?token=[masked]&b=1 https://[masked]@x/?api_key=[masked]\n",
    );
  });

  test("writes times as asked for", () => {
    expect(textOf(finished(), "%START_TIME(%Y/%m/%dT%H:%M:%S.%3f%z %s %f %%)%")).toBe(
      "2026/03/04T05:06:07.089+0000 1772600767 089000000 %\n",
    );
    expect(textOf(finished(), "%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%")).toBe("- 12 12\n");
  });
});

describe("a line of JSON", () => {
  test("has Consul's keys; numbers are numbers and what is absent is null", () => {
    expect(jsonOf(finished({ status: 404 }))).toEqual({
      start_time: "2026-03-04T05:06:07.089Z",
      route_name: null,
      method: "GET",
      path: "/a",
      protocol: "HTTP/1.1",
      response_code: 404,
      response_flags: "-",
      response_code_details: "via_upstream",
      bytes_received: 0,
      bytes_sent: 0,
      duration: 25,
      upstream_service_time: "12",
      x_forwarded_for: null,
      user_agent: null,
      request_id: null,
      authority: "api",
      upstream_host: "127.0.0.1:8080",
      upstream_cluster: null,
      downstream_remote_address: "127.0.0.1:55555",
      downstream_peer: null,
      trace_id: null,
    });
  });

  test("stays one line and valid, and reads bytes as UTF-8", () => {
    const name = Buffer.from("é\u2028\u0085").toString("latin1");
    const request = requestHead(["user-agent", `"},{\\ ${name}`]);
    const jsonFormat = { 'a"b': "%REQ(USER-AGENT)%", c: "x %RESPONSE_CODE% %REQ(NONE)%" };
    const line = lineOf(finished({ request }), { jsonFormat });
    expect(line.slice(0, -1)).not.toMatch(/[^ -~é]/);
    expect(JSON.parse(line)).toEqual({ 'a"b': '"},{\\ é\u2028\u0085', c: "x 200 -" });
  });

  test("of an empty format is an empty object", () => {
    expect(lineOf(finished(), { jsonFormat: {} })).toBe("{}\n");
  });
});

describe("what became of a request", () => {
  const summary = (observation: Observation): string =>
    textOf(
      observation,
      "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %RESPONSE_CODE_DETAILS% %GRPC_STATUS%",
    ).trim();

  test.each([
    ["no_healthy_upstream", 503, "503 UH NoHealthyUpstream no_healthy_upstream -"],
    ["connect_failure", 503, "503 UF UpstreamConnectionFailure connect_failure -"],
    ["overflow", 503, "503 UO UpstreamOverflow overflow -"],
    ["upstream_lost", 503, "503 UC UpstreamConnectionTermination upstream_lost -"],
    ["grpc_deadline", 504, "504 UT UpstreamRequestTimeout grpc_deadline -"],
    ["stream_idle_timeout", 504, "504 SI StreamIdleTimeout stream_idle_timeout -"],
    ["malformed_response", 502, "502 UPE UpstreamProtocolError malformed_response -"],
    ["malformed_body", 0, "0 DPE DownstreamProtocolError malformed_body -"],
    ["denied", 403, "403 - - denied -"],
  ] as const)("that ended with %s", (refusal, status, expected) => {
    expect(summary(finished({ status }, { refusal }))).toBe(expected);
  });

  test("says that it had been sent again, and that the client left", () => {
    expect(summary(finished({ status: 503 }, { refusal: "upstream_lost", attempts: 2 }))).toStartWith("503 UC,URX ");
    expect(summary(finished({ status: 0 }, { isClientGone: true }))).toBe(
      "0 DC DownstreamConnectionTermination downstream_remote_disconnect -",
    );
  });

  test("says gRPC's status, from trailers or from a response of trailers only", () => {
    const request = requestHead(["content-type", "application/grpc", "te", "trailers"], "/S/M", "POST");
    expect(summary(finished({ request, trailers: ["grpc-status", "5"] }))).toEndWith(" NotFound");
    expect(summary(finished({ request, responseFields: ["grpc-status", "0"] }))).toEndWith(" OK");
    expect(summary(finished({ request, trailers: ["grpc-status", "x"] }))).toEndWith(" -");
    expect(summary(finished({ trailers: ["grpc-status", "5"] }))).toEndWith(" -");
  });
});
