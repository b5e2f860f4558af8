import { expect, test } from "bun:test";
import { sealJson, unseal } from "../../../server/log/sealed-value.ts";

test("a sealed value opens under its own key and no other", () => {
  const { bytes, checksum } = sealJson("row/nodes/n1", '{"Node":"ü"}');
  expect(unseal("row/nodes/n1", bytes)).toEqual({ ok: true, value: { Node: "ü" }, checksum });
  expect(unseal("row/nodes/n2", bytes)).toEqual({ ok: false });
});

test("any change of any byte keeps a value shut", () => {
  const { bytes } = sealJson("k", '{"a":[1,2,3]}');
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Uint8Array.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    expect(unseal("k", damaged)).toEqual({ ok: false });
  }
  for (let length = 0; length < bytes.length; length++) {
    expect(unseal("k", bytes.subarray(0, length))).toEqual({ ok: false });
  }
});

test("a value that is a part of a larger buffer is read from its own place", () => {
  const { bytes } = sealJson("k", "[7]");
  const larger = Buffer.concat([Buffer.from("before"), bytes, Buffer.from("after")]);
  expect(unseal("k", larger.subarray(6, 6 + bytes.length))).toMatchObject({ ok: true, value: [7] });
});
