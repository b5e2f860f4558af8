import { maxLabelBytes, maxNameBytes } from "./codes.ts";

/**
 * Names on the wire. A label is any bytes; here it is a string of one character per byte, so that nothing is lost and its
 * case stays. Reading is bounded: a name has at most 255 bytes, and a pointer has to lead to before the name that it is in.
 */
export interface NameRead {
  readonly labels: readonly string[];
  /** Where the name ends in the place it was read from. */
  readonly end: number;
}

/** The name at `start`; undefined for one that is cut off, too long, or runs in a circle. */
export function readName(packet: Uint8Array, start: number): NameRead | undefined {
  const labels: string[] = [];
  let offset = start;
  let end: number | undefined;
  let lowest = start;
  let length = 1;
  for (;;) {
    const size = packet[offset];
    if (size === undefined) return undefined;
    if (size === 0) return { labels, end: end ?? offset + 1 };
    if (size >= 0xc0) {
      const low = packet[offset + 1];
      if (low === undefined) return undefined;
      end ??= offset + 2;
      offset = ((size & 0x3f) << 8) | low;
      // Each jump goes further back than the one before, so there is an end to them.
      if (offset >= lowest) return undefined;
      lowest = offset;
      continue;
    }
    length += size + 1;
    if (size > maxLabelBytes || length > maxNameBytes || offset + 1 + size > packet.length) return undefined;
    labels.push(latin1(packet, offset + 1, offset + 1 + size));
    offset += size + 1;
  }
}

/** Where a name without pointers ends; undefined for one that has a pointer or no end. */
export function endOfPlainName(packet: Uint8Array, start: number): number | undefined {
  let offset = start;
  for (;;) {
    const size = packet[offset];
    if (size === undefined || size > maxLabelBytes) return undefined;
    offset += size + 1;
    if (offset - start > maxNameBytes) return undefined;
    if (size === 0) return offset;
  }
}

/** The labels of a name as people write it, without the root; undefined when it cannot be put on the wire. */
export function labelsOfText(text: string): readonly string[] | undefined {
  const bare = text.endsWith(".") ? text.slice(0, -1) : text;
  if (bare === "") return [];
  const labels = bare.split(".");
  let length = 1;
  for (const label of labels) {
    length += label.length + 1;
    if (label === "" || label.length > maxLabelBytes || !isOneBytePerCharacter(label)) return undefined;
  }
  return length > maxNameBytes ? undefined : labels;
}

/** In lower case as DNS means it: ASCII letters only (RFC 4343). */
export function foldCase(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : text;
}

function isOneBytePerCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false;
  return true;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] ?? 0);
  return text;
}
