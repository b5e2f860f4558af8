import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findFreePorts } from "../../../tools/free-ports.ts";
import { createWorkspace, local, type Workspace } from "../pairs.ts";
import { type Pinned, report, startPinned } from "../process.ts";
import { backends, clusterSettings, lastSecond, type Step, steps } from "./scenario.ts";

const repository = join(import.meta.dir, "..", "..", "..");
const run = join(repository, "bin", "run-bun");
const cores = "0,1";
const requestsPerSecond = 200;

/** What a second brought: requests by the backend that answered, failed ones among them, and what happened in it. */
interface Row {
  readonly second: number;
  readonly answered: Readonly<Record<string, number>>;
  readonly failed: number;
  readonly events: readonly string[];
}

interface Ports {
  readonly listen: number;
  readonly admin: number;
  readonly otherAdmin: number;
  readonly apps: readonly number[];
  readonly meshes: readonly number[];
}

/**
 * Where the requests of a client went, second by second, while backends behind a pair of sidecars fail and recover: ejection, probation,
 * slow start, failover and panic. There are no retries, so that every failure is seen. Prints a table and one line of JSON.
 */
export async function benchBalanceTimeline(): Promise<void> {
  const workspace = createWorkspace();
  const started: Pinned[] = [];
  try {
    const ports = await choosePorts();
    for (const [i, { name }] of backends.entries()) {
      started.push(await start(workspace, `backend-${name}`, "backend.ts", [name, `${ports.apps[i]}`], ports.apps[i]));
    }
    started.push(await startProxy(workspace, "callee", calleeDocument(workspace, ports), ports.otherAdmin));
    started.push(await startProxy(workspace, "caller", callerDocument(workspace, ports), ports.admin));
    const { rows, startedAtMs } = await drive(ports);
    const told = rows.map((row) => ({
      ...row,
      events: [...row.events, ...proxyEvents(workspace, ports, startedAtMs, row)],
    }));
    printTable(told);
    report({ bench: "balance-timeline", requestsPerSecond, backends, settings: clusterSettings, rows: told });
  } finally {
    for (const one of started.toReversed()) await one.stop();
    rmSync(workspace.directory, { recursive: true });
  }
}

async function choosePorts(): Promise<Ports> {
  const [listen = 0, admin = 0, otherAdmin = 0, ...others] = await findFreePorts("127.0.0.1", 3 + 2 * backends.length);
  return { listen, admin, otherAdmin, apps: others.slice(0, backends.length), meshes: others.slice(backends.length) };
}

function start(
  workspace: Workspace,
  name: string,
  file: string,
  args: readonly string[],
  readyPort = 0,
): Promise<Pinned> {
  const command = [run, join(import.meta.dir, file), ...args];
  return startPinned({ name, command, core: cores, readyPort, cwd: workspace.directory });
}

function startProxy(workspace: Workspace, name: string, document: object, readyPort: number): Promise<Pinned> {
  const file = join(workspace.directory, `${name}.json`);
  writeFileSync(file, JSON.stringify(document));
  const command = [join(repository, "bin", "atoll"), "proxy", "-config", file, "-log-json"];
  return startPinned({ name, command, core: cores, readyPort, cwd: workspace.directory });
}

function calleeDocument({ files }: Workspace, { otherAdmin, apps, meshes }: Ports): object {
  const inbound = apps.map((app, i) => ({
    service: "web",
    protocol: "http",
    listen: local(meshes[i] ?? 0),
    app: local(app),
    intentions: { default: "allow" },
  }));
  return { identity: files, inbound, admin: { listen: local(otherAdmin) } };
}

function callerDocument({ files }: Workspace, { listen, admin, meshes }: Ports): object {
  const endpoints = backends.map(({ priority }, i) => ({ address: local(meshes[i] ?? 0), priority }));
  const outbound = { service: "web", protocol: "http", listen: local(listen), endpoints, ...clusterSettings };
  return { identity: files, outbound: [outbound], admin: { listen: local(admin) } };
}

/** Plays the scenario beside the client. */
async function drive(ports: Ports): Promise<{ rows: readonly Row[]; startedAtMs: number }> {
  const args = [`${ports.listen}`, `${requestsPerSecond}`, `${lastSecond}`];
  const client = Bun.spawn([run, join(import.meta.dir, "client.ts"), ...args], { stdout: "pipe", stderr: "inherit" });
  try {
    const lines = linesOf(client.stdout);
    const { startedAtMs }: { startedAtMs: number } = JSON.parse(`${(await lines.next()).value}`);
    for (const step of steps) {
      await Bun.sleep(Math.max(0, startedAtMs + step.second * 1_000 - Date.now()));
      await Promise.all([...tell(step.fail, "/fail", ports), ...tell(step.work, "/work", ports)]);
    }
    const rows: Row[] = [];
    for await (const line of lines) {
      const row: Omit<Row, "events"> = JSON.parse(line);
      rows.push({ ...row, events: steps.filter(({ second }) => second === row.second).map(({ what }) => what) });
    }
    return { rows, startedAtMs };
  } finally {
    client.kill();
    await client.exited;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

function tell(names: Step["fail"], path: string, { apps }: Ports): Promise<unknown>[] {
  return backends.flatMap(({ name }, i) =>
    names?.includes(name) === true ? [fetch(`http://${local(apps[i] ?? 0)}${path}`, { method: "POST" })] : [],
  );
}

/** A line of the proxy's log, as far as it matters here. */
interface LogLine {
  readonly "@timestamp": string;
  readonly "@message": string;
  readonly endpoint?: string;
  readonly forMs?: number;
}

/** What the caller's proxy has logged of its endpoints in the second of `row`. */
function proxyEvents({ directory }: Workspace, { meshes }: Ports, startedAtMs: number, { second }: Row): string[] {
  const text = ["caller.log", "caller.err"].map((file) => readFileSync(join(directory, file), "utf8")).join("");
  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  return lines.flatMap((line) => {
    const { endpoint, forMs, ...event }: LogLine = JSON.parse(line);
    const at = Math.floor((Date.parse(event["@timestamp"]) - startedAtMs) / 1_000);
    if (at !== second) return [];
    if (event["@message"].startsWith("panic")) return [event["@message"].replace(/:.*/, "")];
    if (endpoint === undefined) return [];
    const name = backends[meshes.indexOf(Number(endpoint.split(":")[1]))]?.name ?? endpoint;
    const forText = forMs === undefined ? "" : ` for ${forMs / 1_000} s`;
    return [`${name} ${event["@message"].replace("endpoint ", "")}${forText}`];
  });
}

function printTable(rows: readonly Row[]): void {
  const names = backends.map(({ name }) => name);
  console.log(`  s | ${names.map((name) => name.padStart(4)).join("")} | failed | events`);
  console.log(`----|-${"-".repeat(4 * names.length)}-|--------|-------`);
  for (const { second, answered, failed, events } of rows) {
    const counts = names.map((name) => `${answered[name] ?? 0}`.padStart(4)).join("");
    console.log(`${`${second}`.padStart(3)} | ${counts} | ${`${failed}`.padStart(6)} | ${events.join("; ")}`);
  }
}
