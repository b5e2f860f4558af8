import { Type } from "typebox";
import type { Static } from "typebox";
import { type JwtProviderConfig, type JwtRequirement, JwtRequirementSchema } from "./proxy-jwt.ts";
import { FieldMatchSchema, matchIssues, MethodsSchema, PathMatchSchema } from "./proxy-match.ts";
import type { SchemaIssue } from "./schema-issues.ts";
import { compileSpiffePattern } from "./spiffe.ts";

/** Who may call the service of an inbound listener. Words and meanings are those of Consul's `service-intentions`. */
const closed = { additionalProperties: false } as const;
const Action = (description: string) => Type.Enum(["allow", "deny"], { description });

/** All of its conditions hold; without any it matches every request. */
const Permission = Type.Object(
  {
    action: Action("what happens to a request that meets all of the conditions"),
    path: Type.Optional(PathMatchSchema),
    headers: Type.Array(FieldMatchSchema, {
      maxItems: 64,
      default: [],
      description: "all of them; a denial also meets a single line of a repeated field",
    }),
    methods: MethodsSchema,
    jwt: Type.Optional(JwtRequirementSchema),
  },
  closed,
);

/** Either an action for all that the source does, or permissions for its requests. */
const IntentionRule = Type.Object(
  {
    source: Type.String({ minLength: 1, description: "a SPIFFE id; * stands for one whole segment" }),
    action: Type.Optional(Action("what happens to all calls of that source; not with permissions")),
    permissions: Type.Optional(
      Type.Array(Permission, {
        minItems: 1,
        maxItems: 1_000,
        description: "the first that a request meets decides, else the default; where the protocol is tcp they deny",
      }),
    ),
    dryRun: Type.Boolean({ default: false, description: "what this rule denies is let through, counted and logged" }),
  },
  closed,
);

/**
 * The first rule whose source pattern matches the caller's SPIFFE id decides, else `default`. Of its permissions the first
 * that matches the request decides, else `default`. Where requests are not read, on `tcp`, a rule with permissions denies.
 */
export const IntentionsSchema = Type.Object(
  {
    default: Action("what happens to callers that no rule names, and to requests that no permission names"),
    rules: Type.Array(IntentionRule, {
      maxItems: 10_000,
      default: [],
      description: "the first whose source is the caller's SPIFFE id decides",
    }),
    jwt: Type.Optional(JwtRequirementSchema),
    dryRun: Type.Boolean({ default: false, description: "whatever is denied is let through, counted and logged" }),
  },
  { ...closed, description: "who may call, and what" },
);

export type IntentionsConfig = Static<typeof IntentionsSchema>;
export type IntentionRuleConfig = IntentionsConfig["rules"][number];
export type PermissionConfig = NonNullable<IntentionRuleConfig["permissions"]>[number];

/** Of intentions at `path` in their document: what a schema cannot say. */
export function intentionIssues(
  path: string,
  { rules, jwt }: IntentionsConfig,
  providers: readonly JwtProviderConfig[],
): SchemaIssue[] {
  const names = new Set(providers.map(({ name }) => name));
  return [
    ...rules.flatMap((rule, i) => ruleIssues(`${path}.rules[${i}]`, rule, names)),
    ...requirementIssues(`${path}.jwt`, jwt, names),
  ];
}

function requirementIssues(path: string, jwt: JwtRequirement | undefined, names: ReadonlySet<string>): SchemaIssue[] {
  return (jwt?.providers ?? []).flatMap(({ name }, i) =>
    names.has(name)
      ? []
      : [{ path: `${path}.providers[${i}].name`, message: `must be a provider of jwtProviders, found "${name}"` }],
  );
}

function ruleIssues(
  path: string,
  { source, action, permissions = [] }: IntentionRuleConfig,
  names: ReadonlySet<string>,
): SchemaIssue[] {
  const issues: SchemaIssue[] = [];
  if (compileSpiffePattern(source) === undefined) {
    const message = `must be a SPIFFE id in which * stands for one whole segment, found "${source}"`;
    issues.push({ path: `${path}.source`, message });
  }
  if ((action === undefined) === (permissions.length === 0)) {
    issues.push({ path, message: "must have either action or permissions" });
  }
  for (const [i, permission] of permissions.entries()) {
    const at = `${path}.permissions[${i}]`;
    if (permission.path !== undefined) issues.push(...matchIssues(`${at}.path`, permission.path));
    issues.push(...requirementIssues(`${at}.jwt`, permission.jwt, names));
    issues.push(...permission.headers.flatMap((header, j) => matchIssues(`${at}.headers[${j}]`, header)));
  }
  return issues;
}
