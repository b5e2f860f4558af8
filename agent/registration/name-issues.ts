import type { SchemaIssue } from "../../lib/contract/schema-issues.ts";

const maxNameChars = 255;

/** What is wrong with a text as a name or id: these are keys of the catalog, parts of paths and words in log lines. */
export function nameIssues(path: string, text: string): SchemaIssue[] {
  if (text.length > maxNameChars) return [{ path, message: `must have at most ${maxNameChars} characters` }];
  const isClean = !/\p{Cc}/u.test(text) && text.isWellFormed() && text.trim() === text;
  const message = "may not hold control characters, broken Unicode or outer spaces";
  return isClean ? [] : [{ path, message: `${message}, found ${JSON.stringify(text)}` }];
}
