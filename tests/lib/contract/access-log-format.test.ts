import { describe, expect, test } from "bun:test";
import { readAccessLogFormat } from "../../../lib/contract/access-log-format.ts";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { defaultJsonFormat, defaultTelemetry, defaultTextFormat } from "../../../lib/contract/proxy-telemetry.ts";

const smallest = { identity: { certFile: "a", keyFile: "b", caFile: "c" }, admin: { listen: "127.0.0.1:19000" } };

function telemetryOf(telemetry: unknown): unknown {
  const parsed = parseProxyConfig({ ...smallest, telemetry });
  return parsed.ok ? parsed.config.telemetry : parsed.issues.map(({ path, message }) => `${path}: ${message}`);
}

function problemOf(format: string): string {
  const reading = readAccessLogFormat(format);
  return reading.ok ? "" : reading.problem;
}

describe("a format", () => {
  test("is read into texts and operators, with two names and a length", () => {
    expect(readAccessLogFormat("100%% %REQ(X-A?:PATH):7% at %START_TIME(%H:%M:%S.%3f)%!%RESPONSE_CODE%")).toEqual({
      ok: true,
      parts: [
        { kind: "text", text: "100% " },
        { kind: "field", of: "request", name: "x-a", other: ":path", maxLength: 7 },
        { kind: "text", text: " at " },
        { kind: "time", format: "%H:%M:%S.%3f" },
        { kind: "text", text: "!" },
        { kind: "fact", fact: "RESPONSE_CODE", maxLength: 4_096 },
      ],
    });
  });

  test("with an operator that is not known, or not ended, says which", () => {
    expect(problemOf("%RESPONSE_KODE%")).toStartWith("%RESPONSE_KODE% is not known; there are START_TIME");
    expect(problemOf("%DYNAMIC_METADATA(a:b)%")).toStartWith("%DYNAMIC_METADATA(a:b)% is not known");
    expect(problemOf("a %REQ(X")).toBe('"%REQ(X" has no end');
    expect(problemOf("%REQ(A?B?C)%")).toContain("give a field's name");
    expect(problemOf("%START_TIME(%Q)%")).toContain('"%Q" is not known');
    expect(problemOf("%DURATION(X)%")).toContain("takes no argument");
  });

  test.each([
    "Authorization",
    "Proxy-Authorization",
    "cookie",
    "Set-Cookie",
    "X-Api-Key",
    "x-acme-api_key",
    "X-Auth-Token",
  ])("that names %s is refused, since it may hold a secret", (name) => {
    expect(problemOf(`%REQ(${name})%`)).toContain("may hold a secret");
    expect(problemOf(`%RESP(X-Fine?${name})%`)).toContain("may hold a secret");
  });

  test.each(["User-Agent", ":authority", "X-Author", "X-Request-Id", "X-Monkey", "X-Forwarded-For"])(
    "may name %s",
    (name) => {
      expect(problemOf(`%REQ(${name})%`)).toBe("");
    },
  );
});

describe("telemetry in a document", () => {
  test("has every default written out, and all of it is off", () => {
    expect(telemetryOf({})).toEqual(defaultTelemetry);
    expect(parseProxyConfig(smallest)).toMatchObject({ ok: true, config: { telemetry: defaultTelemetry } });
    expect(defaultTelemetry).toEqual({
      accessLog: {
        enabled: false,
        format: "json",
        path: "stdout",
        jsonFormat: { ...defaultJsonFormat },
        textFormat: defaultTextFormat,
        sample: 1,
        onlyErrors: false,
        maxWaitingBytes: 1_048_576,
      },
      metrics: { names: [], maxSeries: 1_000, idleExpiryMs: 600_000 },
      tracing: { propagate: false, sample: 0.01, maxWaitingSpans: 2_048 },
      tap: { maxReaders: 8, maxLinesPerSecond: 100 },
    });
  });

  test("takes a format in place of the default, whole", () => {
    const parsed = parseProxyConfig({
      ...smallest,
      telemetry: { accessLog: { jsonFormat: { code: "%RESPONSE_CODE%" } } },
    });
    expect(parsed.ok && parsed.config.telemetry.accessLog.jsonFormat).toEqual({ code: "%RESPONSE_CODE%" });
  });

  test("is refused with the path of what cannot be used", () => {
    expect(telemetryOf({ accessLog: { textFormat: "%X%", jsonFormat: { a: "%REQ(COOKIE)%" } } })).toEqual([
      expect.stringMatching(/^telemetry\.accessLog\.textFormat: %X% is not known/),
      expect.stringMatching(/^telemetry\.accessLog\.jsonFormat\.a: %REQ\(COOKIE\)%: "cookie" may hold a secret/),
    ]);
    expect(telemetryOf({ tracing: { propagate: true, otlpEndpoint: "http://me:word@127.0.0.1:4318" } })).toEqual([
      expect.stringMatching(/^telemetry\.tracing\.otlpEndpoint: must be an http or https URL without a user/),
    ]);
    expect(telemetryOf({ tracing: { otlpEndpoint: "http://127.0.0.1:4318" } })).toEqual([
      "telemetry.tracing.otlpEndpoint: has no effect unless tracing.propagate is true",
    ]);
    expect(telemetryOf({ accessLog: { path: "logs/here" } })).toEqual([
      expect.stringMatching(/^telemetry\.accessLog\.path: /),
    ]);
    expect(telemetryOf({ acessLog: {} })).toEqual(["telemetry.acessLog: unknown field"]);
    expect(telemetryOf({ metrics: { names: ["prometheus"] } })).toEqual([
      expect.stringMatching(/^telemetry\.metrics\.names\[0\]: must be one of/),
    ]);
  });
});
