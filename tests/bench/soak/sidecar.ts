import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { executable, local, type Workspace } from "../pairs.ts";
import { median, type Pinned, rounded, startPinned } from "../process.ts";

export type Side = "outbound" | "inbound";

/** Of some time: memory as the median, since one look may fall just before a collection, the rest at its highest. */
export interface Readings {
  readonly resident_mb: number;
  readonly heap_mb: number;
  readonly connections: number;
  readonly descriptors: number;
}

const bytesPerMb = 1024 ** 2;
/** The kernel spreads the processes: four of them are busy at times. */
export const allCores = "0,1";

/** One of the two proxies: a process of its own, run from a file as users do, and watched over its admin address. */
export class Sidecar {
  readonly side: Side;
  readonly #pinned: Pinned;
  readonly #admin: string;
  #samples: Readings[] = [];

  static async start(side: Side, workspace: Workspace, ports: SoakPorts): Promise<Sidecar> {
    const file = join(workspace.directory, `${side}.json`);
    const admin = side === "outbound" ? ports.outboundAdmin : ports.inboundAdmin;
    const listeners = side === "outbound" ? { outbound: [outboundOf(ports)] } : { inbound: [inboundOf(ports)] };
    writeFileSync(file, JSON.stringify({ identity: workspace.files, ...listeners, admin: { listen: local(admin) } }));
    const pinned = await startPinned({
      name: side,
      command: [executable, "proxy", "-config", file],
      core: allCores,
      readyPort: admin,
      cwd: workspace.directory,
    });
    return new Sidecar(side, pinned, local(admin));
  }

  private constructor(side: Side, pinned: Pinned, admin: string) {
    this.side = side;
    this.#pinned = pinned;
    this.#admin = admin;
  }

  async sample(): Promise<void> {
    const metrics = await this.metrics();
    this.#samples.push({
      resident_mb: this.#pinned.residentMb(),
      heap_mb: sumOf(metrics, "atoll_proxy_heap_bytes") / bytesPerMb,
      connections: sumOf(metrics, "tcp_open_connections"),
      descriptors: readdirSync(`/proc/${this.#pinned.process.pid}/fd`).length,
    });
  }

  get cpuSeconds(): number {
    return this.#pinned.cpuSeconds();
  }

  /** Of the samples since the last time. */
  take(): Readings {
    const samples = this.#samples;
    this.#samples = [];
    return {
      resident_mb: rounded(median(samples.map((sample) => sample.resident_mb)), 1),
      heap_mb: rounded(median(samples.map((sample) => sample.heap_mb)), 1),
      connections: Math.max(...samples.map((sample) => sample.connections)),
      descriptors: Math.max(...samples.map((sample) => sample.descriptors)),
    };
  }

  metrics(): Promise<string> {
    return fetch(`http://${this.#admin}/metrics`).then((answer) => answer.text());
  }

  stop(): Promise<void> {
    return this.#pinned.stop();
  }
}

export interface SoakPorts {
  readonly listen: number;
  readonly mesh: number;
  readonly backend: number;
  readonly outboundAdmin: number;
  readonly inboundAdmin: number;
}

function outboundOf(ports: SoakPorts): object {
  return { service: "web", protocol: "http", listen: local(ports.listen), endpoints: [{ address: local(ports.mesh) }] };
}

function inboundOf(ports: SoakPorts): object {
  return {
    service: "web",
    protocol: "http",
    listen: local(ports.mesh),
    app: local(ports.backend),
    intentions: {
      default: "deny",
      rules: [{ source: "spiffe://*/ns/default/dc/*/svc/web", action: "allow" }],
    },
  };
}

/** All series of one metric whose labels contain `label`, added up. */
export function sumOf(metrics: string, name: string, label = ""): number {
  let total = 0;
  for (const line of metrics.split("\n")) {
    const isIt = line.startsWith(`${name} `) || line.startsWith(`${name}{`);
    if (isIt && line.includes(label)) total += Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  return total;
}
