import { HclFailure } from "./hcl-failure.ts";
import type { HclText } from "./hcl-string.ts";

/**
 * HCL's texts over several lines. `<<EOF` keeps every line as it is; `<<-EOF` takes the indentation of the closing line from
 * each line, unless one of them has less of it: then all of them stay. Nothing in them is an escape. As in hashicorp/hcl, a
 * closing line without any indentation does not end a `<<-EOF`.
 */
const opening = /<<(-?)([\p{L}\p{Nd}_]*)/uy;

/** Reads the text whose first `<` is at `open`; its end is behind the line feed of the closing line. Throws `HclFailure`. */
export function readHeredoc(text: string, open: number): HclText {
  opening.lastIndex = open;
  const head = opening.exec(text);
  if (head === null) throw new HclFailure(open, 'expected a second "<"');
  const marker = head[2] ?? "";
  const start = open + head[0].length + 1;
  if (marker === "") throw new HclFailure(open, "expected a name behind << that also ends the text");
  if (text[start - 1] !== "\n") throw new HclFailure(start - 1, `expected a line break behind <<${marker}`);
  for (let line = start; ; ) {
    const lineEnd = text.indexOf("\n", line);
    if (lineEnd < 0)
      throw new HclFailure(
        open,
        `no ${head[1] === "" ? "" : "indented "}line ${marker} with a line break behind it ends this text`,
      );
    const indent = indentBefore(text, line, lineEnd, marker);
    if (indent !== undefined && (head[1] === "" || indent !== "")) {
      const body = text.slice(start, line);
      return { value: head[1] === "-" ? unindent(body, indent) : body + indent, end: lineEnd + 1 };
    }
    line = lineEnd + 1;
  }
}

/** The white space before `marker` when nothing else is on the line. */
function indentBefore(text: string, line: number, lineEnd: number, marker: string): string | undefined {
  let at = line;
  while (at < lineEnd && " \t\v\f\r".includes(text[at] ?? "")) at++;
  if (!text.startsWith(marker, at)) return undefined;
  return at + marker.length === lineEnd ? text.slice(line, at) : undefined;
}

function unindent(body: string, indent: string): string {
  const lines = body.split("\n");
  lines.pop();
  if (!lines.every((line) => line.startsWith(indent))) return body;
  return lines.map((line) => `${line.slice(indent.length)}\n`).join("");
}
