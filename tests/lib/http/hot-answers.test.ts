import { expect, test } from "bun:test";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { createHotAnswers, type HotAnswer } from "../../../lib/http/hot-answers.ts";
import { createSharedBody } from "../../../lib/http/shared-body.ts";

function ask(url: string, headers: Record<string, string> = {}, method = "GET"): [IncomingMessage, ServerResponse] {
  const request = new IncomingMessage(new Socket());
  Object.assign(request, { url, method, headers });
  return [request, new ServerResponse(request)];
}

function answer(
  of: { token?: string; holds?: () => boolean; size?: number } = {},
): HotAnswer & { readonly given: () => number } {
  let given = 0;
  return {
    key: of.token ?? "",
    body: createSharedBody(Buffer.alloc(of.size ?? 10)),
    isFor: (request) => (request.headers["x-consul-token"] ?? "") === (of.token ?? ""),
    head: () => ((of.holds?.() ?? true) ? ["X-Consul-Index", "1"] : undefined),
    count: () => given++,
    given: () => given,
  };
}

test("a URL is answered from its second answer on, and no other is", () => {
  const hot = createHotAnswers();
  const one = answer();
  expect(hot.take(...ask("/a"))).toBe(false);
  hot.keep("/a", () => one);
  expect(hot.take(...ask("/a"))).toBe(false);
  hot.keep("/a", () => one);
  expect(hot.take(...ask("/a"))).toBe(true);
  expect(hot.take(...ask("/a?x"))).toBe(false);
  expect(hot.take(...ask("/a", {}, "PUT"))).toBe(false);
  expect(one.given()).toBe(1);
});

test("one that does not hold any more is given up and may be replaced at once", () => {
  const hot = createHotAnswers();
  let holds = true;
  for (let n = 0; n < 2; n++) hot.keep("/a", () => answer({ holds: () => holds }));
  expect(hot.take(...ask("/a"))).toBe(true);
  holds = false;
  expect(hot.take(...ask("/a"))).toBe(false);
  holds = true;
  expect(hot.take(...ask("/a"))).toBe(false);
  hot.keep("/a", () => answer());
  expect(hot.take(...ask("/a"))).toBe(true);
});

test("each token is given its own answer, and one without an answer is left to the router", () => {
  const hot = createHotAnswers();
  const [none, one] = [answer(), answer({ token: "t1" })];
  for (const each of [none, none, one]) hot.keep("/a", () => each);
  expect(hot.take(...ask("/a", { "x-consul-token": "t1" }))).toBe(true);
  expect(hot.take(...ask("/a", { "x-consul-token": "t2" }))).toBe(false);
  expect(hot.take(...ask("/a"))).toBe(true);
  expect([none.given(), one.given()]).toEqual([1, 1]);
});

test("a request with a body or a scope is the router's", () => {
  const hot = createHotAnswers();
  for (let n = 0; n < 2; n++) hot.keep("/a", () => answer());
  for (const name of ["content-length", "transfer-encoding", "expect", "x-consul-namespace", "x-consul-partition"]) {
    expect(hot.take(...ask("/a", { [name]: "1" }))).toBe(false);
  }
});

test("URLs and bytes are bounded, and large bodies are not kept", () => {
  const hot = createHotAnswers();
  const keep = (url: string, size: number): void => {
    for (let n = 0; n < 2; n++) hot.keep(url, () => answer({ size }));
  };
  keep("/large", 300 * 1024);
  expect(hot.take(...ask("/large"))).toBe(false);
  keep("/first", 10);
  for (let n = 0; n < 160; n++) keep(`/${n}`, 250 * 1024);
  expect(hot.take(...ask("/first"))).toBe(false);
  expect(hot.take(...ask("/159"))).toBe(true);
  for (let n = 0; n < 5_000; n++) hot.keep(`/once/${n}`, () => answer());
  expect(hot.take(...ask("/159"))).toBe(false);
});
