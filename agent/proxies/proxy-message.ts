import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { parseJsonText } from "../../lib/base/json-file.ts";
import type { ProxyToAgent } from "../../lib/contract/agent-socket.ts";

const Version = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const validator = Compile(
  Type.Union([
    Type.Object({
      type: Type.Literal("hello"),
      proxyId: Type.String({ minLength: 1, maxLength: 1_024 }),
      pid: Type.Integer({ minimum: 1, maximum: 2 ** 31 }),
      version: Version,
      revision: Type.Optional(Type.String({ maxLength: 1_024 })),
      takesChanges: Type.Optional(Type.Boolean()),
    }),
    Type.Object({ type: Type.Literal("replace") }),
    Type.Object({ type: Type.Literal("applied"), version: Version }),
    Type.Object({ type: Type.Literal("rejected"), version: Version, message: Type.String() }),
  ]),
);

/** One line from a proxy; undefined when it is not a message of lib/contract/agent-socket.ts. Unknown fields are ignored. */
export function decodeProxyMessage(line: string): ProxyToAgent | undefined {
  const parsed = parseJsonText(line);
  return parsed.ok && validator.Check(parsed.value) ? parsed.value : undefined;
}
