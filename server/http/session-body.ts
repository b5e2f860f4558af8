import { Type } from "typebox";
import type { Static } from "typebox";
import { formatDurationMs, parseDurationMs } from "../../lib/base/duration.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import {
  defaultLockDelayMs,
  defaultSessionChecks,
  maxLockDelayMs,
  maxSessionTtlMs,
  sessionBehaviors,
  type SessionFields,
} from "../../lib/contract/sessions.ts";
import { createBodyDecoder, decodeFailed } from "../../lib/http/body-decoder.ts";

/** The body of `/v1/session/create`, which may be missing: everything in it has a default. */
const Ids = Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 512 }), { maxItems: 64 }));
const SessionBody = Type.Object({
  Name: Type.Optional(Type.String({ maxLength: 1_024 })),
  Node: Type.Optional(Type.String()),
  LockDelay: Type.Optional(Type.Union([Type.String(), Type.Number()])),
  Behavior: Type.Optional(Type.String()),
  TTL: Type.Optional(Type.String()),
  Checks: Ids,
  NodeChecks: Ids,
  ServiceChecks: Type.Optional(
    Type.Array(
      Type.Object({ ID: Type.String({ minLength: 1, maxLength: 512 }), Namespace: Type.Optional(Type.String()) }),
      {
        maxItems: 64,
      },
    ),
  ),
});
type SessionBody = Static<typeof SessionBody>;

const decode = createBodyDecoder(SessionBody);

/** Complete but for the ID. Throws `INVALID_ARGUMENT`. */
export function sessionFields(
  body: Uint8Array,
  { node, ttlMinMs }: { readonly node: string; readonly ttlMinMs: number },
): Omit<SessionFields, "ID"> {
  const isEmpty = body.length === 0;
  const decoded = isEmpty ? ({ ok: true, value: {} } as const) : decode(body);
  if (!decoded.ok) throw decodeFailed(decoded.message);
  const given = trusted(decoded.value);
  const ttl = ttlOf(given.TTL ?? "", ttlMinMs);
  return {
    Name: given.Name ?? "",
    Node: given.Node || node,
    lockDelayMs: lockDelayOf(given.LockDelay),
    Behavior: behaviorOf(given.Behavior || "release"),
    TTL: ttl === 0 ? "" : (given.TTL ?? ""),
    ttlMs: ttl,
    // The older name of the list wins over the default, and is added to the newer one.
    NodeChecks:
      given.Checks === undefined
        ? (given.NodeChecks ?? defaultSessionChecks)
        : [...given.Checks, ...(given.NodeChecks ?? [])],
    ServiceChecks: (given.ServiceChecks ?? []).map(({ ID }) => ID),
  };
}

/** The decoder has just held it against the schema. */
function trusted(value: unknown): SessionBody {
  return value as SessionBody;
}

function behaviorOf(text: string): SessionFields["Behavior"] {
  const behavior = sessionBehaviors.find((known) => known === text);
  if (behavior !== undefined) return behavior;
  throw new AtollError("INVALID_ARGUMENT", `Invalid Behavior setting '${text}'`);
}

function ttlOf(text: string, minMs: number): number {
  if (text === "") return 0;
  const ttlMs = parseDurationMs(text);
  if (ttlMs === undefined) {
    throw new AtollError("INVALID_ARGUMENT", `Session TTL '${text}' invalid: it is no duration such as 30s`);
  }
  if (ttlMs === 0 || (ttlMs >= minMs && ttlMs <= maxSessionTtlMs)) return ttlMs;
  const range = `[${formatDurationMs(minMs)}=${formatDurationMs(maxSessionTtlMs)}]`;
  throw new AtollError(
    "INVALID_ARGUMENT",
    `Invalid Session TTL '${Math.round(ttlMs * 1e6)}', must be between ${range}`,
  );
}

/** Numbers are nanoseconds; ones below 1,000 can only have been meant as seconds. */
function lockDelayOf(given: string | number | undefined): number {
  if (given === undefined) return defaultLockDelayMs;
  const delayMs = typeof given === "number" ? (given < 1_000 ? given * 1_000 : given / 1e6) : parseDurationMs(given);
  if (delayMs === undefined || delayMs < 0) throw decodeFailed(`LockDelay: ${JSON.stringify(given)} is no duration`);
  return Math.min(delayMs, maxLockDelayMs);
}
