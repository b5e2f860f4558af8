import { readdirSync, readlinkSync } from "node:fs";
import type { HostPort } from "../../lib/contract/address.ts";
import { inodeOfSocket } from "./socket-inode.ts";

/**
 * Which of our processes holds the socket of a connection, seen from its own end, by asking the kernel: servers all dial from the same
 * address, so this is how a proxy between them learns who calls. Undefined when it is none of them.
 */
export function ownerOfSocket(
  local: HostPort,
  remote: HostPort,
  pids: ReadonlyMap<string, number>,
): string | undefined {
  const inode = inodeOfSocket(local, remote);
  if (inode === undefined) return undefined;
  for (const [name, pid] of pids) if (holdsSocket(pid, inode)) return name;
  return undefined;
}

function holdsSocket(pid: number, inode: number): boolean {
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
