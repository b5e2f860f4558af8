/** The key of a row for a key of anybody's: rows' keys hold no control characters. */
export function kvRowKey(key: string): string {
  return key.replace(/[%\p{Cc}]/gu, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
