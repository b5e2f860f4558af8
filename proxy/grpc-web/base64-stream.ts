/**
 * Base64 that comes in pieces, cut anywhere. A sender may have padded in the middle, since gRPC-Web clients and servers encode
 * each message by itself; anything else that is no base64 is an error.
 */
export class Base64Stream {
  /** Up to three characters of a group that is not complete. */
  #rest = "";

  /** A group has begun and not ended. */
  get isOpen(): boolean {
    return this.#rest !== "";
  }

  /** The bytes of all groups that are complete, or undefined when it is no base64. */
  decode(bytes: Buffer, start: number, end: number): Buffer | undefined {
    const text = this.#rest + bytes.toString("latin1", start, end);
    const length = text.length - (text.length % 4);
    this.#rest = text.slice(length);
    if (!isBase64(text)) return undefined;
    const groups = text.slice(0, length);
    if (groups.indexOf("=") < 0) return Buffer.from(groups, "base64");
    // What stands behind padding is another text, which the decoder would leave out.
    return Buffer.concat(Array.from(groups.matchAll(/[^=]+=*/g), ([part]) => Buffer.from(part, "base64")));
  }
}

/** Padding stands at the end of a group of four only: one or two of them. */
function isBase64(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code !== equalsSign) {
      if (code > 127 || isDigit[code] !== 1) return false;
    } else if (i % 4 === 2) {
      if (i + 1 < text.length && text.charCodeAt(i + 1) !== equalsSign) return false;
    } else if (i % 4 !== 3) return false;
  }
  return true;
}

const equalsSign = 61;
const isDigit = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9+/]/.test(String.fromCharCode(code)) ? 1 : 0,
);
