/**
 * Whether a decoded JSON value is what Go clients send for "not set": an absent or null value, `""`, `0`, `false`, or
 * lists and objects of nothing but those. Consul's clients always send some fields so (`"Expose": {}`).
 */
export function isZeroValue(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && Object.values(value).every(isZeroValue);
}
