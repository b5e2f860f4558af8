import { afterAll, beforeAll, expect, test } from "bun:test";
import { apiReference } from "../../lib/api/api-reference.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";
import { findProgram, runProgram } from "./programs.ts";

/** The OpenAPI document of a real agent that is a server too, and so has every route there is. */
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly summary?: string; readonly operationId: string }>>>
  >;
}

let agent: AgentProcess;
let text: string;
let document: Document;

beforeAll(async () => {
  const [http = 0, rpc = 0] = await findFreePorts("127.0.0.1", 2);
  agent = await startAgentProcess({ args: ["-dev", `-server-port=${rpc}`, "-dns-port=-1"], httpPort: http });
  text = await (await fetch(`http://127.0.0.1:${http}/v1/openapi.json`)).text();
  document = JSON.parse(text);
}, 60_000);

afterAll(async () => {
  await agent.end("SIGKILL");
});

function operations(): { readonly key: string; readonly summary?: string; readonly operationId: string }[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ key: `${method.toUpperCase()} ${path}`, ...operation })),
  );
}

test("says of every route what it is for, and of no route that there is not", () => {
  expect(operations().flatMap(({ key, summary }) => (summary === undefined ? [key] : []))).toEqual([]);
  const told = new Set(operations().map(({ key }) => key));
  const expected = Object.entries(apiReference).map(([key, { path }]) => {
    const [method = "", url = ""] = key.split(" ");
    return `${method} ${path ?? url.replace(/:([A-Za-z]+)/g, "{$1}")}`;
  });
  expect(expected.filter((key) => !told.has(key))).toEqual([]);
});

test("gives every operation an ID of its own", () => {
  const ids = operations().map(({ operationId }) => operationId);
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
});

const python = findProgram("python3");
const validates = "import json, sys\nfrom openapi_spec_validator import validate\nvalidate(json.load(sys.stdin))";
const hasValidator =
  !python.isMissing && (await runProgram([python.path, "-c", "import openapi_spec_validator"])).code === 0;
const note = hasValidator ? "" : " (skipped: no openapi-spec-validator; pip install openapi-spec-validator)";

test.skipIf(!hasValidator)(
  `is a document of OpenAPI 3.1 to a validator that is not ours${note}`,
  async () => {
    const { code, stderr } = await runProgram([python.path, "-c", validates], { input: Buffer.from(text) });
    expect(stderr).toBe("");
    expect(code).toBe(0);
  },
  60_000,
);
