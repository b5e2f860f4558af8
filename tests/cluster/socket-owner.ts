import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * Which of our processes holds the socket bound to `port` of 127.0.0.1, by asking the kernel: servers all dial from the same
 * address, so this is how a proxy between them learns who calls. Undefined when it is none of them.
 */
export function ownerOfPort(port: number, pids: ReadonlyMap<string, number>): string | undefined {
  const inode = inodeOfPort(port);
  if (inode === undefined) return undefined;
  for (const [name, pid] of pids) if (holdsSocket(pid, inode)) return name;
  return undefined;
}

/** Lines of /proc/net/tcp: `sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode ...`. */
function inodeOfPort(port: number): string | undefined {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n")) {
    const fields = line.trim().split(/\s+/);
    const isListening = fields[3] === "0A";
    if (fields[1]?.endsWith(suffix) === true && !isListening && fields[9] !== "0") return fields[9];
  }
  return undefined;
}

function holdsSocket(pid: number, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`);
  } catch {
    // The process has ended.
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
