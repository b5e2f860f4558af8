import { Metadata } from "@grpc/grpc-js";
import { expect, test } from "bun:test";
import {
  agreeOnProtocol,
  ownProtocols,
  type ProtocolRange,
  protocolHeaders,
  protocolsIn,
  protocolsOf,
} from "../../../server/rpc/protocol-range.ts";

const range = (oldest: number, newest: number): ProtocolRange => ({ oldest, newest });

function agree(a: ProtocolRange, b: ProtocolRange): number {
  return agreeOnProtocol({ name: "a", protocols: a }, { name: "b", protocols: b });
}

test.each([
  [range(1, 1), range(1, 1), 1],
  [range(1, 3), range(2, 5), 3],
  [range(1, 9), range(4, 4), 4],
  [range(1, 2), range(2, 3), 2],
])("%p and %p speak %p", (a, b, agreed) => {
  expect(agree(a, b)).toBe(agreed);
  expect(agree(b, a)).toBe(agreed);
});

test("without a common version the older one is to be upgraded, whoever asks", () => {
  const refusal = { code: "PROTOCOL_MISMATCH", retryable: "no" };
  expect(() => agree(range(1, 1), range(2, 3))).toThrow(expect.objectContaining(refusal));
  expect(() => agree(range(1, 1), range(2, 3))).toThrow("a speaks protocol 1, b 2 to 3: upgrade a,");
  expect(() => agree(range(4, 5), range(2, 3))).toThrow("a speaks protocol 4 to 5, b 2 to 3: upgrade b,");
});

test("a range comes through headers as it was said; nothing, or nonsense, is the first version alone", () => {
  expect(protocolsIn(protocolHeaders(range(2, 14)))).toEqual(range(2, 14));
  expect(protocolsIn(new Metadata())).toEqual(range(1, 1));
  for (const text of ["", "2", "1-", "-3", "1-2-3", "1 - 2", "x-y"]) {
    const headers = new Metadata();
    headers.set("atoll-protocol", text);
    expect(protocolsIn(headers)).toEqual(range(1, 1));
  }
});

test("a message without a range, as of a server of the first version, counts as that one alone", () => {
  for (const said of [undefined, null, range(0, 0)]) expect(protocolsOf(said)).toEqual(range(1, 1));
  expect(protocolsOf(range(2, 3))).toEqual(range(2, 3));
});

test("this release works together with the one before it", () => {
  expect(ownProtocols.newest).toBeGreaterThanOrEqual(ownProtocols.oldest);
  expect(agree(ownProtocols, range(1, 1))).toBe(1);
});
