import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Type } from "typebox";
import { replaceFile } from "../../../lib/base/durable-file.ts";
import { errorMessage } from "../../../lib/base/errors.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { clientCommand, mustBe, pairs } from "../client-command.ts";
import { awsFlags, maybeAwsBearerToken } from "./aws-bearer-token.ts";
import { required } from "./shown.ts";

const Token = Type.Object({ SecretID: Type.String() });

/** `atoll login`: a token for somebody else's, into a file that only its owner reads. */
export const loginCommand = clientCommand({
  synopsis:
    "login -method=<name> -token-sink-file=<path> {-bearer-token-file=<path> | -aws-auto-bearer-token} [options]",
  summary: "Log in by an auth method.",
  flags: {
    method: { type: "string", placeholder: "name", summary: "Name of the auth method." },
    "bearer-token-file": { type: "string", placeholder: "path", summary: "The file with the token that it verifies." },
    "token-sink-file": {
      type: "string",
      placeholder: "path",
      summary: "The file that gets the secret of the new token.",
    },
    meta: {
      type: "string",
      multiple: true,
      placeholder: "key=value",
      summary: "Becomes part of the description of the token.",
    },
    type: { type: "string", placeholder: "type", summary: "Type of the auth method; the server knows it." },
    ...awsFlags,
  },
  examples: [
    "login -method k8s -bearer-token-file /var/run/secrets/token -token-sink-file acl.token",
    "login -method ecs -aws-auto-bearer-token -aws-include-entity -token-sink-file acl.token",
  ],
  async run({ api, flags, io }) {
    const method = required("method", flags.method);
    const sink = required("token-sink-file", flags["token-sink-file"]);
    if (flags["aws-auto-bearer-token"] === true && flags["bearer-token-file"] !== undefined) {
      const message = "Cannot use '-bearer-token-file' flag with '-aws-auto-bearer-token'";
      throw new AtollError("INVALID_ARGUMENT", message);
    }
    const bearer =
      (await maybeAwsBearerToken(flags, io.env)) ??
      (await readToken(required("bearer-token-file", flags["bearer-token-file"])));
    const meta = pairs("meta", flags.meta);
    const body = { AuthMethod: method, BearerToken: bearer, ...(Object.keys(meta).length > 0 && { Meta: meta }) };
    const answer = await api.json({ method: "POST", path: "/v1/acl/login", body: JSON.stringify(body) });
    const { SecretID } = mustBe(Token, answer, "a token");
    await replaceFile({ path: resolve(sink), content: SecretID, mode: 0o600, isDurable: false });
    return 0;
  },
});

/** `atoll logout`: the end of the token that is given with `-token` or `-token-file`. */
export const logoutCommand = clientCommand({
  synopsis: "logout [-token-file=<path>]",
  summary: "Delete a token that a login made.",
  flags: {},
  examples: ["logout -token-file acl.token"],
  async run({ api }) {
    await api.call({ method: "POST", path: "/v1/acl/logout" });
    return 0;
  },
});

async function readToken(path: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(path, "utf8")).trim();
  } catch (cause) {
    throw new AtollError("INVALID_ARGUMENT", `cannot read ${path}: ${errorMessage(cause)}`, { cause });
  }
  if (text === "") throw new AtollError("INVALID_ARGUMENT", `No bearer token found in ${path}`);
  return text;
}
