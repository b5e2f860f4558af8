import type { Random } from "../../lib/base/random.ts";

/** Request targets that some application takes for a given path, or for something close to it; most of them are nobody's business. */

const hex = (char: string): string => char.charCodeAt(0).toString(16).padStart(2, "0");
const escaped = (text: string): string => [...text].map((char) => `%${hex(char)}`).join("");

/** The ways to write a step of a path by itself. */
const dots = [".", "%2e", "%2E", "%252e", "%c0%ae", "%e0%80%ae"] as const;
const slashes = [
  "/",
  "//",
  "%2f",
  "%2F",
  "%252F",
  "\\",
  "%5c",
  "%255C",
  "/./",
  "/;/",
  "/;x=1/",
  "%c0%af",
  "%ef%bc%8f",
] as const;
const ends = [
  ...["", "/", "//", "/.", "/./", "/x/..", "/%2e", "%2f", "\\", ";", ";x", ";x=1/", "%3b", "%3Bx", ".", "%20", "%09"],
  ...["%00", "%00.html", "\u0000", "#", "#x", "%23", "?", "?x", "?/../y", "%3f", "%3Fx", " ", "%", "%zz", "%c0"],
] as const;
/** What may stand before the path: it leads to the same place for those who resolve it in one way or another. */
const beginnings = [
  ...[
    "",
    "/",
    "//",
    "/.",
    "/%2e",
    "/;",
    "/;x",
    "/x/..",
    "/x/%2e%2e",
    "/x/.%2E",
    "/x/..;",
    "/x/..;y",
    "/x;/..",
    "/x//..",
    "/x//../..",
  ],
  ...[
    "\\",
    "/\\",
    "/x\\..",
    "/x%5c..",
    "/x%2f..",
    "/x/..%2f",
    "/x%2F..%2F",
    "/x/%252e%252e",
    "/x%252f..",
    "/x/..%255c",
  ],
  ...[
    "/x/%c0%ae%c0%ae",
    "/x/..%c0%af",
    "/x/..%00/",
    "/x/..?",
    "/..",
    "/../..",
    "/.../",
    "/x/..../",
    "http://api",
    "http://api/x/..",
  ],
] as const;

export function spellings(path: string): string[] {
  const result = new Set<string>();
  const add = (...texts: readonly string[]): void => {
    for (const text of texts) result.add(text);
  };
  const [first = "", ...rest] = path.split("/").slice(1);
  for (const end of ends) add(`${path}${end}`);
  for (const beginning of beginnings) {
    add(`${beginning}${path}`, `/public${beginning}${path}`, `/public/..${beginning}${path}`);
    add(`/public/x${beginning}/..${path}`, `${beginning}${path}/`, `/public${beginning}/..${path}`);
  }
  for (const one of dots) {
    for (const two of one === "." ? dots : [".", one]) {
      const up = `${one}${two}`;
      add(`/x/${up}${path}`, `/public/${up}${path}`, `/public;/${up};/${path.slice(1)}`, `${path}/x/${up}`);
      for (const slash of slashes) add(`/public${slash}${up}${path}`, `/public/${up}${slash}${path.slice(1)}`);
    }
  }
  for (const slash of slashes) {
    add(
      `${slash}${path.slice(1)}`,
      [`/${first}`, ...rest].join(slash),
      `/${first}${slash}x`,
      `/public${slash}..${slash}${first}`,
    );
  }
  for (let i = 0; i < first.length; i++) {
    const [before, char, after] = [first.slice(0, i), first.charAt(i), first.slice(i + 1)];
    const tail = ["", ...rest].join("/");
    for (const spelled of [escaped(char), escaped(char).toUpperCase(), `%25${hex(char)}`, `%2525${hex(char)}`]) {
      add(`/${before}${spelled}${after}${tail}`);
    }
    add(
      `/${before};${char}${after}${tail}`,
      `/${before}%00${char}${after}${tail}`,
      `/${before}\\${char}${after}${tail}`,
    );
  }
  add(`/${escaped(first)}`, `/${escaped(escaped(first))}`, escaped(path), `/${escaped(`public/../${first}`)}`);
  return [...result];
}

/** Several tricks at once. */
export function mixedSpelling(path: string, random: Random): string {
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random.float() * from.length)];
  const chance = (share: number): boolean => random.float() < share;
  let text = "";
  for (const char of path) {
    if (char === "/") text += chance(0.4) ? pick(slashes) : "/";
    else if (chance(0.2)) text += pick([escaped(char), escaped(char).toUpperCase(), `%25${hex(char)}`]);
    else text += char;
    if (char === "/" && chance(0.2))
      text += `${pick(["x", "x;y", ";", "."])}/${pick(dots)}${pick(dots)}${pick(["", ";", ";z"])}/`;
  }
  return `${chance(0.5) ? pick(beginnings) : pick(["", "/public/..", "/public"])}${text}${chance(0.5) ? pick(ends) : ""}`;
}
