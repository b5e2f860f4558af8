import { status as grpcStatus } from "@grpc/grpc-js";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { AtollError, type ErrorCode } from "../../lib/contract/error-codes.ts";
import type { RelayedAnswer } from "../../lib/http/relay.ts";
import { tokenHeader } from "../../lib/http/request-token.ts";
import type { ForwardHandler } from "../local-link.ts";
import { Refusal } from "./refusal.ts";

export interface Login {
  readonly authMethod: string;
  readonly bearerToken: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly namespace: string;
  readonly partition: string;
  readonly datacenter: string;
}
export interface LoginToken {
  readonly accessorId: string;
  readonly secretId: string;
}

const LoggedIn = Compile(Type.Object({ AccessorID: Type.String(), SecretID: Type.String() }));

/** `POST /v1/acl/login`. Rejects with what that says. */
export async function logIn(ask: ForwardHandler, login: Login, signal: AbortSignal): Promise<LoginToken> {
  const { namespace, partition } = login;
  if (![namespace, partition].every((name) => name === "" || name === "default")) {
    throw new AtollError("INVALID_ARGUMENT", "namespaces and partitions are features of Consul Enterprise");
  }
  const body = { AuthMethod: login.authMethod, BearerToken: login.bearerToken, Meta: login.meta };
  const answer = await ask(
    {
      method: "POST",
      url: `/v1/acl/login${datacenterQuery(login.datacenter)}`,
      headers: { "content-type": "application/json" },
      body: Buffer.from(JSON.stringify(body)),
    },
    signal,
  );
  const token: unknown = JSON.parse(textOfGood(answer));
  if (!LoggedIn.Check(token)) throw new AtollError("INTERNAL", "a login was answered without a token");
  return { accessorId: token.AccessorID, secretId: token.SecretID };
}

/** `POST /v1/acl/logout`. Rejects with what that says. */
export async function logOut(
  ask: ForwardHandler,
  { token, datacenter }: { readonly token: string; readonly datacenter: string },
  signal: AbortSignal,
): Promise<void> {
  if (token === "") throw new AtollError("INVALID_ARGUMENT", "token is required");
  const url = `/v1/acl/logout${datacenterQuery(datacenter)}`;
  textOfGood(await ask({ method: "POST", url, headers: { [tokenHeader]: token }, body: Buffer.alloc(0) }, signal));
}

function datacenterQuery(datacenter: string): string {
  return datacenter === "" ? "" : `?dc=${encodeURIComponent(datacenter)}`;
}

function textOfGood({ status, body }: RelayedAnswer): string {
  const text = Buffer.from(body).toString("utf8");
  if (status < 300) return text;
  // Consul's status where there are no ACLs.
  if (status === 401) throw new Refusal(grpcStatus.FAILED_PRECONDITION, text.trim());
  throw new AtollError(errorCodes.get(status) ?? "INTERNAL", text.trim(), { status });
}

const errorCodes = new Map<number, ErrorCode>([
  [400, "INVALID_ARGUMENT"],
  [403, "PERMISSION_DENIED"],
  [404, "NOT_FOUND"],
  [405, "METHOD_NOT_ALLOWED"],
  [413, "TOO_LARGE"],
  [429, "RATE_LIMITED"],
  [503, "UNAVAILABLE"],
]);
