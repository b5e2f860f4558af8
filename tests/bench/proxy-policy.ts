import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureLoad, type Target } from "./contest.ts";
import { mustBuildGoJudge, runGoJudge } from "./go-judge.ts";
import { grpcFrame, grpcHeaders, runH2load } from "./h2load.ts";
import { haproxyPair } from "./haproxy-pair.ts";
import { atollPair, local, type Pair, smallAnswer, startNginxBackend, type Workspace } from "./pairs.ts";
import { bare, type PolicyRow, policyRows, type Traffic } from "./policy/rows.ts";
import { loadCore, type Pinned, startPinned } from "./process.ts";
import { type Contender, keepAwake, runSlices } from "./slices.ts";
import type { Load } from "./wrk.ts";
import { runWrk } from "./wrk.ts";

const connections = 64;
const messageBytes = 100;
const variedPaths = 10_000;
const rounds = Number(process.env["ATOLL_BENCH_ROUNDS"] ?? 15);

/** One protocol and kind of load, over all rows. */
interface Course {
  readonly protocol: "http" | "grpc";
  readonly basePort: number;
  readonly traffic: Omit<Traffic, "logFile">;
  readonly facts: Readonly<Record<string, string | number>>;
  readonly startBackend: (workspace: Workspace, port: number) => Promise<Pinned>;
  readonly load: (target: Target, seconds: number) => Promise<Load>;
  /** Throws when a call is not answered. */
  readonly verify: (target: Target, row: PolicyRow) => Promise<void>;
}

const courses: Readonly<Record<string, (directory: string) => Course>> = {
  http: () => http("the same", (target, seconds) => runWrk({ ...wrkTo(target), seconds, path: "/items/item-1" })),
  "http-varied": () =>
    http(`${variedPaths} paths`, (target, seconds) => {
      const script = join(import.meta.dir, "load", "paths.lua");
      return runWrk({ ...wrkTo(target), seconds, script, scriptArgs: ["/items", `${variedPaths}`] });
    }),
  grpc,
};

/**
 * What policies cost: the pairs of proxy-http1 and proxy-grpc with nothing, with each row of `policy/rows.ts` by itself and with all of
 * them, at 64 connections, beside HAProxy with as much of it as it can. HAProxy's hop is HTTP/2, its best at so many connections. Ratios
 * are to HAProxy with nothing, and to HAProxy with the same row. With `http`, `http-varied` (every request has another path than the
 * one before) or `grpc` only that.
 */
export async function benchProxyPolicy(args: readonly string[]): Promise<void> {
  const wanted = args.length === 0 ? Object.keys(courses) : args;
  const directory = mkdtempSync(join(tmpdir(), "atoll-policy-"));
  try {
    for (const name of wanted) {
      const course = courses[name]?.(directory);
      if (course === undefined)
        throw new Error(`proxy-policy takes ${Object.keys(courses).join(", ")}, found "${name}"`);
      await run(course, directory);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function run(course: Course, directory: string): Promise<void> {
  const rows = policyRows({ ...course.traffic, logFile: join(directory, `${course.protocol}.log`) });
  for (const row of rows) {
    await runSlices({
      bench: "proxy-policy",
      basePort: course.basePort,
      rounds,
      contenders: contendersOf(row, course),
      startBackend: course.startBackend,
      load: (target, seconds) => measureLoad(target, () => course.load(target, seconds)),
      compared: "cpu_us_per_request",
      facts: { protocol: course.protocol, connections, ...course.facts },
      bases: {
        haproxy_bare: (_, base) => base["proxy"] === "haproxy" && base["policy"] === bare.name,
        haproxy_same: (own, base) => base["proxy"] === "haproxy" && base["policy"] === own["policy"],
      },
    });
  }
}

/** Ours and HAProxy with the row, beside HAProxy with nothing. */
function contendersOf(row: PolicyRow, course: Course): readonly Contender[] {
  const { protocol } = course;
  const contender = (proxy: "atoll" | "haproxy", of: PolicyRow): Contender => ({
    pair: proxy === "atoll" ? atollPair(protocol, { ...of.atoll, name: `atoll ${of.name}` }) : haproxyOf(of, protocol),
    labels: { proxy, policy: of.name },
    warmUpRequests: proxy === "atoll" ? 150_000 : 1,
    ...(proxy === "atoll" ? { keepAwake: (target: Target) => keepAwake(target, `${course.traffic.prefix}awake`) } : {}),
    isOnlyBase: of !== row,
    verify: (target) => course.verify(target, of),
  });
  return [contender("atoll", row), contender("haproxy", bare), ...(row === bare ? [] : [contender("haproxy", row)])];
}

function haproxyOf(row: PolicyRow, protocol: Course["protocol"]): Pair {
  const kind = protocol === "grpc" ? "http2" : "http-over-h2";
  return haproxyPair(kind, { hasTrailers: protocol === "grpc", more: row.haproxy, name: `haproxy ${row.name}` });
}

function wrkTo(target: Target) {
  return { port: target.ports.listen, connections };
}

function http(heads: string, load: Course["load"]): Course {
  return {
    protocol: "http",
    basePort: 28_800,
    traffic: { prefix: "/items/", methods: ["GET", "HEAD"] },
    facts: { heads, answer_bytes: 100 },
    startBackend: (workspace, port) =>
      startNginxBackend(workspace, port, [
        ` server { listen ${local(port)} backlog=4096; location / { return 200 "${smallAnswer}"; } }`,
      ]),
    load,
    async verify(target, { refuses }) {
      await expectStatus(target, "/items/item-1", 200);
      if (refuses !== undefined) await expectStatus(target, refuses.path, refuses.status);
    },
  };
}

async function expectStatus(target: Target, path: string, status: number): Promise<void> {
  const answer = await fetch(`http://${local(target.ports.listen)}${path}`, { keepalive: false });
  if (answer.status !== status)
    throw new Error(`${target.pinned.name} answers ${path} with ${answer.status}, not ${status}`);
}

function grpc(directory: string): Course {
  const bodyFile = join(directory, "unary.bin");
  writeFileSync(bodyFile, grpcFrame(Buffer.alloc(messageBytes, "x")));
  const request = { path: "/atoll.judge.Echo/Unary", bodyFile, headers: grpcHeaders, streams: 1, connections };
  return {
    protocol: "grpc",
    basePort: 28_900,
    traffic: { prefix: "/atoll.judge.Echo/", methods: ["POST"] },
    facts: { call: "unary", message_bytes: messageBytes },
    async startBackend(workspace, port) {
      const command = [await mustBuildGoJudge(), "grpc-serve", "-listen", local(port)];
      return startPinned({ name: "backend", command, core: loadCore, readyPort: port, cwd: workspace.directory });
    },
    load: (target, seconds) => runH2load({ ...request, port: target.ports.listen, seconds }),
    // h2load takes a call that failed with HTTP status 200 for a success; this one does not.
    async verify(target) {
      const size = ["-size", `${messageBytes}`, "-seconds", "0.2", "-connections", "1", "-streams", "1"];
      await runGoJudge(["grpc-load", "-target", local(target.ports.listen), ...size]);
    },
  };
}
