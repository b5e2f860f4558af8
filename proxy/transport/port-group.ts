import { closeSync, openSync, readSync } from "node:fs";
import { isIP } from "node:net";
import { ptr } from "bun:ffi";
import { setSocketOption } from "./socket-option.ts";

/**
 * Sockets of several processes that listen on one address (SO_REUSEPORT). The kernel gives each new connection to one of them and
 * keeps it in that one's queue, so a socket that is simply closed resets what waits there: measured 6 of 96,000 short connections in 8
 * hand-overs. Two programs for the kernel's packet filter prevent it. The first sends new connections to the newcomer while there are
 * others; the second, on a socket about to close, drops the first packet of a connection that comes to it all the same, so that its
 * client sends it once more, a second later, to one that stays. Measured: none of 112,000 lost or late with both, none lost and 512
 * late by a second with the second alone. Linux only; elsewhere, or where the system refuses, closing is what it is.
 */
const solSocket = 1;
const soAttachFilter = 26;
const soAttachReuseportFilter = 51;
const soDetachReuseportFilter = 68;

/** One instruction of classic BPF: code, jump if true, jump if false, operand. */
type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];
const loadWord = 0x20;
const loadByte = 0x30;
const add = 0x04;
const modulo = 0x94;
const and = 0x54;
const jumpIfEqual = 0x15;
const give = 0x06;
const giveResult = 0x16;
/** Read as if it were a word of the packet. */
const randomWord = 0xff_ff_f0_00 + 56;
const flagsOffset = 13;
const synAndAck = 0x12;
const syn = 0x02;

/** A socket filter sees the packet from its TCP header on. */
const dropFirstPackets: readonly Instruction[] = [
  [loadByte, 0, 0, flagsOffset],
  [and, 0, 0, synAndAck],
  [jumpIfEqual, 0, 1, syn],
  [give, 0, 0, 0],
  [give, 0, 0, 0xff_ff_ff_ff],
];

/** Stops new connections on a listening socket; those that have begun go on. False where that is not possible. */
export function refuseNewConnections(fd: number): boolean {
  return setOption(fd, soAttachFilter, program(dropFirstPackets));
}

/**
 * New connections of the socket's address are spread over the `count` sockets from number `first` on, in the order in which they
 * were bound; for a number that is not there (any more), the kernel chooses among all as usual. False where that is not possible.
 */
export function steerNewConnections(fd: number, first: number, count: number): boolean {
  return setOption(
    fd,
    soAttachReuseportFilter,
    program([
      [loadWord, 0, 0, randomWord],
      [modulo, 0, 0, count],
      [add, 0, 0, first],
      [giveResult, 0, 0, 0],
    ]),
  );
}

/** The kernel spreads new connections again. */
export function stopSteering(fd: number): void {
  setOption(fd, soDetachReuseportFilter, Buffer.alloc(4));
}

/** Listening sockets by `address:port` with the address as the kernel writes it; empty where it does not tell. */
export type ListenerCounts = ReadonlyMap<string, number>;

export function countListeners(): ListenerCounts {
  const counts = new Map<string, number>();
  for (const table of ["/proc/self/net/tcp", "/proc/self/net/tcp6"]) {
    for (const local of listenersIn(table)) counts.set(local, (counts.get(local) ?? 0) + 1);
  }
  return counts;
}

/** What the kernel writes at a time, or a little more. */
const tableChunkBytes = 8_192;

/**
 * Sockets that listen come first, so the table is read no further: behind them are all connections of the host, those that ended in
 * the last minute too. With 24,000 of them that is 15 ms instead of 115 in which a proxy does nothing else; what is left is the kernel's
 * search for connections of IPv6.
 */
function listenersIn(path: string): string[] {
  const found: string[] = [];
  const fd = openTable(path);
  if (fd === undefined) return found;
  try {
    const chunk = Buffer.alloc(tableChunkBytes);
    let text = "";
    for (;;) {
      const length = readSync(fd, chunk);
      text += chunk.toString("latin1", 0, length);
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        // `sl local_address rem_address st ...`, and the names of these at first.
        const [slot = "", local = "", , state = ""] = line.trim().split(/\s+/, 4);
        if (slot === "sl") continue;
        if (state !== "0A") return found;
        found.push(local);
      }
      if (length === 0) return found;
    }
  } finally {
    closeSync(fd);
  }
}

function openTable(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch {
    return undefined;
  }
}

/**
 * The key of an IPv4 or IPv6 address in {@link ListenerCounts}: 32-bit words in the machine's order, little-endian here. Empty for a
 * name.
 */
export function kernelAddress(host: string, port: number): string {
  if (isIP(host) === 0) return "";
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const bytes = host.includes(":") ? ipv6Bytes(host) : Buffer.from(host.split(".").map(Number));
  let words = "";
  for (let at = 0; at < bytes.length; at += 4) {
    words += bytes.readUInt32LE(at).toString(16).toUpperCase().padStart(8, "0");
  }
  return words + suffix;
}

function ipv6Bytes(host: string): Buffer {
  const [head = "", tail] = host.split("::");
  const groupsOf = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const groups = [...before, ...new Array<number>(Math.max(0, 8 - before.length - after.length)).fill(0), ...after];
  const bytes = Buffer.alloc(16);
  for (const [i, group] of groups.slice(0, 8).entries()) bytes.writeUInt16BE(group & 0xff_ff, i * 2);
  return bytes;
}

/** `struct sock_fprog`: how many instructions, and where they are. */
function program(instructions: readonly Instruction[]): Buffer {
  const code = Buffer.alloc(8 * instructions.length);
  for (const [i, [op, ifTrue, ifFalse, operand]] of instructions.entries()) {
    code.writeUInt16LE(op, i * 8);
    code.writeUInt8(ifTrue, i * 8 + 2);
    code.writeUInt8(ifFalse, i * 8 + 3);
    code.writeUInt32LE(operand, i * 8 + 4);
  }
  const header = Buffer.alloc(16);
  header.writeUInt16LE(instructions.length, 0);
  header.writeBigUInt64LE(BigInt(ptr(code)), 8);
  kept.add(code);
  return header;
}

/** The kernel reads them by address: they must not be collected before it has. */
const kept = new Set<Buffer>();

function setOption(fd: number, option: number, value: Buffer): boolean {
  const isSet = setSocketOption(fd, { level: solSocket, option, value });
  kept.clear();
  return isSet;
}
