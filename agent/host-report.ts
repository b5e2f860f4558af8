import { statfs } from "node:fs/promises";
import { arch, cpus, freemem, hostname, platform, release, totalmem, uptime, version } from "node:os";

/** The machine's cpus, memory and disk as `/v1/agent/host` shows them, in Consul's field names. What this system does not tell is 0 or empty. */
export interface HostReport {
  readonly Memory: object;
  readonly CPU: readonly object[];
  readonly Host: object;
  readonly Disk: object;
  /** Nanoseconds since the epoch. */
  readonly CollectionTime: number;
  /** What could not be read; null when all could. */
  readonly Errors: readonly string[] | null;
}

export async function readHostReport(options: {
  readonly dataDir: string;
  readonly nowMs: number;
}): Promise<HostReport> {
  const errors: string[] = [];
  const disk = await readDisk(options.dataDir).catch((thrown: unknown) => {
    errors.push(`disk: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    return {};
  });
  const total = totalmem();
  const free = freemem();
  const uptimeSeconds = Math.floor(uptime());
  return {
    Memory: {
      total,
      available: free,
      used: total - free,
      usedPercent: percent(total - free, total),
      free,
    },
    CPU: cpus().map((cpu, i) => ({ cpu: i, modelName: cpu.model, mhz: cpu.speed, cores: 1 })),
    Host: {
      hostname: hostname(),
      uptime: uptimeSeconds,
      bootTime: Math.floor(options.nowMs / 1_000) - uptimeSeconds,
      os: platform(),
      platform: platform(),
      platformFamily: "",
      platformVersion: version(),
      kernelVersion: release(),
      kernelArch: arch(),
      hostId: "",
    },
    Disk: disk,
    CollectionTime: options.nowMs * 1_000_000,
    Errors: errors.length === 0 ? null : errors,
  };
}

async function readDisk(path: string): Promise<object> {
  const stats = await statfs(path);
  const total = stats.blocks * stats.bsize;
  const free = stats.bavail * stats.bsize;
  const used = total - stats.bfree * stats.bsize;
  const inodesUsed = stats.files - stats.ffree;
  return {
    path,
    total,
    free,
    used,
    usedPercent: percent(used, used + free),
    inodesTotal: stats.files,
    inodesUsed,
    inodesFree: stats.ffree,
    inodesUsedPercent: percent(inodesUsed, stats.files),
  };
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : (100 * part) / whole;
}
