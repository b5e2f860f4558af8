import { describe, expect, test } from "bun:test";
import { Base64Stream } from "../../../proxy/grpc-web/base64-stream.ts";

/** What pieces decode to, or where the first of them is refused. */
function decode(...pieces: readonly string[]): string {
  const stream = new Base64Stream();
  let result = "";
  for (const [i, piece] of pieces.entries()) {
    const bytes = stream.decode(Buffer.from(`<${piece}>`, "latin1"), 1, piece.length + 1);
    if (bytes === undefined) return `refused ${i}`;
    result += bytes.toString("latin1");
  }
  return stream.isOpen ? `${result} and half a group` : result;
}

describe("base64 in pieces", () => {
  // "Hello", "!" and "\0\xff", each padded by itself.
  const text = `${btoa("Hello")}${btoa("!")}${btoa("\0\xff")}`;

  test("is the same whatever the cut, padding in the middle too", () => {
    for (let first = 0; first <= text.length; first++) {
      for (let second = first; second <= text.length; second++) {
        const pieces = [text.slice(0, first), text.slice(first, second), text.slice(second)];
        expect(decode(...pieces)).toBe("Hello!\0\xff");
      }
    }
  });

  test("that stops within a group is known to be incomplete", () => {
    expect(decode("SGVs", "bG")).toBe("Hel and half a group");
  });

  test.each(["SG-s", "SG s", "SGVs\n", "=GVs", "S=Vs", "SG=s", "SGV===", "SGVs=", "S\xffVs", "SG==="])(
    "%p is refused, at whichever cut",
    (bad) => {
      for (let at = 0; at <= bad.length; at++) expect(decode(bad.slice(0, at), bad.slice(at))).toStartWith("refused");
    },
  );
});
