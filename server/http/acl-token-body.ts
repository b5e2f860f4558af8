import { type Static, Type } from "typebox";
import { formatDurationMs, parseDurationMs } from "../../lib/base/duration.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { AclTokenFields, AclTokenRecord } from "../../lib/contract/acl.ts";
import { readJsonBody } from "../../lib/http/body-decoder.ts";
import { secretHash } from "../acl/resolver.ts";
import type { AclRecords } from "../state/acl-reads.ts";
import { hiddenSecret } from "./acl-answers.ts";
import { grantFields, invalid, isUuid, Links, readGrants, readLinks } from "./acl-bodies.ts";

/** A token as a client writes it. */
export const TokenBody = Type.Object({
  AccessorID: Type.Optional(Type.String()),
  SecretID: Type.Optional(Type.String()),
  Description: Type.Optional(Type.String()),
  ...grantFields,
  Roles: Links,
  Local: Type.Optional(Type.Boolean()),
  AuthMethod: Type.Optional(Type.String()),
  ExpirationTime: Type.Optional(Type.String()),
  ExpirationTTL: Type.Optional(Type.Unknown()),
});
type Body = Static<typeof TokenBody>;

/** Consul's defaults of `token_min_expiration_ttl` and `token_max_expiration_ttl`. */
const minTtlMs = 60_000;
const maxTtlMs = 24 * 3_600_000;
const maxDescription = 4_096;
/** Of the time that Go has for "not given". */
const zeroTime = "0001-01-01T00:00:00Z";

/** The token that a body asks for, with its secret, which is said to nobody but the asker. */
export function newToken(
  body: Body,
  { records, runtime }: { readonly records: AclRecords; readonly runtime: Pick<Runtime, "clock" | "random"> },
): { readonly token: AclTokenFields; readonly secret: string } {
  const accessorId = chosenId(body.AccessorID, "AccessorID", runtime);
  const secret = chosenId(body.SecretID, "SecretID", runtime);
  if ((body.AuthMethod ?? "") !== "") throw invalid("AuthMethod field is disallowed outside of Login");
  const nowMs = runtime.clock.nowMs();
  const expiresAtMs = expiration(body, nowMs);
  const token: AclTokenFields = {
    AccessorID: accessorId,
    SecretHash: secretHash(secret),
    Description: description(body.Description),
    ...readGrants(body, records),
    Roles: readLinks(body.Roles, records.roles, "role"),
    Local: body.Local ?? false,
    AuthMethod: "",
    CreateTime: new Date(nowMs).toISOString(),
    ...(expiresAtMs !== undefined && { ExpirationTime: new Date(expiresAtMs).toISOString() }),
  };
  return { token, secret };
}

/** What becomes of a token by a body that replaces it. What cannot change may be repeated, not altered. */
export function changedToken(body: Body, existing: AclTokenRecord, records: AclRecords): AclTokenFields {
  const { AccessorID = "", SecretID = "", AuthMethod = "", Local, ExpirationTime = "" } = body;
  if (AccessorID !== "" && AccessorID !== existing.AccessorID) {
    throw invalid("Token Accessor ID in URL and payload do not match");
  }
  if (SecretID !== "" && SecretID !== hiddenSecret && secretHash(SecretID) !== existing.SecretHash) {
    throw invalid("Changing a token's SecretID is not permitted");
  }
  if (AuthMethod !== "" && AuthMethod !== existing.AuthMethod) {
    throw invalid(`Cannot change AuthMethod of ${existing.AccessorID}`);
  }
  if (Local !== undefined && Local !== existing.Local) {
    throw invalid(`cannot toggle local mode of ${existing.AccessorID}`);
  }
  const isSameTime =
    ExpirationTime === "" ||
    ExpirationTime === zeroTime ||
    Date.parse(ExpirationTime) === Date.parse(existing.ExpirationTime ?? "");
  if (!isSameTime) throw invalid(`Cannot change expiration time of ${existing.AccessorID}`);
  const { CreateIndex: _created, ModifyIndex: _modified, ...fields } = existing;
  return {
    ...fields,
    Description: description(body.Description),
    ...readGrants(body, records),
    Roles: readLinks(body.Roles, records.roles, "role"),
  };
}

/** The optional body of a clone: a description instead of the original's. */
export function clonedDescription(body: unknown): string | undefined {
  if (!Buffer.isBuffer(body) || body.length === 0) return undefined;
  const value = readJsonBody(body);
  const fields: Record<string, unknown> = typeof value === "object" && value !== null ? { ...value } : {};
  const text = fields["Description"] ?? fields["description"];
  return typeof text === "string" && text !== "" ? description(text) : undefined;
}

function description(text = ""): string {
  if (text.length <= maxDescription) return text;
  throw invalid(`Description is ${text.length} characters long; at most ${maxDescription} are allowed`);
}

function chosenId(given: string | undefined, field: string, { random }: Pick<Runtime, "random">): string {
  const id = given ?? "";
  if (id === "") return random.uuid();
  if (!isUuid(id)) throw invalid(`Invalid Token: ${field} is not a valid UUID`);
  // Ids of the program's own records.
  if (id.startsWith("00000000-0000-0000-0000-0000000000")) {
    throw invalid(`Invalid Token: UUIDs with the prefix "00000000-0000-0000-0000-0000000000" are reserved (${field})`);
  }
  return id;
}

function expiration(body: Body, nowMs: number): number | undefined {
  const time = body.ExpirationTime === zeroTime ? "" : (body.ExpirationTime ?? "");
  const ttlMs = readTtl(body.ExpirationTTL);
  if (time !== "" && ttlMs !== 0) throw invalid("Token Expiration TTL and Expiration Time cannot both be set");
  if (time === "" && ttlMs === 0) return undefined;
  if (ttlMs < 0) throw invalid("Token Expiration TTL should be > 0");
  const atMs = time === "" ? nowMs + ttlMs : Date.parse(time);
  if (Number.isNaN(atMs)) throw invalid(`ExpirationTime "${time.slice(0, 60)}" is no time: write it as ${zeroTime}`);
  const leftMs = atMs - nowMs;
  if (leftMs < 0) throw invalid("ExpirationTime cannot be before CreateTime");
  if (leftMs < minTtlMs)
    throw invalid(`ExpirationTime cannot be less than 1m0s in the future (was ${formatDurationMs(leftMs)})`);
  if (leftMs > maxTtlMs)
    throw invalid(`ExpirationTime cannot be more than 24h0m0s in the future (was ${formatDurationMs(leftMs)})`);
  return atMs;
}

/** Go's durations: text, or nanoseconds. */
function readTtl(given: unknown): number {
  if (given === undefined || given === null || given === "") return 0;
  const ttlMs =
    typeof given === "number" ? given / 1e6 : typeof given === "string" ? parseDurationMs(given) : undefined;
  if (ttlMs !== undefined) return ttlMs;
  throw invalid(`ExpirationTTL ${JSON.stringify(given).slice(0, 60)} is no duration: write it as "24h"`);
}
