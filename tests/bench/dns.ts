import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePorts } from "../../tools/free-ports.ts";
import { findConsul } from "./consul-cluster.ts";
import { loadCore, median, mustFind, type Pinned, proxyCore, report, rounded, startPinned } from "./process.ts";
import { timeUntil } from "./store-cluster.ts";

/**
 * DNS queries per second of CPU time: a service of three instances asked for with dnsperf over UDP, 64 queries under way. The peer
 * is NSD with the same records in a zone file, which never change and are not shuffled: the least that such an answer can cost. A Consul
 * in the PATH is the second one.
 */
const inFlight = 64;
const rounds = 5;
const warmUpSeconds = 3;
const sliceSeconds = 1.5;
const atoll = join(import.meta.dir, "..", "..", "bin", "atoll");
const addresses = ["10.1.0.1", "10.1.0.2", "10.1.0.3"];

const questions = {
  A: { text: "web.service.consul A\n", flags: [] },
  SRV: { text: "web.service.consul SRV\n", flags: ["-e"] },
} as const;
type Question = keyof typeof questions;

interface Sample {
  readonly queriesPerCpuSecond: number;
  readonly queriesPerSecond: number;
  readonly latencyMs: number;
}

export async function benchDns(): Promise<void> {
  const cwd = mkdtempSync(join(tmpdir(), "atoll-dns-bench-"));
  const [atollDns = 0, nsd = 0, consulDns = 0, ...others] = await findFreePorts("127.0.0.1", 10);
  const ports = { atoll: atollDns, nsd, consul: consulDns };
  const servers: Pinned[] = [];
  try {
    servers.push(await startAtoll(cwd, { dns: atollDns, others }), await startNsd(cwd, nsd));
    if (findConsul() !== undefined) servers.push(await startConsul(cwd, { dns: consulDns, others: others.slice(2) }));
    for (const question of ["A", "SRV"] as const) {
      const file = join(cwd, question);
      writeFileSync(file, questions[question].text);
      const samples = new Map<string, Sample[]>(servers.map(({ name }) => [name, []]));
      for (const server of servers) await load(server, ports, { question, file, seconds: warmUpSeconds });
      // Turn by turn, since the noise of a machine lasts longer than a turn.
      for (let round = 0; round < rounds; round++) {
        for (const server of servers) {
          samples.get(server.name)?.push(await load(server, ports, { question, file, seconds: sliceSeconds }));
        }
      }
      print(question, samples, servers);
    }
  } finally {
    for (const server of servers) await server.stop();
    rmSync(cwd, { recursive: true, force: true });
  }
}

interface AgentPorts {
  readonly dns: number;
  readonly others: readonly number[];
}

async function startAtoll(cwd: string, { dns, others: [http = 0, rpc = 0] }: AgentPorts): Promise<Pinned> {
  const flags = [`-http-port=${http}`, `-server-port=${rpc}`, `-dns-port=${dns}`, "-log-level=warn"];
  const command = [atoll, "agent", "-dev", ...flags];
  const server = await startPinned({ name: "atoll", command, core: proxyCore, readyPort: dns, cwd });
  await register(http);
  return server;
}

async function startConsul(cwd: string, { dns, others: [http = 0, ...more] }: AgentPorts): Promise<Pinned> {
  const names = ["server", "serf-lan", "serf-wan", "grpc"];
  const flags = [`-http-port=${http}`, `-dns-port=${dns}`, ...names.map((name, i) => `-${name}-port=${more[i] ?? 0}`)];
  const command = [
    mustFind("consul"),
    "agent",
    "-dev",
    "-bind=127.0.0.1",
    "-grpc-tls-port=-1",
    "-log-level=error",
    ...flags,
  ];
  const server = await startPinned({ name: "consul", command, core: proxyCore, readyPort: dns, cwd });
  await register(http);
  await timeUntil("the services in Consul's catalog", async () => {
    const found: unknown = await (await fetch(`http://127.0.0.1:${http}/v1/catalog/service/web`)).json();
    return Array.isArray(found) && found.length === addresses.length;
  });
  return server;
}

async function register(http: number): Promise<void> {
  for (const [i, Address] of addresses.entries()) {
    const body = JSON.stringify({ Name: "web", ID: `web-${i}`, Address, Port: 8080 });
    const response = await fetch(`http://127.0.0.1:${http}/v1/agent/service/register`, { method: "PUT", body });
    if (!response.ok) throw new Error(`the registration was refused: ${response.status} ${await response.text()}`);
  }
}

async function startNsd(cwd: string, port: number): Promise<Pinned> {
  const hex = (address: string): string => Buffer.from(address.split(".").map(Number)).toString("hex");
  const zone = [
    "$ORIGIN consul.",
    "$TTL 0",
    "@ SOA ns.consul. hostmaster.consul. 1 3600 600 86400 0",
    "@ NS ns.consul.",
    "ns A 127.0.0.1",
    ...addresses.flatMap((address) => [
      `web.service A ${address}`,
      `web.service SRV 1 1 8080 ${hex(address)}.addr.dc1`,
      `${hex(address)}.addr.dc1 A ${address}`,
    ]),
  ];
  const home = join(cwd, "nsd");
  mkdirSync(home);
  writeFileSync(join(home, "consul.zone"), `${zone.join("\n")}\n`);
  const settings = {
    server: [
      `ip-address: 127.0.0.1@${port}`,
      "server-count: 1",
      'username: ""',
      `zonesdir: "${home}"`,
      `pidfile: "${home}/pid"`,
      `xfrdfile: "${home}/xfrd"`,
      `zonelistfile: "${home}/zones"`,
      `cookie-secret-file: "${home}/cookies"`,
      'database: ""',
      "rrl-ratelimit: 0",
    ],
    "remote-control": ["control-enable: no"],
    zone: ["name: consul", `zonefile: "${home}/consul.zone"`],
  };
  const config = Object.entries(settings).map(
    ([part, lines]) => `${part}:\n${lines.map((line) => `  ${line}\n`).join("")}`,
  );
  writeFileSync(join(home, "nsd.conf"), config.join(""));
  const command = [mustFind("nsd"), "-d", "-c", join(home, "nsd.conf")];
  return startPinned({ name: "nsd", command, core: proxyCore, readyPort: port, cwd });
}

async function load(
  server: Pinned,
  ports: Readonly<Record<string, number>>,
  run: { readonly question: Question; readonly file: string; readonly seconds: number },
): Promise<Sample> {
  const command = [mustFind("dnsperf"), "-s", "127.0.0.1", "-p", `${ports[server.name]}`, "-d", run.file];
  const shape = ["-l", `${run.seconds}`, "-q", `${inFlight}`, "-c", "8", ...questions[run.question].flags];
  const before = server.cpuSeconds();
  const child = Bun.spawn([mustFind("taskset"), "-c", `${loadCore}`, ...command, ...shape], { stdout: "pipe" });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error("dnsperf failed");
  const cpuSeconds = server.cpuSeconds() - before;
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  const completed = number(/Queries completed:\s+(\d+)/);
  const lost = number(/Queries lost:\s+(\d+)/);
  if (!/Response codes:\s+NOERROR \d+ \(100\.00%\)/.test(text)) throw new Error(`not every answer was good:\n${text}`);
  if (lost > completed / 1_000) throw new Error(`${lost} of ${completed} queries were lost`);
  return {
    queriesPerCpuSecond: completed / cpuSeconds,
    queriesPerSecond: number(/Queries per second:\s+([\d.]+)/),
    latencyMs: number(/Average Latency \(s\):\s+([\d.]+)/) * 1_000,
  };
}

function print(question: Question, samples: ReadonlyMap<string, readonly Sample[]>, servers: readonly Pinned[]): void {
  const of = (name: string, field: keyof Sample): number =>
    median((samples.get(name) ?? []).map((sample) => sample[field]));
  for (const { name, residentMb } of servers) {
    report({
      bench: "dns",
      server: name,
      question: `${question} of 3 instances`,
      in_flight: inFlight,
      rounds,
      queries_per_cpu_second: rounded(of(name, "queriesPerCpuSecond"), 0),
      queries_per_second: rounded(of(name, "queriesPerSecond"), 0),
      average_ms: rounded(of(name, "latencyMs"), 3),
      resident_mb: rounded(residentMb(), 0),
      ...(name === "atoll" && {
        ratio_to_nsd: rounded(of("atoll", "queriesPerCpuSecond") / of("nsd", "queriesPerCpuSecond"), 3),
        ...(samples.has("consul") && {
          ratio_to_consul: rounded(of("atoll", "queriesPerCpuSecond") / of("consul", "queriesPerCpuSecond"), 2),
        }),
      }),
    });
  }
}
