import { expect, test } from "bun:test";
import { decodeEnvelope, encodeCommand, encodeStateHash } from "../../../../server/raft/replica/envelope.ts";

test.each(["", "deploy-17", "0190-ab", 'with "quotes"', "back\\slash", "line\u2028é", "\u0001"])(
  "a command comes back as it went in, under the request id %j",
  (requestId) => {
    for (const command of ["", '{"type":"x"}', 'two\nlines"}\n']) {
      expect(decodeEnvelope(encodeCommand({ requestId, command }))).toEqual({ type: "command", requestId, command });
    }
  },
);

test("a header that another writer has spelled in another way means the same", () => {
  for (const header of ['{"version":1,"requestId":"\\u0061b"}', '{ "version": 1, "requestId": "ab" }']) {
    expect(decodeEnvelope(`${header}\nx`)).toEqual({ type: "command", requestId: "ab", command: "x" });
  }
});

test("a hash of the state comes back", () => {
  const stateHash = { index: 7, hash: "rows2:1-ab" };
  expect(decodeEnvelope(encodeStateHash(stateHash))).toEqual({ type: "state-hash", ...stateHash });
});

test.each([
  ["{}", "no header"],
  ['{"version":1,"requestId":"ab"', "no header"],
  ['{"version":1,"requestId":"ab\n', "not JSON"],
  ['{"version":1,"requestId":"ab","more":1}\nx', "fields this server does not know: requestId, more"],
  ['{"version":2,"requestId":"ab"}\nx', "its version is 2"],
])("%j is not understood, and so nothing is skipped", (data, reason) => {
  expect(decodeEnvelope(data)).toMatchObject({ type: "unknown", reason: expect.stringContaining(reason) });
});
