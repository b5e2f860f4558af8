/**
 * xxHash32 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md) of a text, for ring hash and Maglev: proxies agree on the
 * owner of a key whatever they run on. Not for secrets, and not against peers who choose their keys.
 */
const prime1 = 0x9e3779b1;
const prime2 = 0x85ebca77;
const prime3 = 0xc2b2ae3d;
const prime4 = 0x27d4eb2f;
const prime5 = 0x165667b1;

/** 32 bits, unsigned. `text` is one byte per character, as all fields are; of other characters only the low byte counts. */
export function hashText(text: string, seed = 0): number {
  const { length } = text;
  let at = 0;
  let hash: number;
  if (length >= 16) {
    let a = (seed + prime1 + prime2) | 0;
    let b = (seed + prime2) | 0;
    let c = seed | 0;
    let d = (seed - prime1) | 0;
    for (; at + 16 <= length; at += 16) {
      a = round(a, wordAt(text, at));
      b = round(b, wordAt(text, at + 4));
      c = round(c, wordAt(text, at + 8));
      d = round(d, wordAt(text, at + 12));
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0;
  } else {
    hash = (seed + prime5) | 0;
  }
  hash = (hash + length) | 0;
  for (; at + 4 <= length; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(wordAt(text, at), prime3)) | 0, 17), prime4);
  }
  for (; at < length; at++) {
    hash = Math.imul(rotate((hash + Math.imul(text.charCodeAt(at) & 0xff, prime5)) | 0, 11), prime1);
  }
  return mixBits(hash);
}

/** The last step of xxHash32 by itself: spreads what differs in few bits over all 32. */
export function mixBits(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 15), prime2);
  hash = Math.imul(hash ^ (hash >>> 13), prime3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A number in [0, 1) that depends on a key and on what it is asked about, and on nothing else. */
export function chanceOf(hash: number, about: number): number {
  return mixBits(hash ^ Math.imul(about + 1, prime1)) / 0x1_0000_0000;
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, prime2)) | 0, 13), prime1);
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

function wordAt(text: string, at: number): number {
  return (
    (text.charCodeAt(at) & 0xff) |
    ((text.charCodeAt(at + 1) & 0xff) << 8) |
    ((text.charCodeAt(at + 2) & 0xff) << 16) |
    (text.charCodeAt(at + 3) << 24)
  );
}
