import { COLON } from "./characters.ts";

/** What a piece of an authority (RFC 3986 section 3.2) is made of: the bits of one table. */
const Kind = { name: 1, literal: 2 } as const;

/**
 * A registered name without `%` and `,`: one is decoded by some readers and not by others, the other makes a list. Within
 * brackets only what an IPv6 address has; a zone (CVE-2026-26310) means nothing on another machine.
 */
const kinds = Uint8Array.from({ length: 256 }, (_, byte) => {
  const char = byte < 128 ? String.fromCharCode(byte) : "";
  return (/[!$&'()*+\-.0-9;=A-Z_a-z~]/.test(char) ? Kind.name : 0) | (/[0-9A-Fa-f:.]/.test(char) ? Kind.literal : 0);
});

const leftBracket = 91;
const rightBracket = 93;

/**
 * Where the host of the authority `bytes[start, end)` ends: at `end`, or at the colon in front of its port. -1 for anything
 * that two readers could take for two different hosts or ports: user information, two colons, an empty or padded port.
 */
export function endOfHost(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  if (bytes[at] === leftBracket) {
    at++;
    while (at < end && ((kinds[bytes[at] ?? 0] ?? 0) & Kind.literal) !== 0) at++;
    if (at >= end || at === start + 1 || bytes[at] !== rightBracket) return -1;
    at++;
  } else {
    while (at < end && ((kinds[bytes[at] ?? 0] ?? 0) & Kind.name) !== 0) at++;
    if (at === start) return -1;
  }
  if (at === end) return at;
  return bytes[at] === COLON && isPort(bytes, at + 1, end) ? at : -1;
}

/** 1 to 65535, written in the one way without zeros in front. */
function isPort(bytes: Uint8Array, start: number, end: number): boolean {
  if (end === start || end - start > 5 || bytes[start] === 48) return false;
  let port = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] ?? 0) - 48;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}
