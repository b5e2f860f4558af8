/**
 * What an application may take a path for that is forwarded as it is written: escapes decoded, once or twice, `//` as `/`, `\\` as
 * `/`, dot segments resolved, `;parameters` and what follows a decoded `?` cut off, each or not, in whatever order its framework
 * does that. Rules that guard something judge by all of these, because the rules for requests let `%2F`, `//` and `;` through where
 * nobody forbids them.
 */
const none: readonly string[] = [];
/** Paths without these have one reading. */
const isAmbiguous = /[%;\\]|\/\/|\/\.{1,2}(?:\/|$)/;
const maxDecodings = 2;
/** Of all readings of one path together; what users mean has a handful, what is made to keep us busy has thousands. */
const maxCharacters = 131_072;

/** Each leaves a text that it has read as it is. */
const steps: readonly ((text: string) => string)[] = [
  withoutParameters,
  (text) => (text.includes("?") ? text.slice(0, text.indexOf("?")) : text),
  (text) => text.replaceAll("\\", "/"),
  resolved,
  (text) => text.replace(/\/{2,}/g, "/"),
];

/** The readings of a path without its query, other than itself; nearly always none. `undefined`: there are too many to look at. */
export function pathReadings(path: string): readonly string[] | undefined {
  if (!isAmbiguous.test(path)) return none;
  const decodingsLeft = new Map([[path, maxDecodings]]);
  const unread = [path];
  let characters = path.length;
  const add = (reading: string, left: number): void => {
    if ((decodingsLeft.get(reading) ?? -1) >= left) return;
    decodingsLeft.set(reading, left);
    unread.push(reading);
    characters += reading.length;
  };
  for (let text = unread.pop(); text !== undefined; text = unread.pop()) {
    if (characters > maxCharacters) return undefined;
    const left = decodingsLeft.get(text) ?? 0;
    for (const step of steps) add(step(text), left);
    if (left > 0) add(decoded(text), left - 1);
  }
  decodingsLeft.delete(path);
  return [...decodingsLeft.keys()];
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
