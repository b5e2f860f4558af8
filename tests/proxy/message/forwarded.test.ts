import { expect, test } from "bun:test";
import { clientCertElement, forwardedRule } from "../../../proxy/message/forwarded.ts";

const caller = { ownUri: "spiffe://t/api", callerUri: "spiffe://t/web" };

test("an element about a caller has Envoy's keys, quoted where others could end them", () => {
  const certificate = { hash: "00ff", subject: 'CN=a"b\\c\n;By=x' };
  expect(clientCertElement({ ...caller, certificate })).toBe(
    'By=spiffe://t/api;Hash=00ff;Subject="CN=a\\"b\\\\c?;By=x";URI=spiffe://t/web',
  );
  expect(clientCertElement({ ...caller, certificate: undefined })).toBe("By=spiffe://t/api;URI=spiffe://t/web");
});

test("other fields have no rule, whatever they begin with", () => {
  for (const name of ["x-user", "x_user", "from", "vary", "x-forwarded", "x-forwarded-fork", ":path", ""]) {
    expect(forwardedRule(name)).toBeUndefined();
  }
});
