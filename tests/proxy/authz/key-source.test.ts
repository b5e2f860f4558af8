import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cooldownMs, KeySource } from "../../../proxy/authz/jwt/key-source.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";

/** Where the keys of an issuer come from, and how often anybody is asked for them. */
const directory = mkdtempSync(join(tmpdir(), "atoll-keys-"));
afterAll(() => rmSync(directory, { recursive: true }));

const setOf = (kid: string): string => JSON.stringify({ keys: [{ kty: "EC", kid }] });
const cacheMs = 60_000;

function remote(answers: readonly (string | Error)[], retries: number) {
  const clock = createVirtualClock(0);
  const askedAtMs: number[] = [];
  const timeouts: number[] = [];
  const fetchText = async (uri: string, timeoutMs: number): Promise<string> => {
    expect(uri).toBe("https://keys/");
    const answer = answers[askedAtMs.length] ?? new Error("down");
    askedAtMs.push(clock.monotonicMs());
    timeouts.push(timeoutMs);
    if (typeof answer !== "string") throw answer;
    return answer;
  };
  const jwks = { remote: { uri: "https://keys/", cacheMs, timeoutMs: 700, retries } };
  return { clock, askedAtMs, timeouts, source: new KeySource({ jwks, clock, fetchText }) };
}

describe("keys at another place", () => {
  test("are asked for again after growing pauses, and what is no key set is as good as no answer", async () => {
    const { clock, askedAtMs, timeouts, source } = remote([new Error("down"), "nonsense", '{"keys":1}', setOf("a")], 3);
    const keys = source.keys();
    await clock.advance(1_000);
    expect((await keys)?.text).toBe(setOf("a"));
    expect([askedAtMs, timeouts]).toEqual([
      [0, 100, 300, 700],
      [700, 700, 700, 700],
    ]);
  });

  test("are given up after as many attempts as are allowed, and asked for again when that has cooled down", async () => {
    const { clock, askedAtMs, source } = remote([new Error("down"), new Error("down"), setOf("a")], 1);
    const [first, second] = [source.keys(), source.keys()];
    await clock.advance(100);
    expect([await first, await second, await source.keys()]).toEqual([undefined, undefined, undefined]);
    expect(askedAtMs).toEqual([0, 100]);
    await clock.advance(cooldownMs);
    expect((await source.keys())?.text).toBe(setOf("a"));
    expect(askedAtMs.length).toBe(3);
  });

  test("are kept for their time, and not used a moment longer when there are no new ones", async () => {
    const { clock, askedAtMs, source } = remote([setOf("a")], 0);
    expect((await source.keys())?.text).toBe(setOf("a"));
    await clock.advance(cacheMs - 1);
    expect((await source.keys())?.text).toBe(setOf("a"));
    expect(askedAtMs.length).toBe(1);
    await clock.advance(1);
    expect(await source.keys()).toBeUndefined();
    expect(askedAtMs.length).toBe(2);
  });

  test("stay in use when somebody looks for newer ones in vain", async () => {
    const { clock, source } = remote([setOf("a")], 0);
    await source.keys();
    await clock.advance(cooldownMs);
    expect(await source.newerKeys()).toBeUndefined();
    expect((await source.keys())?.text).toBe(setOf("a"));
  });
});

describe("keys in a file", () => {
  const sourceOf = (file: string) => {
    const clock = createVirtualClock(0);
    const fetchText = (): Promise<string> => Promise.reject(new Error("nobody is to be asked"));
    return { clock, source: new KeySource({ jwks: { file }, clock, fetchText }) };
  };

  test("are read once, and nobody looks for newer ones", async () => {
    const file = join(directory, "keys.json");
    writeFileSync(file, setOf("a"));
    const { clock, source } = sourceOf(file);
    expect((await source.keys())?.text).toBe(setOf("a"));
    writeFileSync(file, setOf("b"));
    await clock.advance(86_400_000);
    expect((await source.keys())?.text).toBe(setOf("a"));
    expect(await source.newerKeys()).toBeUndefined();
  });

  test.each([
    ["is not there", undefined],
    ["is no key set", "nonsense"],
    ["holds a private key", '{"keys":[{"kty":"EC","d":"secret"}]}'],
    ["holds a symmetric key", '{"keys":[{"kty":"oct","k":"secret"}]}'],
  ])("that %s are none, until it is mended", async (name, text) => {
    const file = join(directory, `${name}.json`);
    if (text !== undefined) writeFileSync(file, text);
    const { clock, source } = sourceOf(file);
    expect(await source.keys()).toBeUndefined();
    writeFileSync(file, setOf("a"));
    // Not at once: every request would read the file.
    expect(await source.keys()).toBeUndefined();
    await clock.advance(cooldownMs);
    await eventually("the keys to be read", async () => (await source.keys())?.text === setOf("a"));
  });
});
