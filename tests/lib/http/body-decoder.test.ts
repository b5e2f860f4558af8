import { expect, test } from "bun:test";
import { readJsonBody } from "../../../lib/http/body-decoder.ts";
import { createTestApp } from "./test-app.ts";

async function put(url: string, payload: string): Promise<{ status: number; body: string }> {
  const { app } = createTestApp();
  const answer = await app.inject({ method: "PUT", url, payload, headers: { "content-type": "text/csv" } });
  return { status: answer.statusCode, body: answer.body };
}

test("keys take the schema's spelling at every level, keys of maps stay as they are", async () => {
  const body = '{"service_id":"a","PORT":1,"meta":{"some_key":"v"},"addresses":{"lan_v4":{"port":2}}}';
  expect((await put("/v1/thing/register", body)).body).toBe(
    '{"ServiceID":"a","Port":1,"Meta":{"some_key":"v"},"Addresses":{"lan_v4":{"Port":2}}}',
  );
});

test("unknown keys are dropped, and refused where the schema is strict", async () => {
  expect((await put("/v1/thing/register", '{"ServiceID":"a","Other":1}')).body).toBe('{"ServiceID":"a"}');
  expect(await put("/v1/thing/strict", '{"name":"a","nmae":"b"}')).toEqual({
    status: 400,
    body: "Request decode failed: nmae: unknown field",
  });
});

test("an error names each field, the value found and what is expected", async () => {
  expect(await put("/v1/thing/register", '{"ServiceID":5,"Port":"x"}')).toEqual({
    status: 400,
    body: 'Request decode failed: ServiceID: must be string, found 5; Port: must be integer, found "x"',
  });
  expect((await put("/v1/thing/register", "{}")).body).toBe("Request decode failed: ServiceID: is required");
  expect((await put("/v1/thing/register", "[1]")).body).toBe("Request decode failed: must be object, found [1]");
});

test("what is not JSON is refused with its place", async () => {
  expect((await put("/v1/thing/register", "Node=vm1")).body).toBe(
    'Request decode failed: line 1, column 1: expected a value, found "N"',
  );
  expect((await put("/v1/thing/register", "   ")).body).toStartWith("Request decode failed: EOF");
});

test("a prototype key is refused however it is written", async () => {
  for (const body of ['{"ServiceID":"a","__proto__":{}}', '{"ServiceID":"a","Meta":{"\\u005f_proto__":"x"}}']) {
    expect(await put("/v1/thing/register", body)).toMatchObject({ status: 400 });
  }
  expect((await put("/v1/thing/register", '{"ServiceID":"a","Meta":{"constructor":"x"}}')).status).toBe(200);
});

test("a body without a schema can be read as JSON by its route", () => {
  expect(readJsonBody(Buffer.from('{"a":[1]}'))).toEqual({ a: [1] });
  expect(() => readJsonBody(undefined)).toThrow("Request decode failed: EOF");
});
