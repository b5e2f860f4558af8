/**
 * What an application may take a path for that is forwarded as it is written: escapes decoded, once or twice, `//` as `/`, dot
 * segments resolved, `;parameters` cut off, in whatever order its framework does that. Rules that guard something judge by all of
 * these, because the rules for requests let `%2F`, `//` and `;` through where nobody forbids them.
 */
const none: readonly string[] = [];
/** Paths without these have one reading. */
const isAmbiguous = /[%;\\]|\/\/|\/\.{1,2}(?:\/|$)/;

/** The readings of a path without its query, other than itself; nearly always none. */
export function pathReadings(path: string): readonly string[] {
  if (!isAmbiguous.test(path)) return none;
  const readings = new Set<string>();
  const decodings = new Set([path, decoded(path), decoded(decoded(path))]);
  // Parameters are cut off before escapes are decoded by some, and behind that by others.
  const cut = withoutParameters(path);
  for (const text of [cut, decoded(cut), decoded(decoded(cut))]) decodings.add(text);
  for (const text of [...decodings]) decodings.add(withoutParameters(text));
  // A decoded `?` begins a query to those who look for it afterwards.
  for (const text of [...decodings]) if (text.includes("?")) decodings.add(text.slice(0, text.indexOf("?")));
  for (const text of decodings) {
    readings.add(text);
    const slashed = text.replaceAll("\\", "/");
    readings.add(slashed);
    readings.add(resolved(slashed));
    const merged = slashed.replace(/\/{2,}/g, "/");
    readings.add(merged);
    readings.add(resolved(merged));
    readings.add(resolved(slashed).replace(/\/{2,}/g, "/"));
  }
  readings.delete(path);
  return [...readings];
}

/** Escapes that are none, or not of UTF-8, stay or stand for one character each, as in lenient decoders. */
function decoded(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  }
}

function withoutParameters(text: string): string {
  return text.includes(";") ? text.replace(/;[^/]*/g, "") : text;
}

/** RFC 3986 section 5.2.4. */
function resolved(text: string): string {
  if (!/\/\.{1,2}(?:\/|$)/.test(text)) return text;
  const result: string[] = [];
  const segments = text.split("/").slice(1);
  for (const [i, segment] of segments.entries()) {
    if (segment === "..") result.pop();
    else if (segment !== ".") result.push(segment);
    if ((segment === ".." || segment === ".") && i === segments.length - 1) result.push("");
  }
  return `/${result.join("/")}`;
}
