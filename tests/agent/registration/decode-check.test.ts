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
  [{ Name: "c", TCP: "h:1" }, "Interval: must be > 0 for HTTP and TCP checks"],
  [{ Name: "c" }, "TTL must be > 0 for TTL checks"],
  [{ Name: "c", HTTP: "http://h/", TCP: "h:1", Interval: "1s" }, "HTTP and TCP cannot be specified together"],
  [{ Name: "c", TTL: "soon" }, 'TTL: must be a duration such as "10s"'],
  [{ Name: "c", TTL: true }, "found true"],
  [{ Name: "c", TTL: "-1s" }, 'must be between 0s and 596h, found "-1s"'],
  [{ Name: "c", HTTP: "ftp://h/", Interval: "1s" }, "HTTP: must be a URL such as"],
  [
    { Name: "c", HTTP: "http://h/", Interval: "1s", Header: { A: ["x\r\nB: y"] } },
    "Header.A: may not hold a line break",
  ],
  [{ Name: "c", TCP: "127.0.0.1", Interval: "1s" }, "TCP: must be host:port"],
  [
    { Name: "c", TTL: "1s", Status: "good" },
    'Status: must be one of ["","passing","warning","critical"], found "good"',
  ],
  [{ Name: "c", TTL: "1s", FailuresBeforeWarning: 3, FailuresBeforeCritical: 2 }, "can't be higher than"],
  [{ Name: "c", AliasService: "web", Interval: "1s" }, "Interval: cannot be set for Alias checks"],
  [{ Name: "c", Args: ["/bin/true"], Interval: "1s" }, "Args: checks of this kind are not supported by this version"],
  [{ Name: "c", UDP: "h:1", Interval: "1s" }, "UDP: checks of this kind are not supported"],
])("%j is refused: %s", (document, message) => {
  expect(refusal(document)).toContain(message);
});
