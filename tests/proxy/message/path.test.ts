import { describe, expect, test } from "bun:test";
import { defaultPathRules, normalisePath, type PathOutcome, type PathRules } from "../../../proxy/message/path.ts";
import { createRng, type Rng } from "../../sim/random.ts";
import { testSeed, withSeed } from "../http2/test-seed.ts";
import { naivePath } from "./naive-path.ts";

const merging: PathRules = { ...defaultPathRules, mergeSlashes: true };
const rejecting: PathRules = {
  ...defaultPathRules,
  escapedSlashes: "reject",
  backslashes: "reject",
  parameters: "reject",
};
const forwarding: PathRules = { ...defaultPathRules, escapedSlashes: "unescape-and-forward" };
const redirecting: PathRules = { ...defaultPathRules, escapedSlashes: "unescape-and-redirect" };
const dropping: PathRules = { ...defaultPathRules, parameters: "drop" };
const raw: PathRules = { ...defaultPathRules, normalise: false };

type Row = readonly [path: string, outcome: PathOutcome, rules?: PathRules];

const tables: Readonly<Record<string, readonly Row[]>> = {
  "is left alone when it is normal": [
    ["/", "/"],
    ["/a/b-c_d~e/f.txt", "/a/b-c_d~e/f.txt"],
    ["/a//b", "/a//b"],
    ["/.well-known/x", "/.well-known/x"],
    ["/a/...", "/a/..."],
    ["/a;v=1/b", "/a;v=1/b"],
    ["/a%2Fb", "/a%2Fb"],
    ["/%E4%B8%AD", "/%E4%B8%AD"],
    ["*", "*"],
    ["", ""],
  ],
  "has one spelling": [
    ["/%61%2d%7E%5f%2E%41", "/a-~_.A"],
    ["/a%2fb%5c%e4", "/a%2Fb%5C%E4"],
    ["/%20%3b%3F", "/%20%3B%3F"],
    ["/a\\b", "/a/b"],
  ],
  "has no dot segments": [
    ["/.", "/"],
    ["/..", "/"],
    ["/a/.", "/a/"],
    ["/a/..", "/"],
    ["/a/../b", "/b"],
    ["/a/./b", "/a/b"],
    ["/../../a", "/a"],
    ["/a//../b", "/a/b"],
    ["/a/%2e%2E/b", "/b"],
    ["/a/.%2e/b", "/b"],
    ["/a/%2e/b", "/a/b"],
    ["/a\\..\\b", "/b"],
  ],
  "keeps its query to the byte": [
    ["/a?b=%61/../c//d\\;%", "/a?b=%61/../c//d\\;%"],
    ["/a/../b?x=/../%2f", "/b?x=/../%2f"],
    ["/?", "/?"],
    ["/%61??", "/a??"],
  ],
  "is merged where that is asked for": [
    ["//", "/", merging],
    ["//a///b//", "/a/b/", merging],
    ["/a//../b", "/a/b", merging],
    ["/a?b//c", "/a?b//c", merging],
  ],
  "is refused when no two readers need agree": [
    ["a", { reject: "not_origin_form" }],
    ["http://a/", { reject: "not_origin_form" }],
    ["/a%", { reject: "bad_escape" }],
    ["/a%2", { reject: "bad_escape" }],
    ["/a%g0", { reject: "bad_escape" }],
    ["/a%u002e", { reject: "bad_escape" }],
    ["/a%00", { reject: "escaped_nul" }],
    ["/a\0", { reject: "bad_character" }],
    ["/a b", { reject: "bad_character" }],
    ["/\xe9", { reject: "bad_character" }],
    ["/a%2Fb", { reject: "escaped_slash" }, rejecting],
    ["/a%5cb", { reject: "escaped_slash" }, rejecting],
    ["/a\\b", { reject: "backslash" }, rejecting],
    ["/a;b", { reject: "path_parameter" }, rejecting],
  ],
  "has its escaped slashes turned where that is asked for": [
    ["/a%2fb%5Cc", "/a/b/c", forwarding],
    ["/a%2fb?c%2f", { redirect: "/a/b?c%2f" }, redirecting],
    ["/a%2f..%2fb", { redirect: "/b" }, redirecting],
    ["/a/../b", "/b", redirecting],
    ["/a%5cb", "/a\\b", { ...forwarding, backslashes: "keep" }],
    ["/a%5cb", { reject: "backslash" }, { ...forwarding, backslashes: "reject" }],
  ],
  "has only its slashes looked at when normalisation is off": [
    ["/a/../%61%", "/a/../%61%", raw],
    ["/a/..%2f%2fb", "/a/../b", { ...raw, escapedSlashes: "unescape-and-forward", mergeSlashes: true }],
    ["/a%2Fb", { reject: "escaped_slash" }, { ...raw, escapedSlashes: "reject" }],
  ],
  "has no parameters where that is asked for": [
    ["/a;x=1/b;y", "/a/b", dropping],
    ["/a/..;x/b", "/b", dropping],
    ["/;a", "/", dropping],
  ],
};

for (const [what, rows] of Object.entries(tables)) {
  describe(`a path ${what}`, () => {
    for (const [path, outcome, rules = defaultPathRules] of rows) {
      test(JSON.stringify(path), () => expect(normalisePath(path, rules)).toEqual(outcome));
    }
  });
}

describe("a known way around a rule for /admin", () => {
  test("by dot segments (CVE-2019-9901, CVE-2024-10005)", () => {
    for (const path of [
      "/public/../admin",
      "/./admin",
      "/public/%2e%2e/admin",
      "/public/.%2E/admin",
      "/a/b/../../admin",
    ]) {
      expect(normalisePath(path, defaultPathRules)).toBe("/admin");
    }
  });

  test("by escaped slashes (CVE-2021-29492)", () => {
    for (const path of ["/public%2F..%2Fadmin", "/public/..%2fadmin", "/public%5c..%5Cadmin", "/..%2fadmin"]) {
      expect(normalisePath(path, defaultPathRules)).toEqual({ reject: "hidden_dot_segment" });
      expect(normalisePath(path, forwarding)).toBe("/admin");
      expect(normalisePath(path, redirecting)).toEqual({ redirect: "/admin" });
      expect(normalisePath(path, rejecting)).toEqual({ reject: "escaped_slash" });
    }
    expect(normalisePath("/public%2fx/../admin", defaultPathRules)).toBe("/admin");
  });

  test("by more slashes than one (CVE-2021-31920)", () => {
    for (const path of ["//admin", "///admin", "/.//admin", "/%2e%2e//admin"]) {
      expect(normalisePath(path, merging)).toBe("/admin");
    }
    expect(normalisePath("/%2F/admin", { ...forwarding, mergeSlashes: true })).toBe("/admin");
  });

  test("by a fragment (CVE-2021-39156)", () => {
    for (const path of ["/admin#", "/admin#/../public", "/public?a#/admin", "#"]) {
      expect(normalisePath(path, defaultPathRules)).toHaveProperty("reject");
    }
  });

  test("by path parameters (CVE-2026-73511, CVE-2026-73551, CVE-2026-73553)", () => {
    for (const path of ["/admin;x", "/admin;x=1", "/;y/../admin;", "/public/..;/admin"]) {
      expect(normalisePath(path, dropping)).toBe("/admin");
      expect(normalisePath(path, rejecting)).toEqual({ reject: "path_parameter" });
    }
    expect(normalisePath("/public/..;/admin", defaultPathRules)).toEqual({ reject: "hidden_dot_segment" });
    expect(normalisePath("/public/.;x/admin", defaultPathRules)).toEqual({ reject: "hidden_dot_segment" });
    expect(normalisePath("/public/%2e.;/admin", defaultPathRules)).toEqual({ reject: "hidden_dot_segment" });
  });

  test("by backslashes", () => {
    for (const path of ["\\admin", "/\\admin", "/public\\..\\admin", "/public/..\\admin"]) {
      expect([undefined, "/admin", "//admin"]).toContain(textOf(normalisePath(path, defaultPathRules)));
      expect(normalisePath(path, rejecting)).toHaveProperty("reject");
    }
  });

  test("by another case of hexadecimal digits or by escaped letters", () => {
    for (const path of ["/%61dmin", "/admi%6E", "/admi%6e", "/a%64min"]) {
      expect(normalisePath(path, defaultPathRules)).toBe("/admin");
    }
    expect(normalisePath("/%c3%a9", defaultPathRules)).toBe(normalisePath("/%C3%A9", defaultPathRules));
  });

  test("by escaping twice stays escaped", () => {
    for (const path of ["/public/%252e%252e/admin", "/public%252F..", "/%2561dmin"]) {
      expect(normalisePath(path, forwarding)).toBe(path);
    }
  });

  test("by overlong or wide escapes stays as it is, or is refused", () => {
    expect(normalisePath("/%c0%ae%c0%ae/admin", defaultPathRules)).toBe("/%C0%AE%C0%AE/admin");
    expect(normalisePath("/%u002e%u002e/admin", defaultPathRules)).toEqual({ reject: "bad_escape" });
  });

  test("by an escaped NUL", () => {
    expect(normalisePath("/admin%00.png", defaultPathRules)).toEqual({ reject: "escaped_nul" });
  });

  test("never becomes a redirect to another host", () => {
    for (const path of ["/%2fevil.example", "/%5cevil.example", "//%2fevil.example/..", "/x/..//%2Fevil.example"]) {
      for (const rules of [redirecting, { ...redirecting, backslashes: "keep" } as const]) {
        expect(normalisePath(path, rules)).toEqual({ redirect: expect.stringMatching(/^\/(?![/\\])/) });
      }
    }
  });
});

function textOf(outcome: PathOutcome): string | undefined {
  if (typeof outcome === "string") return outcome;
  return "redirect" in outcome ? outcome.redirect : undefined;
}

describe("random paths under random rules", () => {
  const seed = testSeed();
  const cases = Array.from({ length: 20_000 }, (_, i) => {
    const rng = createRng(`${seed}/path/${i}`);
    return { path: randomPath(rng), rules: randomRules(rng) };
  });

  test("are read as a naive implementation reads them", () => {
    withSeed(seed, () => {
      for (const { path, rules } of cases) {
        expect([path, rules, textOf(normalisePath(path, rules))]).toEqual([path, rules, naivePath(path, rules)]);
      }
    });
  });

  test("stay as they are the second time", () => {
    withSeed(seed, () => {
      for (const { path, rules } of cases) {
        const once = textOf(normalisePath(path, rules));
        if (once !== undefined) expect([path, rules, normalisePath(once, rules)]).toEqual([path, rules, once]);
      }
    });
  });

  test("keep no dot segment, however the rest is decoded", () => {
    withSeed(seed, () => {
      for (const { path, rules } of cases) {
        const once = textOf(normalisePath(path, { ...rules, normalise: true }))?.split("?")[0];
        const parts =
          once
            ?.replace(/%2f|%5c/gi, "/")
            .replace(/%2e/gi, ".")
            .split(/[/\\]/) ?? [];
        for (const part of parts) expect([".", ".."]).not.toContain(part.replace(/;.*/, ""));
      }
    });
  });
});

const pieces = [
  "/",
  "/",
  "/",
  "a",
  "b",
  ".",
  "..",
  "%2e",
  "%2E",
  "%2f",
  "%5C",
  "\\",
  ";",
  ";x",
  "%61",
  "%41",
  "%3b",
  "%25",
  "%e4",
  "?",
  "//",
  "~",
  "%",
];

function randomPath(rng: Rng): string {
  const count = rng.below(12);
  return `/${Array.from({ length: count }, () => rng.pick(pieces)).join("")}${rng.chance(0.02) ? rng.pick(["#", "\0", "%00", "%2"]) : ""}`;
}

function randomRules(rng: Rng): PathRules {
  return {
    normalise: rng.chance(0.9),
    mergeSlashes: rng.chance(0.5),
    escapedSlashes: rng.pick(["keep", "reject", "unescape-and-redirect", "unescape-and-forward"]),
    backslashes: rng.pick(["slash", "reject", "keep"]),
    parameters: rng.pick(["keep", "reject", "drop"]),
  };
}
