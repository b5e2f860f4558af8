/**
 * What tokens may do, on an agent without a server of its own: a server says the policies of a token once, the agent judges
 * by them for a while. When no server can be reached, `down_policy` says what becomes of a token.
 */
import { createHash } from "node:crypto";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import type { Authorizer } from "../../lib/acl/authorizer.ts";
import { authorizerOf, compileRules } from "../../lib/acl/compile.ts";
import { parseRules } from "../../lib/acl/parse-rules.ts";
import { noRules } from "../../lib/acl/policy-rules.ts";
import { withDeadline } from "../../lib/base/deadline.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ServerLink } from "../../lib/client/server-link.ts";
import { AtollError, isErrorCode } from "../../lib/contract/error-codes.ts";
import type { AgentAclOptions } from "../config/acl-options.ts";

export interface RemoteResolverOptions {
  readonly link: Pick<ServerLink, "forward">;
  readonly acl: Pick<AgentAclOptions, "defaultPolicy" | "downPolicy" | "tokenTtlMs">;
  readonly runtime: Runtime;
}

/** Tokens that are remembered; the one that was resolved longest ago goes first. */
const maxTokens = 4_096;
/** A token that nobody has may be made at any moment. */
const unknownTtlMs = 1_000;
/** After a question in vain the next one waits this long, so that requests do not all hang on servers that are away. */
const pauseMs = 1_000;
const callTimeoutMs = 10_000;

const Answer = Compile(
  Type.Object({
    AccessorID: Type.String(),
    ExpirationTime: Type.Optional(Type.String()),
    DefaultPolicy: Type.Enum(["allow", "deny"]),
    Policies: Type.Array(Type.Object({ Key: Type.String(), Rules: Type.String() })),
  }),
);

interface Known {
  /** Absent: nobody has this token. */
  readonly authorizer: Authorizer | undefined;
  readonly freshUntilMs: number;
  readonly expiresAtMs: number;
}

/** Rejects with `PERMISSION_DENIED` "ACL not found" for a token that is none. An empty secret is the anonymous token. */
export type ResolveToken = (secret: string) => Promise<Authorizer>;

export function createRemoteResolver(options: RemoteResolverOptions): ResolveToken {
  const { link, acl, runtime } = options;
  const { clock } = runtime;
  const known = new Map<string, Known>();
  const asking = new Map<string, Promise<Known>>();
  let pausedUntilMs = Number.NEGATIVE_INFINITY;

  const ask = (key: string, secret: string): Promise<Known> => {
    const before = asking.get(key);
    if (before !== undefined) return before;
    const asked = askServer(secret)
      .then((answer) => {
        known.delete(key);
        known.set(key, answer);
        for (const oldest of known.keys()) {
          if (known.size <= maxTokens) break;
          known.delete(oldest);
        }
        return answer;
      })
      .finally(() => asking.delete(key));
    asking.set(key, asked);
    return asked;
  };

  const askServer = async (secret: string): Promise<Known> => {
    const limits = { clock, timeoutMs: callTimeoutMs, signal: new AbortController().signal };
    const answer = await withDeadline(limits, (signal) =>
      link.forward(
        {
          method: "GET",
          url: "/v1/internal/acl/resolve",
          headers: secret === "" ? {} : { "x-consul-token": secret },
          body: new Uint8Array(),
        },
        signal,
      ),
    );
    const text = Buffer.from(answer.body).toString("utf8");
    const nowMs = clock.monotonicMs();
    if (answer.status === 403)
      return { authorizer: undefined, freshUntilMs: nowMs + unknownTtlMs, expiresAtMs: Infinity };
    if (answer.status !== 200) throw failure(answer.headers["x-atoll-error"] ?? "", text);
    const value: unknown = JSON.parse(text);
    if (!Answer.Check(value))
      throw new AtollError("INTERNAL", "a server answered what a token may do in another shape");
    const policies = value.Policies.map(({ Rules }) => {
      const parsed = parseRules(Rules);
      return parsed.ok ? parsed.rules : noRules;
    });
    const key = `${value.DefaultPolicy}:${value.Policies.map(({ Key }) => Key).join(",")}`;
    return {
      authorizer: authorizerOf(compileRules(policies, { key, defaultPolicy: value.DefaultPolicy }), value.AccessorID),
      freshUntilMs: nowMs + acl.tokenTtlMs,
      expiresAtMs: value.ExpirationTime === undefined ? Infinity : Date.parse(value.ExpirationTime),
    };
  };

  const whenDown = (before: Known | undefined, thrown: unknown): Authorizer => {
    if (!(thrown instanceof AtollError) || thrown.retryable === "no") throw thrown;
    pausedUntilMs = clock.monotonicMs() + pauseMs;
    if (acl.downPolicy === "allow") return byDefault("allow");
    if (acl.downPolicy === "deny" || before === undefined) return byDefault("deny");
    return mustHold(before, clock.nowMs());
  };

  return async (secret) => {
    const key = createHash("sha256").update(secret).digest("base64");
    const before = known.get(key);
    const nowMs = clock.monotonicMs();
    if (before !== undefined && nowMs < before.freshUntilMs) return mustHold(before, clock.nowMs());
    if (nowMs < pausedUntilMs) return whenDown(before, new AtollError("UNAVAILABLE", "no server could be reached"));
    if (before !== undefined && acl.downPolicy === "async-cache") {
      ask(key, secret).catch((thrown: unknown) => whenDown(before, thrown));
      return mustHold(before, clock.nowMs());
    }
    try {
      return mustHold(await ask(key, secret), clock.nowMs());
    } catch (thrown) {
      if (thrown instanceof AtollError && thrown.code === "PERMISSION_DENIED") throw thrown;
      return whenDown(before, thrown);
    }
  };
}

/** A token that has expired is refused at once, whatever is remembered of it. */
function mustHold({ authorizer, expiresAtMs }: Known, nowMs: number): Authorizer {
  if (authorizer !== undefined && nowMs < expiresAtMs) return authorizer;
  throw new AtollError("PERMISSION_DENIED", "ACL not found");
}

const allowing = authorizerOf(compileRules([], { key: "down:allow", defaultPolicy: "allow" }), "");
const denying = authorizerOf(compileRules([], { key: "down:deny", defaultPolicy: "deny" }), "");

function byDefault(policy: "allow" | "deny"): Authorizer {
  return policy === "allow" ? allowing : denying;
}

function failure(code: string, text: string): AtollError {
  const known = isErrorCode(code) ? code : "UNAVAILABLE";
  return new AtollError(known, `a server could not say what a token may do: ${text.slice(0, 200)}`);
}
