import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/**
 * Says who listens on a TCP port, for the message of a failed start. Linux tells through /proc (proc(5): net/tcp lists
 * sockets by inode, fd/ of each process its sockets); elsewhere, and for processes of other users, it says how to find out.
 */
export function describePortHolder(port: number): string {
  const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) => listenerInodes(path, port)));
  const holder = inodes.size === 0 ? undefined : findHolder(inodes);
  if (holder !== undefined) return `process ${holder.pid} (${holder.name})`;
  return `another process (as root, "ss -ltnp sport = :${port}" shows which)`;
}

/** More processes than this are not searched: the answer is a courtesy. */
const maxProcesses = 10_000;
const listenState = "0A";

function listenerInodes(path: string, port: number): string[] {
  const wantedPort = port.toString(16).toUpperCase().padStart(4, "0");
  const lines = attempt(() => readFileSync(path, "utf8"))?.split("\n") ?? [];
  return lines.flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    const isListener = local?.endsWith(`:${wantedPort}`) === true && state === listenState;
    return isListener && inode !== undefined ? [inode] : [];
  });
}

function findHolder(inodes: ReadonlySet<string>): { pid: number; name: string } | undefined {
  const processes = (attempt(() => readdirSync("/proc")) ?? []).filter((name) => /^\d+$/.test(name));
  for (const pid of processes.slice(0, maxProcesses)) {
    const files = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
    const isHolder = files.some((file) => {
      const target = attempt(() => readlinkSync(`/proc/${pid}/fd/${file}`));
      return inodes.has(/^socket:\[(\d+)\]$/.exec(target ?? "")?.[1] ?? "");
    });
    if (isHolder) {
      const name = attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8"))?.trim();
      return { pid: Number(pid), name: name ?? "unknown" };
    }
  }
  return undefined;
}

/** Processes end and belong to others while we look: what cannot be read is left out. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
