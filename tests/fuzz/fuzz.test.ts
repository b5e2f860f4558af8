import { expect, test } from "bun:test";
import { testSeed } from "../proxy/http2/test-seed.ts";
import { runCases } from "./fuzz-run.ts";
import { fuzzHpack } from "./hpack-case.ts";
import { corpus, fuzzHttp1, judgeCases } from "./http1-case.ts";
import { fuzzConnection } from "./http2-case.ts";

const seed = testSeed();

test("HPACK blocks of all kinds and damages are read as a naive decoder reads them", () => {
  expect(runCases(fuzzHpack, { seed, first: 0, count: 2000 })).toBeUndefined();
});

test("HTTP/2 connections neither throw nor leave their bounds, whatever comes and whatever is done", () => {
  expect(runCases(fuzzConnection, { seed, first: 0, count: 3000 })).toBeUndefined();
});

test("HTTP/1.1 is read as Node.js's llhttp reads it or refused, and the same however it is cut", () => {
  expect(fuzzHttp1({ seed, first: 0, count: 3000 })).toBeUndefined();
});

test("every HTTP/1.1 input of the corpus is read as llhttp reads it, or refused", () => {
  expect(corpus.length).toBeGreaterThan(100);
  expect(judgeCases(corpus, seed).filter((problem) => problem !== undefined)).toEqual([]);
});
