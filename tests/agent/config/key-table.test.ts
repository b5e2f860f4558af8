import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AgentFileSchema } from "../../../agent/config/file-schema.ts";
import { canonicalPath, keyTable, noteOf } from "../../../agent/config/keys/key-table.ts";
import { configReference } from "../../../tools/config-reference.ts";

function leaves(properties: object, prefix: string): string[] {
  return Object.entries(properties).flatMap(([name, schema]) =>
    typeof schema === "object" && schema !== null && "properties" in schema && typeof schema.properties === "object"
      ? leaves(schema.properties ?? {}, `${prefix}${name}.`)
      : [`${prefix}${name}`],
  );
}

test("the table calls exactly those keys honoured that the schema reads", () => {
  const honoured = Object.entries(keyTable).filter(([, note]) => note.use === "honoured");
  expect(honoured.map(([path]) => path).toSorted()).toEqual(leaves(AgentFileSchema.properties, "").toSorted());
});

test("a key is found in any spelling, and below a group that is told of as a whole", () => {
  expect(canonicalPath("Ports.GRPCTLS")).toBe("ports.grpc_tls");
  expect(canonicalPath("nonsense.key")).toBe("nonsense.key");
  expect(noteOf("tls.internal_rpc.cert_file")?.use).toBe("none");
  expect(noteOf("ports.nonsense")).toBeUndefined();
});

test("docs/agent-config.md says what the table says", () => {
  const path = join(import.meta.dirname, "..", "..", "..", "docs", "agent-config.md");
  expect(readFileSync(path, "utf8")).toBe(configReference());
});
