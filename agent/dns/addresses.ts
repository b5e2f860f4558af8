import { isIP } from "node:net";

/** IP addresses between text, bytes and the names that DNS has for them. */

/** 4 or 16 bytes; undefined for a text that is no address. */
export function addressBytes(text: string): Uint8Array | undefined {
  const version = isIP(text);
  if (version === 4) return Uint8Array.from(text.split(".").map(Number));
  return version === 6 ? ipv6Bytes(text) : undefined;
}

/** IPv6 as RFC 5952 writes it. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0)).toString(16),
  );
  const zeros = longestZeroRun(groups);
  if (zeros === undefined) return groups.join(":");
  return `${groups.slice(0, zeros.start).join(":")}::${groups.slice(zeros.end).join(":")}`;
}

/** The address that a reverse name (`4.3.2.1.in-addr.arpa`, nibbles under `ip6.arpa`) is about; undefined for another. */
export function reverseAddress(labels: readonly string[]): Uint8Array | undefined {
  const kind = labels.at(-1) === "arpa" ? labels.at(-2) : undefined;
  const parts = labels.slice(0, -2).toReversed();
  if (kind === "in-addr" && parts.length === 4) return addressBytes(parts.join("."));
  if (kind !== "ip6" || parts.length !== 32 || !parts.every((part) => /^[0-9a-f]$/.test(part))) return undefined;
  return Uint8Array.from(Buffer.from(parts.join(""), "hex"));
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  // A zone belongs to one machine and is no part of an address that others can use.
  if (text.includes("%")) return undefined;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const plain =
    dotted === null ? text : `${dotted[1]}${hexGroup(dotted[2], dotted[3])}:${hexGroup(dotted[4], dotted[5])}`;
  const [head = "", tail] = plain.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after];
  return Uint8Array.from(
    groups.flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    }),
  );
}

function hexGroup(high: string | undefined, low: string | undefined): string {
  return ((Number(high) << 8) | Number(low)).toString(16);
}

function longestZeroRun(groups: readonly string[]): { readonly start: number; readonly end: number } | undefined {
  let best: { readonly start: number; readonly end: number } | undefined;
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === "0") end++;
    if (end - start > 1 && end - start > (best === undefined ? 0 : best.end - best.start)) best = { start, end };
  }
  return best;
}
