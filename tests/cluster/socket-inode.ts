import { dlopen, FFIType, ptr } from "bun:ffi";
import type { HostPort } from "../../lib/contract/address.ts";

/**
 * Asks the kernel for one socket by its two addresses (`man 7 sock_diag`), the question of `ss`. /proc/net/tcp has the same answer, but
 * has to be read whole, with every connection that ended in the last minute: 70 ms for 27,000 of them, and a machine that runs all tests
 * has more. Servers that wait for each other ask 40 times a second.
 */
const afNetlink = 16;
const sockRaw = 3;
const netlinkSockDiag = 4;
const afInet = 2;
const ipprotoTcp = 6;
const dontWait = 0x40;

const sockDiagByFamily = 20;
const nlmRequest = 1;
const nlmsgError = 2;
const headerBytes = 16;
const requestBytes = headerBytes + 56;
/** Of `struct inet_diag_req_v2`, after the header. */
const idAt = headerBytes + 8;
const noCookieAt = idAt + 40;
/** Of `struct inet_diag_msg`, after the header. */
const inodeAt = headerBytes + 68;
const answerBytes = headerBytes + 72;
const noSuchSocket = -2;

/** The inode of an IPv4 TCP socket of this machine; undefined when there is none, or none that a process holds. */
export function inodeOfSocket(local: HostPort, remote: HostPort): number | undefined {
  const request = Buffer.alloc(requestBytes);
  request.writeUInt32LE(requestBytes, 0);
  request.writeUInt16LE(sockDiagByFamily, 4);
  request.writeUInt16LE(nlmRequest, 6);
  request.writeUInt8(afInet, headerBytes);
  request.writeUInt8(ipprotoTcp, headerBytes + 1);
  request.writeUInt32LE(0xff_ff_ff_ff, headerBytes + 4);
  request.writeUInt16BE(local.port, idAt);
  request.writeUInt16BE(remote.port, idAt + 2);
  for (const [i, byte] of local.host.split(".").entries()) request.writeUInt8(Number(byte), idAt + 4 + i);
  for (const [i, byte] of remote.host.split(".").entries()) request.writeUInt8(Number(byte), idAt + 20 + i);
  request.fill(0xff, noCookieAt, noCookieAt + 8);
  const answer = ask(request);
  if (answer.readUInt16LE(4) === nlmsgError) {
    const code = answer.readInt32LE(headerBytes);
    if (code !== noSuchSocket) throw new Error(`the kernel does not tell who holds a socket: error ${-code}`);
    return undefined;
  }
  const inode = answer.readUInt32LE(inodeAt);
  return inode === 0 ? undefined : inode;
}

/** The answer is there when the question has been sent. */
function ask(request: Buffer): Buffer {
  const { socket, send, recv, close } = systemCalls();
  const fd = socket(afNetlink, sockRaw, netlinkSockDiag);
  try {
    const answer = Buffer.alloc(4_096);
    const isSent = fd >= 0 && send(fd, ptr(request), BigInt(request.length), 0) === BigInt(request.length);
    const length = isSent ? Number(recv(fd, ptr(answer), BigInt(answer.length), dontWait)) : -1;
    if (length < headerBytes + 4) throw new Error("this kernel does not answer questions about sockets (INET_DIAG)");
    return length < answerBytes ? answer.subarray(0, headerBytes + 4) : answer;
  } finally {
    if (fd >= 0) close(fd);
  }
}

let loaded: ReturnType<typeof loadSystemCalls> | undefined;

function systemCalls(): ReturnType<typeof loadSystemCalls> {
  loaded ??= loadSystemCalls();
  return loaded;
}

function loadSystemCalls() {
  const { i32, i64, u64, ptr: pointer } = FFIType;
  return dlopen("libc.so.6", {
    socket: { args: [i32, i32, i32], returns: i32 },
    send: { args: [i32, pointer, u64, i32], returns: i64 },
    recv: { args: [i32, pointer, u64, i32], returns: i64 },
    close: { args: [i32], returns: i32 },
  }).symbols;
}
