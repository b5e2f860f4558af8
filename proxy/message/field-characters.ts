/**
 * Which bytes a name and a value may have (RFC 9113 section 8.2.1, stricter where RFC 9110 is: a name is a token). What is
 * refused here could be read differently once it is written as HTTP/1.1.
 */
const isNameByte = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[!#$%&'*+.^_`|~0-9a-z-]/.test(String.fromCharCode(byte)) ? 1 : 0,
);
const isValueByte = Uint8Array.from({ length: 256 }, (_, byte) => (byte === 9 || (byte >= 32 && byte !== 127) ? 1 : 0));

const colon = 58;

/** A lower-case token, or one with a colon before it for a pseudo-header field. */
export function isFieldName(bytes: Uint8Array, start: number, end: number): boolean {
  if (start < end && bytes[start] === colon) start++;
  if (start === end) return false;
  let isValid = 1;
  for (let i = start; i < end; i++) isValid &= isNameByte[bytes[i] ?? 0] ?? 0;
  return isValid === 1;
}

/** No control byte, and no blank at either end. */
export function isFieldContent(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  let isValid = 1;
  for (let i = start; i < end; i++) isValid &= isValueByte[bytes[i] ?? 0] ?? 0;
  return isValid === 1 && !isBlank(bytes[start] ?? 0) && !isBlank(bytes[end - 1] ?? 0);
}

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9;
}
