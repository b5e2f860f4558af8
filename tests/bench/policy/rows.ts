import type { HaproxyLines } from "../haproxy-pair.ts";
import type { AtollOptions } from "../pairs.ts";

/**
 * What a mesh does to requests beyond carrying them, one row each: how it is said to our proxy, and what HAProxy can do of it. A
 * row is settings only; the bench adds them to the bare pair of each.
 */
export interface PolicyRow {
  readonly name: string;
  readonly atoll: Pick<AtollOptions, "inbound" | "outbound" | "telemetry">;
  readonly haproxy: HaproxyLines;
  /** A path that the row refuses, and with what: shows that it is in force. */
  readonly refuses?: { readonly path: string; readonly status: number };
}

type Settings = Readonly<Record<string, unknown>>;

/** What the rows speak of. */
export interface Traffic {
  /** Between slashes; what the load asks for is below it. */
  readonly prefix: string;
  readonly methods: readonly string[];
  /** A file for the lines of the access log. */
  readonly logFile: string;
}

const routeCount = 100;
/** A limit that nothing here reaches: what it costs to count. */
const unreachedPerSecond = 1_000_000;

export const bare: PolicyRow = { name: "none", atoll: {}, haproxy: {} };

export function policyRows(traffic: Traffic): readonly PolicyRow[] {
  // A limit goes before intentions: HAProxy's `allow` ends the list.
  const rows = [rateLimit(), intentions(traffic), routes(traffic), retries(), outlierDetection(), accessLog(traffic)];
  return [bare, ...rows, together(rows)];
}

/** Ten permissions, of which the last is met. */
function intentions({ prefix, methods }: Traffic): PolicyRow {
  const denied = ["/admin/", "/internal/", "/debug/", "/metrics/", "/config/"];
  const allowed = ["/health/", "/v1/orders/", "/v1/users/", "/v1/items/", prefix];
  const permission = (action: string, value: string, of: readonly string[]): Settings => ({
    action,
    path: { type: "prefix", value },
    methods: of,
  });
  const rule = {
    source: "spiffe://*/ns/default/dc/*/svc/web",
    permissions: [
      ...denied.map((value) => permission("deny", value, [])),
      ...allowed.map((value) => permission("allow", value, methods)),
    ],
  };
  return {
    name: "intentions",
    atoll: { inbound: { intentions: { default: "deny", rules: [rule] } } },
    haproxy: {
      in: [
        " http-request deny unless { ssl_c_s_dn(cn) -m str web }",
        ...denied.map((path) => ` http-request deny if { path_beg ${path} }`),
        ` acl is_method method ${methods.join(" ")}`,
        ...allowed.map((path) => ` http-request allow if is_method { path_beg ${path} }`),
        " http-request deny",
      ],
    },
    refuses: { path: "/admin/x", status: 403 },
  };
}

/** A hundred routes in order, of which the last is met. */
function routes({ prefix }: Traffic): PolicyRow {
  const prefixes = Array.from({ length: routeCount }, (_, i) => (i === routeCount - 1 ? prefix : `/service-${i}/`));
  return {
    name: `${routeCount} routes`,
    atoll: {
      outbound: {
        routes: prefixes.map((value) => ({ match: { path: { type: "prefix", value } } })),
        unmatched: "reply-404",
      },
    },
    haproxy: {
      out: [...prefixes.map((path) => ` use_backend peer if { path_beg ${path} }`), " use_backend nowhere"],
      sections: ["backend nowhere", " http-request return status 404"],
    },
    refuses: { path: "/nowhere", status: 404 },
  };
}

/** HAProxy has no budget. */
function retries(): PolicyRow {
  return {
    name: "retries",
    atoll: { outbound: { retry: { attempts: 2 } } },
    haproxy: {
      peer: [" retries 2", " retry-on conn-failure empty-response response-timeout 502 503 504", " option redispatch"],
    },
  };
}

/** One request in a hundred, at both ends. */
function accessLog({ logFile }: Traffic): PolicyRow {
  return {
    name: "access log, 1 %",
    atoll: { telemetry: { accessLog: { enabled: true, path: logFile, sample: 0.01 } } },
    haproxy: { defaults: [" log stdout format raw sample 1:100 local0", " option httplog"] },
  };
}

function outlierDetection(): PolicyRow {
  return {
    name: "outlier detection",
    atoll: { outbound: { outlierDetection: {} } },
    haproxy: { peerServer: "check inter 10s observe layer7 error-limit 5 on-error mark-down" },
  };
}

/** Of the listener, and of each caller. */
function rateLimit(): PolicyRow {
  const limit = { requestsPerSecond: unreachedPerSecond };
  return {
    name: "rate limit",
    atoll: { inbound: { rateLimit: { ...limit, perIdentity: limit } } },
    haproxy: {
      in: [
        " stick-table type string len 64 size 1k expire 10s store http_req_rate(1s)",
        " http-request track-sc0 ssl_c_s_dn(cn)",
        ` http-request deny deny_status 429 if { fe_req_rate gt ${unreachedPerSecond} }`,
        ` http-request deny deny_status 429 if { sc_http_req_rate(0) gt ${unreachedPerSecond} }`,
      ],
    },
  };
}

function together(rows: readonly PolicyRow[]): PolicyRow {
  const settings = (of: (row: PolicyRow) => Settings | undefined): Settings =>
    Object.assign({}, ...rows.map((row) => of(row) ?? {}));
  const lines = (of: (row: PolicyRow) => readonly string[] | undefined): readonly string[] =>
    rows.flatMap((row) => of(row) ?? []);
  return {
    name: "all of them",
    atoll: {
      inbound: settings(({ atoll }) => atoll.inbound),
      outbound: settings(({ atoll }) => atoll.outbound),
      telemetry: settings(({ atoll }) => atoll.telemetry),
    },
    haproxy: {
      defaults: lines(({ haproxy }) => haproxy.defaults),
      out: lines(({ haproxy }) => haproxy.out),
      peer: lines(({ haproxy }) => haproxy.peer),
      peerServer: rows.map(({ haproxy }) => haproxy.peerServer ?? "").join(" "),
      in: lines(({ haproxy }) => haproxy.in),
      sections: lines(({ haproxy }) => haproxy.sections),
    },
    refuses: { path: "/nowhere", status: 404 },
  };
}
