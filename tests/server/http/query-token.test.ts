import { expect, test } from "bun:test";
import { bootstrapped, fields } from "./managed-catalog.ts";
import { instanceBody } from "./test-catalog.ts";

test("a query with a token is executed with what that token may see, and tells nobody the token", async () => {
  const managed = await bootstrapped();
  await managed.send("PUT", "/v1/catalog/register", instanceBody({ node: "n1", service: "web" }));
  const seer = await managed.tokenFor('service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }');
  const nobody = await managed.tokenFor('query "q" { policy = "read" }');
  const nodesFor = async (token: string) => {
    const answer = await managed.get("/v1/query/q/execute", token);
    return { status: answer.status, nodes: Object(answer.json)["Nodes"]?.length };
  };
  const body = { Name: "q", Service: { Service: "web" } };
  const { ID: id } = fields((await managed.send("POST", "/v1/query", body)).json);
  expect(await nodesFor(nobody)).toEqual({ status: 200, nodes: 0 });

  expect((await managed.send("PUT", `/v1/query/${id}`, { ...body, Token: seer })).status).toBe(200);
  expect(await nodesFor(nobody)).toEqual({ status: 200, nodes: 1 });
  const shown = await managed.get(`/v1/query/${id}`);
  expect(shown.json).toMatchObject([{ Token: "<hidden>" }]);
  expect(shown.body).not.toContain(seer);

  // Whoever changes the question needs the secret again.
  expect((await managed.send("PUT", `/v1/query/${id}`, { ...body, Token: "<hidden>" })).status).toBe(400);
  expect((await managed.send("PUT", `/v1/query/${id}`, { ...body, Token: "of-nobody" })).status).toBe(403);
  const self = await managed.get("/v1/acl/token/self", seer);
  await managed.send("DELETE", `/v1/acl/token/${fields(self.json)["AccessorID"]}`);
  expect((await nodesFor(nobody)).status).toBe(403);
});
