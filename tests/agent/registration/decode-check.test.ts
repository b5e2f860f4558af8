import { expect, test } from "bun:test";
import { decodeCheck } from "../../../agent/registration/decode-check.ts";
import { mustDecode } from "../../../agent/registration/decode-result.ts";
import { formatIssues } from "../../../lib/contract/schema-issues.ts";

function refusal(document: unknown): string {
  const decoded = decodeCheck(document);
  return decoded.ok ? "accepted" : formatIssues(decoded.issues);
}

test("an HTTP check has Consul's defaults", () => {
  const check = mustDecode(decodeCheck({ Name: "up", HTTP: "http://127.0.0.1:1/", Interval: "10s" }));
  expect(check).toEqual({
    checkId: "up",
    name: "up",
    notes: "",
    serviceId: "",
    initialStatus: "critical",
    successBeforePassing: 0,
    failuresBeforeWarning: 0,
    failuresBeforeCritical: 0,
    deregisterCriticalServiceAfterMs: 0,
    outputMaxBytes: 4_096,
    probe: {
      type: "http",
      url: "http://127.0.0.1:1/",
      method: "GET",
      headers: {},
      body: "",
      tlsSkipVerify: false,
      tlsServerName: "",
      disableRedirects: false,
      intervalMs: 10_000,
      timeoutMs: 10_000,
    },
  });
});

test("durations are text or nanoseconds, and the floors of Consul hold", () => {
  const check = mustDecode(
    decodeCheck({
      Name: "up",
      TCP: "127.0.0.1:1",
      Interval: 1_000_000,
      Timeout: "1m30s",
      DeregisterCriticalServiceAfter: "5s",
      OutputMaxSize: 100_000,
    }),
  );
  expect(check.probe).toMatchObject({ intervalMs: 1_000, timeoutMs: 90_000 });
  expect(check).toMatchObject({ deregisterCriticalServiceAfterMs: 60_000, outputMaxBytes: 4_096 });
});

test.each([
  [{ TTL: "1s" }, "Missing check name"],
  [{ Name: "c", Interval: "10s", TTL: "1s", HTTP: "http://h/" }, "Interval and TTL cannot both be specified"],
  [
    { Name: "c", TCP: "h:1" },
    "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks",
  ],
  [{ Name: "c" }, "TTL must be > 0 for TTL checks"],
  [{ Name: "c", TTL: "soon" }, 'TTL: must be a duration such as "10s"'],
  [{ Name: "c", TTL: true }, "found true"],
  [{ Name: "c", TTL: "-1s" }, 'must be between 0s and 596h, found "-1s"'],
  [{ Name: "c", HTTP: "ftp://h/", Interval: "1s" }, "HTTP: must be a URL such as"],
  [
    { Name: "c", HTTP: "http://h/", Interval: "1s", Header: { A: ["x\r\nB: y"] } },
    "Header.A: may not hold a line break",
  ],
  [{ Name: "c", TCP: "127.0.0.1", Interval: "1s" }, "TCP: must be host:port"],
  [{ Name: "c", TTL: "1s", Status: "good" }, 'Bad check status, found "good"'],
  [{ Name: "c", TTL: "1s", FailuresBeforeWarning: 3, FailuresBeforeCritical: 2 }, "can't be higher than"],
  [{ Name: "c", AliasService: "web", Interval: "1s" }, "Invalid check: Interval cannot be set for Alias checks"],
  [{ Name: "c", AliasService: "web", TTL: "1s" }, "Invalid check: TTL must be not be set for Alias checks"],
  [{ Name: "c", Args: ["/bin/true"] }, "Invalid check: Interval must be > 0 for Script"],
  [{ Name: "c", DockerContainerID: "x", Interval: "1s" }, "Invalid check: TTL must be > 0 for TTL checks"],
  [{ Name: "c", UDP: "h", Interval: "1s" }, "UDP: must be host:port"],
  [{ Name: "c", GRPC: "h/svc", Interval: "1s" }, "GRPC: must be host:port"],
])("%j is refused: %s", (document, message) => {
  expect(refusal(document)).toContain(message);
});

const each = { intervalMs: 5_000, timeoutMs: 10_000 };
const verified = { skipVerify: false, serverName: "" };

test.each([
  [
    { TCP: "h:1", TCPUseTLS: true },
    { type: "tcp", address: "h:1", tls: verified },
  ],
  [{ UDP: "h:1" }, { type: "udp", address: "h:1" }],
  [{ GRPC: "h:1/a.B" }, { type: "grpc", address: "h:1", service: "a.B" }],
  [
    { GRPC: "h:1", GRPCUseTLS: true, TLSSkipVerify: true, TLSServerName: "n" },
    { type: "grpc", address: "h:1", service: "", tls: { skipVerify: true, serverName: "n" } },
  ],
  [{ H2PING: "h:1" }, { type: "h2ping", address: "h:1", tls: verified }],
  [
    { H2PING: "h:1", H2PingUseTLS: false },
    { type: "h2ping", address: "h:1" },
  ],
  [{ OSService: "sshd" }, { type: "os_service", service: "sshd" }],
  [{ ScriptArgs: ["a", "b"] }, { type: "script", args: ["a", "b"], timeoutMs: 30_000 }],
  [{ args: ["a"] }, { type: "script", args: ["a"], timeoutMs: 30_000 }],
  [
    { Script: "a | b", Shell: "/bin/bash" },
    { type: "script", args: ["/bin/bash", "-c", "a | b"], timeoutMs: 30_000 },
  ],
  [
    { docker_container_id: "c1", ScriptArgs: ["a"], Shell: "/bin/sh" },
    { type: "docker", container: "c1", args: ["a"], timeoutMs: 30_000 },
  ],
  [
    { TCP: "h:1", GRPC: "h:2", HTTP: "http://h/" },
    { type: "grpc", address: "h:2", service: "" },
  ],
  [
    { TCP: "h:1", HTTP: "http://h/", UDP: "h:2" },
    { type: "http", url: "http://h/" },
  ],
  [
    { TCP: "h:1", GRPC: "", HTTP: "", UDP: "", Args: null, TTL: "" },
    { type: "tcp", address: "h:1" },
  ],
])("%j is the probe that Consul would make of it", (document, probe) => {
  const { probe: read } = mustDecode(decodeCheck({ Name: "c", Interval: "5s", ...document }));
  expect(read).toMatchObject({ ...each, ...probe });
  expect("tls" in read).toBe("tls" in probe);
});
