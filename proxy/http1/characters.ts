/** Byte classes of HTTP/1.1 (RFC 9110 section 5.6.2, RFC 9112), as tables: one array read per byte on the hot path. */
export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;

/** 1 for the bytes of a token: field names and methods. */
export const isToken = tableOf((byte) => /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(byte)) && byte < 128);

/** 1 for the bytes of a field value: visible ASCII, space, tab and obs-text; no other control byte, no DEL. */
export const isFieldValue = tableOf((byte) => byte === HTAB || (byte >= SP && byte !== 127));

/** 1 for the bytes of a request target: visible ASCII but `#`. Space and everything beyond ASCII must be percent-encoded. */
export const isTarget = tableOf((byte) => byte > SP && byte < 127 && byte !== 35);

/** The value of a hexadecimal digit, or 255. */
export const hexValue = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16);
  return byte < 128 && !Number.isNaN(value) ? value : 255;
});

function tableOf(belongs: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (belongs(byte) ? 1 : 0));
}
