import { readFileSync } from "node:fs";
import { METHODS } from "node:http";
import { createRng, type Rng } from "../sim/random.ts";
import type { FuzzOptions } from "./fuzz-run.ts";
import { Http1Input, mutated } from "./http1-input.ts";
import { Http1Reading, type Kind, type Message } from "./http1-reading.ts";
import { type LlhttpReading, readByLlhttp } from "./llhttp.ts";

/**
 * Differential fuzzing of the HTTP/1.1 parser against llhttp in Node.js, strict. The rule: every message that our parser
 * hands out is one that llhttp hands out, the same to the byte, and where ours goes on, so does llhttp. What ours refuses
 * may be anything. And whatever way the input is cut, ours reads the same.
 *
 * Exceptions, each as narrow as can be:
 * - methods: RFC 9110 lets anybody register one and llhttp knows a list. A method beyond it is shown to llhttp as `PATCH`.
 * - `Connection: close, keep-alive` in HTTP/1.0: ours closes, llhttp keeps the connection. Closing skips nothing.
 */
export interface Http1Case {
  readonly kind: Kind;
  readonly text: string;
}

/** Inputs that showed a difference once, and one for every way in which the two parsers can end. */
export const corpus: readonly Http1Case[] = ["found", "endings"].flatMap((name) =>
  readCorpus(new URL(`./corpus/http1-${name}.txt`, import.meta.url)),
);

/** The first case that fails, with what is needed to run it again. */
export function fuzzHttp1({ seed, first, count }: FuzzOptions): string | undefined {
  const numbers = Array.from({ length: count }, (_, i) => first + i);
  const problems = judgeCases(
    numbers.map((number) => caseOf(createRng(`${seed}/${number}`))),
    seed,
    first,
  );
  const at = problems.findIndex((problem) => problem !== undefined);
  return at < 0 ? undefined : `--seed ${seed} --first ${first + at} --cases 1: ${problems[at]}`;
}

/** A case of this random stream. */
export function caseOf(rng: Rng): Http1Case {
  const kind = rng.pick<Kind>(["request", "request", "request", "response", "response", "response to HEAD"]);
  const isFromCorpus = corpus.length > 0 && rng.chance(0.2);
  let text = isFromCorpus ? rng.pick(corpus).text : new Http1Input(rng).connection(kind);
  if (isFromCorpus || rng.chance(0.4)) {
    const other = corpus.length > 0 && rng.chance(0.5) ? rng.pick(corpus).text : new Http1Input(rng).connection(kind);
    text = mutated(rng, text, other);
  }
  return { kind, text };
}

/** What is wrong with each case, or undefined. Where a case is cut depends on the seed and its number, which begins with `first`. */
export function judgeCases(cases: readonly Http1Case[], seed: string, first = 0): (string | undefined)[] {
  const inputs = cases.map(({ text }) => Buffer.from(text, "latin1"));
  const readings = cases.map(({ kind }, i) => readWhole(kind, inputs[i] ?? none));
  const shown = cases.map(({ kind, text }, i) => ({ kind, bytes: forLlhttp(text, inputs[i] ?? none, readings[i]) }));
  const theirs = readByLlhttp(shown);
  return cases.map((item, i) => {
    const [ours, their] = [readings[i], theirs[i]];
    if (ours === undefined || their === undefined) return "it was not read";
    const problem =
      differenceOf(ours, their) ?? cutProblem(createRng(`${seed}/cuts/${first + i}`), inputs[i] ?? none, ours);
    return problem && `${item.kind} ${JSON.stringify(item.text)}: ${problem}`;
  });
}

/** What ours and llhttp's reading amount to, for telling kinds of cases apart. */
export function signatureOf({ kind, text }: Http1Case, their: LlhttpReading): string {
  const ours = readWhole(kind, Buffer.from(text, "latin1"));
  const ending = typeof ours.ending === "string" ? ours.ending : ours.ending.problem;
  return `${kind}\t${Math.min(ours.messages.length, 2)} ${ending}\t${their.error || "ok"}`;
}

const none = Buffer.alloc(0);

function readWhole(kind: Kind, bytes: Buffer): Http1Reading {
  return read(kind, bytes, [bytes.length]);
}

/** `sizes` are those of the pieces; what is left over comes at the end. */
function read(kind: Kind, bytes: Buffer, sizes: readonly number[]): Http1Reading {
  const reading = new Http1Reading(kind, bytes);
  let at = 0;
  for (const size of sizes) {
    if (at >= bytes.length) break;
    if (size > 0) reading.give(size);
    at += size;
  }
  if (at < bytes.length) reading.give(bytes.length - at);
  return reading.end();
}

/** Without QUERY, whose number some versions of Node.js do not give a name. */
const knownMethods = new Set(METHODS.filter((method) => method !== "QUERY"));
const standIn = "PATCH";

function forLlhttp(text: string, bytes: Buffer, reading: Http1Reading | undefined): Buffer {
  let result = text;
  for (const [start, end] of reading?.methods.toReversed() ?? []) {
    if (!knownMethods.has(text.slice(start, end))) result = result.slice(0, start) + standIn + result.slice(end);
  }
  return result === text ? bytes : Buffer.from(result, "latin1");
}

function differenceOf(ours: Http1Reading, theirs: LlhttpReading): string | undefined {
  for (const [i, message] of ours.messages.entries()) {
    const other = theirs.messages[i];
    if (other === undefined) return `llhttp has no message ${i}: ${theirs.error}`;
    const isCut = i === ours.messages.length - 1 && typeof ours.ending !== "string";
    const problem = messageDifference(message, other, { isCut, kind: ours.kind });
    if (problem !== undefined) return `message ${i}: ${problem}`;
  }
  // A head that is not complete, or is not read any more, was not accepted.
  if (typeof ours.ending !== "string" || ours.ending === "head" || ours.ending === "closed") return undefined;
  if (theirs.error !== "") return `llhttp refuses what ours takes: ${theirs.error}`;
  if (ours.messages.length !== theirs.messages.length) return `llhttp has ${theirs.messages.length} messages`;
  if (ours.ending !== "tunnel") return undefined;
  return ours.rest === Math.max(theirs.rest, 0) ? undefined : `the tunnel has ${ours.rest} bytes, not ${theirs.rest}`;
}

/**
 * `isCut`: ours found an error further on in this message. llhttp tells whether the connection is kept before it has heard
 * that a response is to HEAD, so there it shows only in what follows.
 */
function messageDifference(
  ours: Message,
  theirs: Message,
  { isCut, kind }: { readonly isCut: boolean; readonly kind: Kind },
): string | undefined {
  const [first, ...others] = ours.start;
  const shownFirst = kind !== "request" || knownMethods.has(first) ? first : standIn;
  const isSame =
    same([shownFirst, ...others], theirs.start) &&
    same(ours.fields, theirs.fields) &&
    (isCut ? theirs.body.startsWith(ours.body) : ours.body === theirs.body) &&
    (isCut || (ours.isComplete === theirs.isComplete && same(ours.trailers, theirs.trailers))) &&
    (kind === "response to HEAD" || !ours.keepsAlive || theirs.keepsAlive);
  return isSame ? undefined : `${JSON.stringify(ours)} is ${JSON.stringify(theirs)} for llhttp`;
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

function cutProblem(rng: Rng, bytes: Buffer, whole: Http1Reading): string | undefined {
  const largest = rng.pick([1, 10, 40, 100, 100]);
  const sizes: number[] = [];
  for (let i = bytes.length; i > 0; i--) sizes.push(rng.between(1, largest));
  const expected = outcomeOf(whole);
  for (const pieces of [sizes, [rng.below(bytes.length + 1)]]) {
    const outcome = outcomeOf(read(whole.kind, bytes, pieces));
    if (outcome !== expected) return `cut otherwise it is ${outcome}`;
  }
  return undefined;
}

function outcomeOf({ messages, ending, rest }: Http1Reading): string {
  return JSON.stringify([messages, ending, rest]);
}

/** Lines of kind, two remarks and a JSON string, between tabs; `#` begins a comment. */
function readCorpus(file: URL): Http1Case[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [kind, , , text = '""'] = line.split("\t");
      if (kind !== "request" && kind !== "response" && kind !== "response to HEAD")
        throw new Error(`bad line: ${line}`);
      const decoded: unknown = JSON.parse(text);
      if (typeof decoded !== "string") throw new Error(`bad line: ${line}`);
      return { kind, text: decoded };
    });
}
