import { describe, expect, test } from "bun:test";
import { parseHcl } from "../../lib/base/hcl.ts";
import { type HclItem, type HclNode, parseHclItems } from "../../lib/base/hcl-parser.ts";
import { createSeededRandom } from "../../lib/base/random.ts";
import { harmedHcl, hclFiles } from "../lib/base/hcl-texts.ts";
import { goJudge, runProgram } from "./programs.ts";

/** hashicorp/hcl 1 in Go, which is what Consul reads its files and rules with. */
interface Answer {
  readonly error?: string;
  readonly strict?: string;
  readonly items: unknown;
  readonly decoded?: unknown;
  readonly decodeError?: string;
}

const go = await goJudge();

async function askGo(texts: readonly string[]): Promise<readonly Answer[]> {
  const { code, stdout, stderr } = await runProgram([go.path, "hcl"], { input: Buffer.from(JSON.stringify(texts)) });
  expect([code, stderr]).toEqual([0, ""]);
  // Of a number like -0.0 Go keeps the sign, which ours and everything behind it have no use for.
  return JSON.parse(stdout, (_key, value: unknown) => (value === 0 ? 0 : value));
}

const plainItems = (items: readonly HclItem[]): unknown =>
  items.map(({ keys, value }) => ({ keys, value: plainNode(value) }));

function plainNode(node: HclNode): unknown {
  if (node.kind === "object") return { kind: "object", items: plainItems(node.items) };
  return node.kind === "list" ? { kind: "list", items: node.items.map(plainNode) } : node;
}

function treeOf(text: string): { items: unknown; failure?: string } {
  const parsed = parseHcl(text);
  if (!parsed.ok) return { items: undefined, failure: parsed.message };
  return { items: plainItems(parseHclItems(text.replaceAll("\r\n", "\n"))) };
}

/**
 * Both sides on common ground: Go gives every block as a list, also with one in it, and has no label left; so a list of
 * objects with one key each and an object or list below becomes one object here and there.
 */
function common(value: unknown): unknown {
  if (Array.isArray(value)) return joined(value.map(common));
  if (typeof value !== "object" || value === null) return value;
  if ("<blocks>" in value && Array.isArray(value["<blocks>"])) return joined(value["<blocks>"].map(common));
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, common(field)]));
}

function joined(list: readonly unknown[]): unknown {
  const [first, ...more] = list;
  if (more.length === 0) return typeof first === "object" && first !== null && !Array.isArray(first) ? first : list;
  const entries = list.map((item) =>
    typeof item === "object" && item !== null && !Array.isArray(item) ? Object.entries(item) : [],
  );
  if (!entries.every((of) => of.length === 1 && typeof of[0]?.[1] === "object")) return list;
  const below = new Map<string, unknown[]>();
  for (const [key, field] of entries.flat()) below.set(key, [...(below.get(key) ?? []), field].flat());
  return Object.fromEntries([...below].map(([key, fields]) => [key, joined(fields)]));
}

/** Go cuts closing lines behind a lone carriage return wrongly, and cannot read the exponent of `.5e3`. */
const goMistakes = /\r(?!\n)|(?:^|\D)\.\d+[eE]/;

/** Where Go reads on although the text is a mistake, and ours says so. */
const knownStrictness = [
  /unexpected text behind the number/,
  /write it as \\u00e9/,
  /^the number is too large/,
  /^nested deeper/,
  // Go passes over a last key without a value, and over an error that a closing brace follows.
  /^expected a value, found (?:the end of the text|"}")/,
  /^expected .*, found "}"/,
  // Different kinds of values for one key are found when the tree is made into values, which Go does afterwards.
  /is written both as a single value/,
];

describe.skipIf(go.isMissing)(`hashicorp/hcl in Go${go.note}`, () => {
  test("reads the same tree and the same values from files as people write them", async () => {
    const answers = await askGo(hclFiles.map(({ text }) => text));
    for (const [i, { name, text }] of hclFiles.entries()) {
      expect([name, answers[i]?.error, answers[i]?.decodeError]).toEqual([name, undefined, undefined]);
      expect(treeOf(text)).toEqual({ items: answers[i]?.items });
      const parsed = parseHcl(text);
      expect(common(parsed.ok ? parsed.value : undefined)).toEqual(common(answers[i]?.decoded));
    }
  });

  test("refuses repeats with the same words where they are refused", async () => {
    const texts = hclFiles.map(({ text }) => text);
    const answers = await askGo(texts);
    for (const [i, text] of texts.entries()) {
      const parsed = parseHcl(text, { refusesRepeats: true });
      expect(parsed.ok ? undefined : parsed.message).toEqual(answers[i]?.strict);
    }
  });

  const seed = Number(process.env["ATOLL_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  test(`reads and refuses the same of harmed texts (seed ${seed})`, async () => {
    const random = createSeededRandom(seed);
    const texts = Array.from({ length: 4_000 }, () => harmedHcl(random.float, 4)).filter(
      (text) => text.isWellFormed() && !text.includes("\ufffd") && !goMistakes.test(text),
    );
    const answers = await askGo(texts);
    let agreed = 0;
    for (const [i, text] of texts.entries()) {
      const ours = treeOf(text);
      const theirs = answers[i];
      if (ours.failure !== undefined) {
        const isKnown = theirs?.error !== undefined || knownStrictness.some((known) => known.test(ours.failure ?? ""));
        if (!isKnown) throw new Error(`only ours refuses: ${JSON.stringify({ text, ours, theirs })}`);
        continue;
      }
      if (theirs?.error !== undefined) throw new Error(`only Go refuses: ${JSON.stringify({ text, ours, theirs })}`);
      expect({ text, items: ours.items }).toEqual({ text, items: theirs?.items });
      agreed++;
    }
    expect(agreed).toBeGreaterThan(200);
  });
});
